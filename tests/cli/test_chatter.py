"""Lightning says itself what is silenced: a release with other words fails here."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from pytorch_lightning import LightningDataModule, LightningModule
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.cli import LightningCLI

from laaf_lightning.cli.chatter import HARMLESS_WARNINGS


def silenced(beginning: str) -> str:
    """The pattern of the silenced warning that begins so."""
    (pattern,) = (pattern for pattern, _, _ in HARMLESS_WARNINGS if pattern.startswith(beginning))
    return pattern


def test_lightning_says_that_a_checkpoint_lies_in_another_folder() -> None:
    saved = ModelCheckpoint(dirpath="one").state_dict()
    with pytest.warns(UserWarning, match=silenced("The dirpath")):
        ModelCheckpoint(dirpath="other").load_state_dict(saved)


def test_lightning_says_that_arguments_are_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["laaf", "fit"])
    classes: dict[str, Any] = {"subclass_mode_model": True, "subclass_mode_data": True}
    with pytest.raises(SystemExit), pytest.warns(UserWarning, match=silenced("LightningCLI's args")):
        LightningCLI(LightningModule, LightningDataModule, **classes, args=["fit", "--help"])
