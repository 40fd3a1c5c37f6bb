"""A checkpoint plug-in that leaves no half files and no silence."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer

from laaf_lightning.lightning_packages import CheckpointIO
from laaf_lightning.whole_files import NotWrittenError, write_whole


def write_whole_checkpoints(trainer: Trainer) -> None:
    """Let a Trainer write whole checkpoints, unless it has a plug-in for that, or a strategy that needs its own.

    Args:
        trainer: of either Lightning; it is changed in place.

    Example:
        >>> trainer = Trainer(accelerator="cpu", logger=False)
        >>> write_whole_checkpoints(trainer)
        >>> type(trainer.strategy.checkpoint_io).__name__
        'WholeCheckpointIO'
    """
    plugin: Any = trainer.strategy.checkpoint_io
    if type(plugin) in CheckpointIO.__mro__:  # Lightning's own
        trainer.strategy.checkpoint_io = WholeCheckpointIO()
    elif hasattr(plugin, "checkpoint_io"):  # one that writes by another, such as AsyncCheckpointIO in its thread
        plugin.__class__, plugin.whole = _writing_whole(plugin.__class__), WholeCheckpointIO()


@functools.cache
def _writing_whole(kind: type) -> type:
    """Derive a plug-in that keeps its inner one; a strategy gives it Lightning's own whenever it is asked for it."""
    inner = property(lambda plugin: plugin.whole, lambda _plugin, _other: None)
    return type(f"Whole{kind.__name__}", (kind,), {"__module__": __name__, "checkpoint_io": inner})


def _as_it_was_saved(storage: Any, _: str) -> Any:
    """Leave a tensor where it was when it was saved: the CPU's copy is that already."""
    return storage


class WholeCheckpointIO(CheckpointIO):
    """Writes checkpoints that are whole or absent: ``Trainer(plugins=[WholeCheckpointIO()])``, of either Lightning.

    A local checkpoint is written to a hidden name in its own folder, forced to disk and renamed, and the folder is
    forced to disk (`laaf_lightning.whole_files`): at every moment its name holds the old file or the new one.
    Lightning's own way passes over a folder that may not be written to, and leaves part of a file under the final name
    where the disk is full. Addresses (``s3://…``) go Lightning's way.

    A checkpoint is removed only while another one that this object has written is there; until then its removal
    waits. So a rule that keeps the k best never removes the only one, in whatever order it saves and removes. Hidden
    files (Lightning's own temporary ones) are removed at once.

    What such a rule removes may be named by the checkpoint that a run goes on from, so by a stranger: only what lies in
    a folder, or under an address, where this object has written, and ends as what it has written, is removed.

    Checkpoints are loaded without running code from them (``weights_only=True``), addresses too, unless a caller in
    Python says ``weights_only=False``.

    Example:
        >>> import tempfile
        >>> from pytorch_lightning import Trainer
        >>> trainer = Trainer(plugins=[WholeCheckpointIO()], accelerator="cpu", logger=False)
        >>> io, file = trainer.strategy.checkpoint_io, Path(tempfile.mkdtemp()) / "a.ckpt"
        >>> io.save_checkpoint({"state_dict": {"w": torch.ones(2)}}, file)
        >>> io.load_checkpoint(file)["state_dict"]["w"]
        tensor([1., 1.])
    """

    def __init__(self) -> None:
        super().__init__()
        self._written: list[Path] = []  # the newest last
        self._to_remove: list[Path] = []
        self._places: set[tuple[str, str]] = set()  # folders, and how the files that were written there end

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: what it holds.
            path: the file, whose folder is made where it is missing, or an address.
            storage_options: must be None, as for Lightning's own.

        Raises:
            NotWrittenError: if the file cannot be written; what stood under its name before is untouched. The text
                names the file, the reason, the bytes that it needs and those that are free, and the last whole
                checkpoint.
        """
        file = _local(path)
        if file is None or storage_options is not None:
            super().save_checkpoint(checkpoint, path, storage_options)  # type: ignore[arg-type]  # any path
            self._places.add(_place(path))
            return
        try:
            write_whole(file, lambda stream: torch.save(checkpoint, stream), "checkpoint")
        except NotWrittenError as error:
            last = next((each for each in reversed(self._written) if each != file and each.is_file()), None)
            if last is None:
                raise
            raise NotWrittenError(f"{error}; the last whole checkpoint is {str(last)!r}") from error.__cause__
        self._places.add(_place(file))
        self._written = [*(each for each in self._written if each != file), file]
        self._to_remove, waiting = [], [each for each in self._to_remove if each != file]
        for each in waiting:
            self.remove_checkpoint(each)

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Callable[[Any, str], Any] | None = _as_it_was_saved,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Load a checkpoint.

        Args:
            path: the file, or an address.
            map_location: where its tensors go, as in ``torch.load``.
            weights_only: None and True load tensors and plain values alone; False runs what code is in the file.

        Returns:
            What it holds.
        """
        loaded: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only is not False)  # type: ignore[arg-type]  # any path
        return loaded

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Remove a checkpoint, now or as soon as there is another whole one.

        Args:
            path: the file or folder, or an address; passed over unless it lies beside one that was written.
        """
        file = _local(path)
        if _place(path if file is None else file) not in self._places:
            return
        if file is None:
            super().remove_checkpoint(path)  # type: ignore[arg-type]  # any path
            return
        self._written = [each for each in self._written if each.is_file()]
        if not file.name.startswith(".") and not any(not _same(each, file) for each in self._written):
            self._to_remove.append(file)
            return
        self._written = [each for each in self._written if not _same(each, file)]
        with contextlib.suppress(FileNotFoundError):
            super().remove_checkpoint(file)


def _local(path: str | os.PathLike[str]) -> Path | None:
    """Return a file of this machine; None for an address."""
    text = os.fspath(path).removeprefix("file://").removeprefix("local://")
    return None if "://" in text or "::" in text else Path(text)


def _place(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Return where a file lies, and how its name ends; a name that is a step upwards lies nowhere."""
    folder, _, name = os.fspath(path).rpartition("/")
    if name in {"", ".", ".."} or ("://" in folder and ".." in folder.split("/")):
        return "", os.fspath(path)
    if "://" not in folder:
        folder = os.path.realpath(Path(path).parent)
    return folder, Path(name).suffix


def _same(one: Path, other: Path) -> bool:
    return one.absolute() == other.absolute()
