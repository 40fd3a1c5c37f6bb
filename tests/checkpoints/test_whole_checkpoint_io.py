from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from lightning_fabric import Fabric
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins import AsyncCheckpointIO
from torch import nn

from laaf_lightning import WholeCheckpointIO
from laaf_lightning.checkpoints import write_whole_checkpoints
from laaf_lightning.whole_files import NotWrittenError
from tests.test_lightning_packages import NAMESPACES, Points, module
from tests.trainers import quiet_trainer


def fitted(folder: Path, namespace: Any = pytorch_lightning, **settings: Any) -> tuple[Any, Any]:
    """Fit with a checkpoint after every step."""
    keeps = namespace.callbacks.ModelCheckpoint(folder, "{step}", every_n_train_steps=1, **settings)
    trainer = quiet_trainer(
        keeps, namespace=namespace, max_epochs=1, plugins=[WholeCheckpointIO()], enable_checkpointing=True
    )
    trainer.fit(module(namespace), datamodule=Points())
    return trainer, keeps


def refuse_renaming_from(number: int, monkeypatch: pytest.MonkeyPatch, code: int = errno.ENOSPC) -> None:
    real, count = os.replace, 0

    def refusing(source: Any, target: Any) -> None:
        nonlocal count
        count += 1
        if count >= number:
            raise OSError(code, os.strerror(code))
        real(source, target)

    monkeypatch.setattr(os, "replace", refusing)


@pytest.mark.filterwarnings("ignore:You have overridden `on_after_batch_transfer`:UserWarning")  # meant there
@pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda namespace: namespace.__name__)
@pytest.mark.filterwarnings("ignore:Checkpoint directory:UserWarning")  # where the second goes on
def test_both_trainers_write_and_read_with_it(tmp_path: Path, namespace: Any) -> None:
    trainer, keeps = fitted(tmp_path, namespace, save_top_k=1, save_last="link")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["last.ckpt", "step=3.ckpt"]
    assert (tmp_path / "last.ckpt").samefile(tmp_path / "step=3.ckpt")
    state = trainer.strategy.checkpoint_io.load_checkpoint(keeps.best_model_path)
    assert state["global_step"] == 3
    again = quiet_trainer(
        keeps, namespace=namespace, max_epochs=2, enable_checkpointing=True, plugins=[WholeCheckpointIO()]
    )
    again.fit(module(namespace), datamodule=Points(), ckpt_path=tmp_path / "last.ckpt")
    assert again.global_step == 6


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_checkpoint_that_cannot_be_written_ends_the_fit_and_the_last_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    refuse_renaming_from(2, monkeypatch, code)
    with pytest.raises(NotWrittenError) as caught:
        fitted(tmp_path, save_top_k=1)
    assert f"cannot write the checkpoint '{tmp_path}/step=2.ckpt': {os.strerror(code)} (it needs " in str(caught.value)
    assert str(caught.value).endswith(f"; the last whole checkpoint is '{tmp_path}/step=1.ckpt'")
    assert [file.name for file in tmp_path.iterdir()] == ["step=1.ckpt"]
    assert torch.load(tmp_path / "step=1.ckpt", weights_only=True)["global_step"] == 1


def test_the_only_checkpoint_is_removed_when_there_is_another(tmp_path: Path) -> None:
    io, (one, two, three) = WholeCheckpointIO(), (tmp_path / f"{name}.ckpt" for name in "123")
    io.save_checkpoint({"step": 1}, one)
    io.remove_checkpoint(one)
    assert one.is_file()
    io.save_checkpoint({"step": 2}, two)
    assert [file.name for file in tmp_path.iterdir()] == ["2.ckpt"]
    io.remove_checkpoint(two)
    io.save_checkpoint({"step": 3}, two)
    io.save_checkpoint({"step": 3}, three)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["2.ckpt", "3.ckpt"]
    io.remove_checkpoint(two)
    assert [file.name for file in tmp_path.iterdir()] == ["3.ckpt"]
    io.remove_checkpoint(tmp_path / "never was.ckpt")


def test_a_checkpoint_that_somebody_else_has_removed_counts_no_more(tmp_path: Path) -> None:
    io, (one, two) = WholeCheckpointIO(), (tmp_path / "1.ckpt", tmp_path / "2.ckpt")
    io.save_checkpoint({}, one)
    io.save_checkpoint({}, two)
    two.unlink()
    io.remove_checkpoint(one)
    assert one.is_file()


def test_hidden_files_of_lightnings_own_are_removed_at_once(tmp_path: Path) -> None:
    io = WholeCheckpointIO()
    io.save_checkpoint({}, tmp_path / ".temp.ckpt")
    io.remove_checkpoint(tmp_path / ".temp.ckpt")
    assert not [*tmp_path.iterdir()]


def test_only_what_lies_beside_a_written_checkpoint_is_removed(tmp_path: Path) -> None:
    io, other = WholeCheckpointIO(), tmp_path / "other"
    other.mkdir()
    for name in ("a.ckpt", "notes.txt"):
        (other / name).write_text("mine")
    for name in ("1.ckpt", "2.ckpt"):
        io.save_checkpoint({}, tmp_path / "run" / name)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    named = [other, other / "a.ckpt", tmp_path / "run" / "notes.txt", tmp_path / "run", tmp_path / "run" / ".."]
    named += [tmp_path / "run" / ".." / "other", tmp_path / "run" / ".." / "other" / "a.ckpt"]
    for path in named:
        for begin in ("", "file://", "local://", "simplecache::file://"):
            io.remove_checkpoint(f"{begin}{path}")
    assert [file.read_text() for file in (other / "a.ckpt", other / "notes.txt", tmp_path / "run" / "notes.txt")]
    assert sorted(file.name for file in (tmp_path / "run").glob("*.ckpt")) == ["1.ckpt", "2.ckpt"]
    io.remove_checkpoint(f"local://{tmp_path}/run/1.ckpt")
    assert [file.name for file in (tmp_path / "run").glob("*.ckpt")] == ["2.ckpt"]


def test_a_plug_in_that_writes_in_a_thread_writes_whole_checkpoints(tmp_path: Path) -> None:
    trainer = pytorch_lightning.Trainer(plugins=[AsyncCheckpointIO()], accelerator="cpu", logger=False)
    write_whole_checkpoints(trainer)
    plugin = trainer.strategy.checkpoint_io
    assert isinstance(plugin, AsyncCheckpointIO)
    assert isinstance(plugin.checkpoint_io, WholeCheckpointIO)
    (tmp_path / "a.ckpt").mkdir()
    plugin.save_checkpoint({}, tmp_path / "a.ckpt")
    with pytest.raises(NotWrittenError, match=r"a\.ckpt"):
        plugin.teardown()


class Code:
    def __reduce__(self) -> Any:
        return print, ("run",)


def test_no_code_is_run_unless_somebody_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    io, file = WholeCheckpointIO(), tmp_path / "a.ckpt"
    io.save_checkpoint({"a": Code()}, file)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(Exception, match=r"(?i)weights.only"):
        io.load_checkpoint(file)
    assert capsys.readouterr().out == ""
    assert io.load_checkpoint(file, weights_only=False) == {"a": None}
    assert capsys.readouterr().out == "run\n"


def test_addresses_go_lightnings_way() -> None:
    io = WholeCheckpointIO()
    io.save_checkpoint({"step": 1}, "memory://folder/a.ckpt")
    assert io.load_checkpoint("memory://folder/a.ckpt") == {"step": 1}
    io.remove_checkpoint("memory://folder/a.ckpt")
    with pytest.raises(FileNotFoundError):
        io.load_checkpoint("memory://folder/a.ckpt")


def test_a_file_written_as_an_address_is_whole_too(tmp_path: Path) -> None:
    io = WholeCheckpointIO()
    (tmp_path / "a.ckpt").mkdir()
    with pytest.raises(NotWrittenError, match=f"'{tmp_path}/a.ckpt'"):
        io.save_checkpoint({}, f"file://{tmp_path}/a.ckpt")
    with pytest.raises(TypeError, match="storage_options"):
        io.save_checkpoint({}, tmp_path / "b.ckpt", storage_options={})


def test_fabric_takes_it(tmp_path: Path) -> None:
    fabric = Fabric(accelerator="cpu", plugins=[WholeCheckpointIO()])
    fabric.save(tmp_path / "a.ckpt", {"net": nn.Linear(1, 1)})
    assert [file.name for file in tmp_path.iterdir()] == ["a.ckpt"]


def test_a_plug_in_that_was_asked_for_stays() -> None:
    asked = AsyncCheckpointIO()
    for trainer in (quiet_trainer(plugins=[asked]), quiet_trainer(plugins=[mine := WholeCheckpointIO()])):
        write_whole_checkpoints(trainer)
        assert trainer.strategy.checkpoint_io in {asked, mine}


def test_a_trainer_of_the_other_package_gets_it_too() -> None:
    trainer: Any = lightning.pytorch.Trainer(accelerator="cpu", logger=False)
    write_whole_checkpoints(trainer)
    assert isinstance(trainer.strategy.checkpoint_io, WholeCheckpointIO)


def test_the_keep_k_rule_keeps_k(tmp_path: Path) -> None:
    _, keeps = fitted(tmp_path, save_top_k=-1)
    assert isinstance(keeps, ModelCheckpoint)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["step=1.ckpt", "step=2.ckpt", "step=3.ckpt"]
