"""A module's constructor arguments as hyper-parameters: plain values only, so that no checkpoint holds a pickle."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from pytorch_lightning import LightningModule

_MADE_BY_THE_COMMAND_LINE = "_instantiator"  # a key that Lightning's command line adds to what it saves


def save_settings(module: LightningModule) -> list[str]:
    """Save the arguments that a module is being constructed with; call it in the innermost constructor.

    Saved are those of the outermost constructor, which is the one that a checkpoint calls again: a preset that passes
    fixed values on does not get them handed back. Live objects are left out. The command line hands over their
    configuration beside the objects, plain values, which are kept.

    Args:
        module: the module, after ``LightningModule.__init__``.

    Returns:
        Names of the arguments that were left out and are needed to construct the module again: live objects that
        are not their default.
    """
    given, inner = _constructor_arguments(module)
    live = [name for name, value in given.items() if not is_plain(value)]
    module.save_hyperparameters(ignore=[*live, *inner])
    if _MADE_BY_THE_COMMAND_LINE in module.hparams:
        module.save_hyperparameters()
        return []
    for name, value in module.hparams.items():
        if isinstance(value, np.generic):
            module.hparams[name] = value.item()
    parameters = inspect.signature(type(module)).parameters
    return [name for name in live if name not in parameters or given[name] is not parameters[name].default]


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


def _constructor_arguments(module: LightningModule) -> tuple[dict[str, Any], set[str]]:
    """Return the outermost constructor's arguments, and the names that only inner constructors have."""
    given: dict[str, Any] = {}
    names: set[str] = set()
    frame = inspect.currentframe()
    frame = frame and frame.f_back and frame.f_back.f_back
    while frame is not None and frame.f_code.co_name == "__init__":
        arguments = inspect.getargvalues(frame)
        if not arguments.args or arguments.locals[arguments.args[0]] is not module:
            break
        given = {name: arguments.locals[name] for name in arguments.args[1:]}
        given |= arguments.locals[arguments.keywords] if arguments.keywords else {}
        names |= set(given)
        frame = frame.f_back
    return given, names - set(given)
