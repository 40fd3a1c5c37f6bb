"""A module's constructor arguments as hyper-parameters: plain values only, so that no checkpoint holds a pickle."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import FrameType
from typing import Any

import numpy as np
from pytorch_lightning import LightningModule

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules.construction import constructor_arguments

_MADE_BY_THE_COMMAND_LINE = "_instantiator"  # a key that Lightning's command line adds to what it saves
_GIVEN_FROM_PYTHON = "laaf_given_from_python"
_HAVE_DEFAULTS = {"optimizer", "lr_scheduler"}  # without them a rebuilt module computes the same


def save_settings(module: LightningModule) -> list[str]:
    """Save the arguments that a module is being constructed with; call it in the innermost constructor.

    Saved are those of the outermost constructor, which is the one that a checkpoint calls again: a preset that passes
    fixed values on does not get them handed back. Live objects are left out. The command line hands over their
    configuration beside the objects, plain values, which are kept.

    Args:
        module: the module, after ``LightningModule.__init__``.

    Returns:
        Names of the arguments that were left out and are needed to construct the module again as it is: live objects
        that are not their default, but for optimiser and scheduler.
    """
    module.save_hyperparameters(frame=_outside_of_any_constructor())
    if _MADE_BY_THE_COMMAND_LINE in module.hparams:
        return []
    arguments = constructor_arguments(module)
    plain = {name: value for name, value in arguments.items() if is_plain(value)}
    numbers = {name: value.item() for name, value in plain.items() if isinstance(value, np.generic)}
    module.save_hyperparameters(plain | numbers, frame=_outside_of_any_constructor())
    parameters = inspect.signature(type(module)).parameters
    live = [name for name in arguments if name not in plain and name not in _HAVE_DEFAULTS]
    return [name for name in live if name not in parameters or arguments[name] is not parameters[name].default]


def without_internals(hyper_parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what Lightning's command line keeps for itself.

    Args:
        hyper_parameters: a module's.

    Returns:
        Those that a logger should show.
    """
    return {name: value for name, value in hyper_parameters.items() if name != _MADE_BY_THE_COMMAND_LINE}


def note_live_objects(checkpoint: dict[str, Any], names: list[str]) -> None:
    """Note in a checkpoint which live objects it does not hold.

    Args:
        checkpoint: what is about to be saved.
        names: what `save_settings` returned.
    """
    checkpoint[_GIVEN_FROM_PYTHON] = names


def refuse_without(checkpoint: dict[str, Any], names: list[str], kind: type[LightningModule]) -> None:
    """Refuse to rebuild a module without the live objects that it was made with.

    Args:
        checkpoint: what was saved.
        names: of those that the module has been given now.
        kind: the module's class.

    Raises:
        ConfigurationError: if ``load_from_checkpoint`` was called without one of them.
    """
    missing = [name for name in checkpoint.get(_GIVEN_FROM_PYTHON, []) if name not in names]
    if missing:
        objects = ", ".join(f"{name}=…" for name in missing)
        raise ConfigurationError(
            f"the checkpoint does not hold {', '.join(missing)}, given from Python as live objects: "
            f"{kind.__name__}.load_from_checkpoint(path, {objects})"
        )


def is_plain(value: Any) -> bool:
    """Tell whether a value is plain, so that a checkpoint that is loaded with ``weights_only=True`` can hold it.

    Args:
        value: anything.

    Returns:
        Whether it is made of dicts, lists, tuples, strings, numbers, booleans and None only; numpy's scalars count,
        and are saved as Python's.

    Example:
        >>> is_plain({"lr": [1e-3, None]}), is_plain(print)
        (True, False)
    """
    if type(value) is dict:
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    if type(value) in {list, tuple}:
        return all(is_plain(item) for item in value)
    return value is None or type(value) in {bool, int, float, str} or isinstance(value, np.generic)


def _outside_of_any_constructor() -> FrameType:
    """Return a frame without callers, for Lightning would look in those for the arguments of constructors."""
    generator: Any = (number for number in range(0))
    frame: FrameType = generator.gi_frame
    return frame
