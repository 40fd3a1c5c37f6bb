"""The steps after the last checkpoint are repeated, and must come out the same."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import TensorDataset

from laaf_lightning import ConfigurationError, ExactResume
from laaf_lightning.callbacks.exact_resume.journal import Entry, Journal, read_journal
from tests.callbacks.exact_resume.runs import QUIET, Net, loader

pytestmark = pytest.mark.filterwarnings(
    "ignore:The 'train_dataloader' does not:UserWarning",
    "ignore:You defined a `validation_step`:UserWarning",
    "ignore:The dirpath",
    "ignore:Checkpoint directory",
)
X = torch.linspace(-1, 1, 12)[:, None]


def fit(
    folder: Path,
    *,
    data: Any = None,
    resume: ExactResume | None = None,
    checkpoint: Path | None = None,
    save_on_exception: bool = False,
    others: Sequence[Any] = (),
) -> Any:
    pl.seed_everything(0, verbose=False)
    checkpoints = ModelCheckpoint(
        folder, "{step}", every_n_train_steps=2, save_top_k=-1, save_on_exception=save_on_exception
    )
    trainer = pl.Trainer(**QUIET, max_epochs=2, logger=False, callbacks=[resume or ExactResume(), checkpoints, *others])
    trainer.fit(Net(), loader(data or TensorDataset(X, X.sin())), ckpt_path=checkpoint, weights_only=True)
    return trainer


def test_a_line_for_every_batch_beside_the_checkpoints(tmp_path: Path) -> None:
    fit(tmp_path)
    lines = (tmp_path / "journal.csv").read_text().splitlines()
    assert lines[0] == "run,batch,step,loss,checksum"
    assert [line.split(",")[1:3] for line in lines[1:]] == [[str(k), str(k)] for k in range(1, 7)]
    assert len({line.split(",")[0] for line in lines[1:]}) == 1


def test_a_journal_in_every_folder_of_checkpoints(tmp_path: Path) -> None:
    second = ModelCheckpoint(tmp_path / "other", every_n_train_steps=3)
    fit(tmp_path / "first", others=[second, ModelCheckpoint("memory://nowhere", every_n_train_steps=4)])
    one, other = ((tmp_path / name / "journal.csv").read_text() for name in ("first", "other"))
    assert one == other
    assert len(one.splitlines()) == 7


def test_other_runs_in_the_same_folder_are_not_compared(tmp_path: Path) -> None:
    fit(tmp_path)
    checkpoint = (tmp_path / "step=2.ckpt").rename(tmp_path / "kept.ckpt")
    fit(tmp_path, data=TensorDataset(X.flip(0), X.sin()))  # another run's lines, later ones of the same numbers
    trainer = fit(tmp_path, checkpoint=checkpoint)
    assert trainer.global_step == 6
    with pytest.raises(ConfigurationError, match="at optimiser step 3 it is trained on another batch"):
        fit(tmp_path, data=TensorDataset(X.flip(0), X.sin()), checkpoint=checkpoint)


def test_the_same_run_is_repeated(tmp_path: Path) -> None:
    fit(tmp_path / "first")
    trainer = fit(tmp_path / "second", checkpoint=tmp_path / "first" / "step=2.ckpt")
    first, second = (read_journal(tmp_path / name / "journal.csv") for name in ("first", "second"))
    assert trainer.global_step == 6
    assert second == {number: entry for number, entry in first.items() if number > 2}


def test_another_run_is_noticed_at_the_first_step_that_differs(tmp_path: Path) -> None:
    fit(tmp_path / "first")
    other = TensorDataset(torch.where(X[7] == X, X + 1, X), X.sin())
    with pytest.raises(ConfigurationError, match=r"at optimiser step \d it is trained on another batch") as caught:
        fit(tmp_path / "second", data=other, checkpoint=tmp_path / "first" / "step=2.ckpt")
    first, second = (read_journal(tmp_path / name / "journal.csv") for name in ("first", "second"))
    differs = min(number for number, entry in second.items() if entry != first[number])
    assert f"step {differs} " in str(caught.value)
    assert "--exact_resume.on_divergence warn" in str(caught.value)


def test_no_checkpoint_is_left_of_a_run_that_is_another(tmp_path: Path) -> None:
    fit(tmp_path / "first")
    other = TensorDataset(X.flip(0), X.sin())
    checkpoint = tmp_path / "first" / "step=2.ckpt"
    with pytest.raises(ConfigurationError, match="trained on another batch"):
        fit(tmp_path / "second", data=other, checkpoint=checkpoint, save_on_exception=True)
    assert [file.name for file in (tmp_path / "second").iterdir()] == ["journal.csv"]


def test_another_loss_is_noticed(tmp_path: Path) -> None:
    fit(tmp_path / "first")
    file = tmp_path / "first" / "step=2.ckpt"
    checkpoint = torch.load(file, weights_only=True)
    checkpoint["state_dict"]["net.0.bias"] += 1e-3
    torch.save(checkpoint, file)
    with pytest.raises(ConfigurationError, match=r"at optimiser step 3 its loss was 0\.\d+ and is 0\.\d+"):
        fit(tmp_path / "second", checkpoint=file)


def test_goes_on_with_a_warning_if_asked(tmp_path: Path) -> None:
    fit(tmp_path / "first")
    other = TensorDataset(X.flip(0), X.sin())
    with pytest.warns(UserWarning, match="at optimiser step 3 it is trained on another batch"):
        trainer = fit(
            tmp_path / "second",
            data=other,
            resume=ExactResume(on_divergence="warn"),
            checkpoint=tmp_path / "first" / "step=2.ckpt",
        )
    assert trainer.global_step == 6


@pytest.mark.parametrize("what", ["settings", "journal"])
def test_is_not_compared(tmp_path: Path, what: str) -> None:
    fit(tmp_path / "first")
    resume = ExactResume(journal=what != "journal")
    resume.settings = "other" if what == "settings" else None
    other = TensorDataset(X.flip(0), X.sin())
    trainer = fit(tmp_path / "2", data=other, resume=resume, checkpoint=tmp_path / "first" / "step=2.ckpt")
    assert trainer.global_step == 6
    assert (tmp_path / "2" / "journal.csv").exists() == (what == "settings")


def noted(batch: Any) -> int:
    journal = Journal([], "", {1: Entry(0, 0.0, 0)})
    journal.note(1, 1, None, batch)
    ((_, _, entry),) = journal.write()
    return entry.checksum


def test_checksums_tell_batches_apart() -> None:
    big = torch.arange(1 << 18, dtype=torch.float32)
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    batches: list[Any] = [
        x, x.flip(0), x.t().contiguous(), (x, x), {"a": x, "b": [x + 1]}, x.bool(), x.half(), x.to(torch.complex64),
        big, big + 1, torch.zeros(0), "text", -x,
    ]  # fmt: skip
    sums = [noted(batch) for batch in batches]
    assert sums[10] == sums[11] == 0  # nothing to tell apart
    assert len(set(sums)) == len(sums) - 1
    assert [noted(batch) for batch in batches] == sums


def test_a_batch_that_is_changed_in_place_is_another() -> None:
    journal, x = Journal([], "", {1: Entry(0, 0.0, 0), 2: Entry(0, 0.0, 0)}), torch.ones(3)
    journal.note(1, 1, None, x)
    x[0] = 2
    journal.note(2, 2, None, x)
    (_, _, one), (_, _, two) = journal.write()
    assert one.checksum != two.checksum


def test_reads_what_a_killed_run_has_left(tmp_path: Path) -> None:
    file = tmp_path / "journal.csv"
    assert read_journal(file) == {}
    file.write_text("run,batch,step,loss,checksum\na,1,1,0x1p-1,7\nb,2,2,nan,-8\na,1,1,0x1p-2,9\na,3,3,0x1p-1")
    one, two = read_journal(file).values()
    assert (one, two.step, two.checksum) == (Entry(1, 0.25, 9), 2, -8)
    assert read_journal(file, "a") == {1: one}
    journal = Journal([file], "a")
    journal.note(4, 4, torch.tensor(0.5), X)
    journal.write()
    assert [*read_journal(file)] == [1, 2, 4]


def test_unknown_choice() -> None:
    with pytest.raises(ConfigurationError, match="unknown on_divergence 'stopp'"):
        ExactResume(on_divergence="stopp")  # type: ignore[arg-type]


def test_a_checkpoint_without_it_says_so(tmp_path: Path) -> None:
    fit(tmp_path, resume=ExactResume(enabled=False))
    warnings.filterwarnings("ignore", "You're resuming from a checkpoint that ended")
    with pytest.warns(UserWarning, match="was saved without ExactResume"):
        fit(tmp_path / "second", checkpoint=tmp_path / "step=2.ckpt")


def test_a_journal_that_cannot_be_written_costs_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    journal = Journal([tmp_path / "file" / "journal.csv", tmp_path / "journal.csv"], "a")
    journal.note(1, 1, torch.tensor(0.5), X)
    with pytest.warns(UserWarning, match=r"file/journal.csv is not kept from step 1 on: \w+"):
        assert journal.write() == []
    journal.note(2, 2, torch.tensor(0.5), X)
    assert journal.write() == []
    assert [*read_journal(tmp_path / "journal.csv")] == [1, 2]
