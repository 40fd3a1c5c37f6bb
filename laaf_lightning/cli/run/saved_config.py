"""The configuration of a run, saved where the run is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.cli import SaveConfigCallback

from laaf_lightning.whole_files import write_whole_text


class SavedConfig(SaveConfigCallback):
    """Writes ``config.yaml`` into the run's folder, whatever the logger.

    Args:
        args: as for the base.
        folder: the run's folder; None on other ranks, and where the logger writes to an address.
        kwargs: as for the base.
    """

    def __init__(self, *args: Any, folder: Path | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._folder = folder

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the file.

        Args:
            trainer: not used.
            pl_module: not used.
            stage: not used.
        """
        if self._folder is not None:
            text = self.parser.dump(self.config, skip_unset=False)
            write_whole_text(self._folder / self.config_filename, text, "configuration", replace=False)
