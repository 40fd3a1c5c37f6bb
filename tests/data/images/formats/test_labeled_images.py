from __future__ import annotations

import pytest
import torch

from laaf_lightning.data.images.formats import LabeledImages, check_images
from laaf_lightning.errors import ConfigurationError


def labeled(count: int = 3, labels: tuple[int, ...] = (0, 1, 2), size: int = 4) -> LabeledImages:
    return LabeledImages(torch.zeros(count, 1, size, size, dtype=torch.uint8), torch.tensor(labels), "train-files")


def test_matching_images_and_labels_pass() -> None:
    check_images(labeled(), num_classes=3, in_channels=1, image_size=4)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (labeled(count=9), "it holds 9 images but 3 labels"),
        (labeled(count=0, labels=()), "it holds no images"),
        (labeled(size=5), r"shape \(1, 5, 5\) instead of \(1, 4, 4\)"),
        (labeled(labels=(0, 1, 3)), "labels run from 0 to 3 instead of within 0 to 2"),
        (labeled(labels=(-1, 1, 2)), "labels run from -1 to 2"),
    ],
    ids=["count", "none", "shape", "label too high", "label too low"],
)
def test_images_that_do_not_fit_are_refused(data: LabeledImages, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=f"train-files is damaged: .*{problem}"):
        check_images(data, num_classes=3, in_channels=1, image_size=4)
