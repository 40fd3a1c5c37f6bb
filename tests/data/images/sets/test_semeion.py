from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from laaf_lightning.data.images.formats import LabeledImages
from laaf_lightning.data.images.sets.semeion import SemeionDataModule, packaged_semeion
from laaf_lightning.errors import ConfigurationError

PUBLISHED_MD5 = "cb545d371d2ce14ec121470795a77432"


def published_text(digits: LabeledImages) -> bytes:
    """Write digits as UCI's file does: pixels with four decimals, ten labels, a blank and a CR LF after each line."""
    lines = []
    for image, label in zip(digits.images, digits.labels, strict=True):
        pixels = [f"{value // 255}.0000" for value in image.flatten().tolist()]
        labels = [str(int(digit == label)) for digit in range(10)]
        lines.append(" ".join(pixels + labels) + " \r\n")
    return "".join(lines).encode()


@pytest.fixture(autouse=True)
def no_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAAF_DATA_ROOT", str(tmp_path))


def test_packaged_digits_are_the_published_file_byte_for_byte() -> None:
    assert hashlib.md5(published_text(packaged_semeion())).hexdigest() == PUBLISHED_MD5


def test_division_is_one_seeded_permutation_into_1000_and_593() -> None:
    def division(seed: int) -> tuple[list[bytes], list[bytes]]:
        data = SemeionDataModule(seed=seed)
        data.setup()
        parts = (data.train_dataloader().data, data.test_dataloader().data)
        train, test = ([bytes(image.flatten().tolist()) for image in part.images] for part in parts)
        return train, test

    train, test = division(0)
    assert (len(train), len(test)) == (1000, 593)
    everything = [bytes(image.flatten().tolist()) for image in packaged_semeion().images]
    assert sorted(train + test) == sorted(everything)
    assert division(0) == (train, test)
    assert set(division(1)[1]) != set(test)


def test_published_file_in_root_gives_the_packaged_digits(tmp_path: Path) -> None:
    (tmp_path / "semeion.data").write_bytes(published_text(packaged_semeion()))
    data = SemeionDataModule()
    data.setup("test")
    from_file = data.test_dataloader().data
    (tmp_path / "semeion.data").unlink()
    packaged = SemeionDataModule()
    packaged.setup("test")
    expected = packaged.test_dataloader().data
    assert from_file.source == str(tmp_path / "semeion.data")
    assert torch.equal(from_file.images, expected.images)
    assert torch.equal(from_file.labels, expected.labels)


def test_other_content_in_root_is_refused_unless_verify_is_false(tmp_path: Path) -> None:
    digits = packaged_semeion()
    digits.images[5, 0, 3, 3] = 255 - digits.images[5, 0, 3, 3]
    (tmp_path / "semeion.data").write_bytes(published_text(digits))
    with pytest.raises(ConfigurationError, match=rf"has MD5 .*, the published one {PUBLISHED_MD5}; remove it to use"):
        SemeionDataModule().setup()
    data = SemeionDataModule(verify=False)
    data.setup()
    images = torch.cat([data.train_dataloader().data.images, data.test_dataloader().data.images])
    assert images.sum() == digits.images.sum() != packaged_semeion().images.sum()


def test_too_few_digits_to_divide_are_refused(tmp_path: Path) -> None:
    few = packaged_semeion()[torch.arange(1000)]
    (tmp_path / "semeion.data").write_bytes(published_text(few))
    with pytest.raises(ConfigurationError, match=r"has 1000 digits: there must be more than 1000"):
        SemeionDataModule(verify=False).setup()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (os.mkfifo, "it is a named pipe instead of a file"),
        (Path.mkdir, "it is a folder instead of a file"),
        (lambda file: file.symlink_to("/dev/zero"), "it is a device instead of a file"),
    ],
    ids=["pipe", "folder", "device"],
)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], object], problem: str) -> None:
    make(tmp_path / "semeion.data")
    with pytest.raises(ConfigurationError, match=f"semeion.data is damaged: {problem}; remove it to use the digits"):
        SemeionDataModule(root=str(tmp_path)).setup()


def test_folder_that_may_not_be_entered_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *, follow_symlinks: bool = True) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(ConfigurationError, match=r"semeion\.data cannot be read \(Permission denied\)"):
        SemeionDataModule(root=str(tmp_path)).setup()


def test_links_in_a_circle_are_named(tmp_path: Path) -> None:
    (tmp_path / "semeion.data").symlink_to("semeion.data")
    with pytest.raises(ConfigurationError, match=r"semeion\.data cannot be read \(Too many levels of symbolic links\)"):
        SemeionDataModule(root=str(tmp_path)).setup()


def test_facts_are_there_before_set_up_and_batches_agree_with_them() -> None:
    data = SemeionDataModule(batch_size=64)
    facts = (data.num_classes, data.in_channels, data.image_size, data.class_names)
    assert facts == (10, 1, 16, ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"))
    data.prepare_data()
    data.setup("fit")
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (64, data.in_channels, data.image_size, data.image_size)
    assert set(images.unique().tolist()) == {0.0, 1.0}
    assert 0 <= labels.min() <= labels.max() < data.num_classes
