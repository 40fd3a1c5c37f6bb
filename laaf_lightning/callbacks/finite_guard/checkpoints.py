"""The newest checkpoint of a run, to go on from."""

from __future__ import annotations

from pathlib import Path

from pytorch_lightning import Trainer

_REMEMBERED = 20


class KnownCheckpoints:
    """The files that a Trainer's checkpoint callbacks have named so far.

    A callback names a file before it is written, and no longer the one before it, which stays where writing fails.

    Args:
        trainer: the Trainer.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._paths: dict[str, None] = {}

    def note(self) -> None:
        """Remember what is named now."""
        for callback in self._trainer.checkpoint_callbacks:
            named = [getattr(callback, name, "") for name in ("best_model_path", "last_model_path")]
            for path in filter(None, [*getattr(callback, "best_k_models", {}), *named]):
                self._paths.pop(path, None)
                self._paths[path] = None
        self._paths = dict.fromkeys([*self._paths][-_REMEMBERED:])

    def newest(self) -> str | None:
        """Find the file that was written last, or else the one that the run went on from.

        Returns:
            Its path; None if there is no such file.
        """
        self.note()
        files = [path for path in map(Path, self._paths) if path.is_file()]
        if files:
            return str(max(files, key=lambda path: path.stat().st_mtime_ns))
        return None if self._trainer.ckpt_path is None else str(self._trainer.ckpt_path)
