"""A fit that starts from the weights of an earlier one, and from nothing else of it."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import LightningModule

from laaf_lightning.checkpoints.initial_weights import take_state
from laaf_lightning.cli.checkpoint import load_checked
from laaf_lightning.errors import ConfigurationError

SETTING = "init_from"


def check_initial_weights(config: Any, subcommand: str) -> None:
    """Raise unless the setting ``init_from`` can be met; a fit's file is read once more by `take_weights`.

    Beside a checkpoint, whose weights are all that other commands use, they pass over it: the saved configuration of a
    fit holds it.

    Args:
        config: the settings of the subcommand.
        subcommand: its name.

    Raises:
        ConfigurationError: for a file that is no checkpoint, in a fit beside a checkpoint to resume from, and in
            another command without a checkpoint.
    """
    path, resumed = config.get(SETTING), config.get("ckpt_path")
    if path is None or (subcommand != "fit" and resumed is not None):
        return
    if subcommand != "fit":
        raise ConfigurationError(
            f"{SETTING}={str(path)!r} is where a fit starts: {subcommand} takes the weights of --ckpt_path FILE"
        )
    if resumed is not None:
        raise ConfigurationError(
            f"{SETTING}={str(path)!r} beside ckpt_path={str(resumed)!r}: the first starts a new fit from these weights "
            "alone, the second goes on with an old one; give one of them"
        )
    load_checked(path, SETTING)


def take_weights(model: LightningModule, path: str) -> str:
    """Give a model those weights of a checkpoint that fit, by name and shape; a PINN all of them.

    Args:
        model: is changed in place.
        path: of the checkpoint; loaded without running code from it.

    Returns:
        A line that says how many, and what is left out on either side.

    Raises:
        ConfigurationError: for a file that is no checkpoint, if nothing fits, for a PINN's network of another shape,
            and for slopes of another n.
    """
    from laaf_lightning.modules import PINN  # noqa: PLC0415  # which help does not wait for

    # A solution with a part of another's weights is neither's.
    return take_state(model, load_checked(path, SETTING), str(path), strict=isinstance(model, PINN))
