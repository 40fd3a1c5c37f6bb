"""Tell a wrong request from a defect: the first ends with one sentence, the second with its traceback."""

from __future__ import annotations

import re
import traceback

from lightning_fabric.utilities.exceptions import MisconfigurationException

from laaf_lightning.cli.checkpoint import state_mismatch
from laaf_lightning.cli.foreign_texts import (
    alternatives,
    is_about_a_type,
    is_state_mismatch,
    missing_metric,
    missing_package,
)
from laaf_lightning.errors import ConfigurationError, nearest

_RESTORES = ("connectors.checkpoint_connector", "restore")


def as_wrong_request(error: Exception) -> ConfigurationError | None:
    """Find out whether an error is about what the user asked for.

    Args:
        error: what a run raised.

    Returns:
        The error to show instead, `error` itself if it is one already, None for a defect.
    """
    if isinstance(error, ConfigurationError):
        return error
    text = _text_of(error)
    return None if text is None else ConfigurationError(text)


def _text_of(error: Exception) -> str | None:
    if text := _about_a_metric(error) or _about_a_package(error):
        return text
    if isinstance(error, MisconfigurationException):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if is_state_mismatch(error):
        return state_mismatch(str(error))
    text = _about_restoring(error)
    if text is None and isinstance(error, ValueError):
        text = _from_torch_optim(error) or _from_a_constructor(error)
    return text


def _about_restoring(error: Exception) -> str | None:
    """Find out whether Lightning was giving a checkpoint's content to those whom it concerns."""
    module, method = _RESTORES
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if not any(
        frame.f_globals.get("__name__", "").endswith(module) and method in frame.f_code.co_name for frame in frames
    ):
        return None
    return (
        "--ckpt_path: this checkpoint cannot be gone on from, its content is not what such a run saves "
        f"({type(error).__name__}: {error}); name another one, or take its weights alone by --init_from"
    )


def _about_a_metric(error: Exception) -> str | None:
    found = missing_metric(str(error)) if isinstance(error, (MisconfigurationException, RuntimeError)) else None
    if found is None:
        return None
    who, metric, known = found
    there_are = f"there are {', '.join(known)}" if known else "nothing is logged before it looks"
    near = nearest(metric, known)
    return f"{who} monitors {metric!r}, which is not logged: {there_are}" + (
        f"; did you mean {near!r}?" if near else ""
    )


def _about_a_package(error: Exception) -> str | None:
    """Find the package that a class of Lightning's misses, also where jsonargparse wraps the error."""
    innermost: BaseException | None = error
    while innermost is not None:
        if isinstance(innermost, ModuleNotFoundError) and (package := missing_package(str(innermost))):
            name = re.split(r"[^\w.-]", package)[0]
            asked = package if name == package else f"'{package}'"
            return f"the package {name!r} is not installed, or too old: pip install {asked}"
        innermost = innermost.__cause__
    return None


def _from_torch_optim(error: ValueError) -> str | None:
    """Find out whether the constructor of one of torch's optimisers or schedulers raised the error itself.

    Returns:
        What to say then, else None.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    last = frames[-1] if frames else None
    if last is None or last.f_code.co_name != "__init__" or not last.f_globals["__name__"].startswith("torch.optim"):
        return None
    return f"the optimiser refuses its settings: {error}"


def _from_a_constructor(error: ValueError) -> str | None:
    """Find our own error where jsonargparse wraps it because a key allows several types.

    Only the first type's exception is kept as the cause; of the others there is nothing but their text.

    Returns:
        Our text, or that of a constructor of which nothing else is left; None for an error from elsewhere.
    """
    innermost: BaseException = error
    while innermost.__cause__ is not None:
        innermost = innermost.__cause__
        if isinstance(innermost, ConfigurationError):
            return str(innermost)
    if innermost is error or not is_about_a_type(str(innermost)):
        return None
    others = [text for text in alternatives(str(error)) if not is_about_a_type(text)]
    return others[0] if others else None
