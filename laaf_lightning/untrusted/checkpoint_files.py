"""Checkpoints, loaded without running code from them, wherever they lie and whatever the defaults are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.untrusted.addresses import fetched, is_address

_STATES = ("state_dict", "optimizer_states", "lr_schedulers", "loops")
_KEPT = (*_STATES, "epoch", "global_step", "pytorch-lightning_version")


def refuse_unsafe(weights_only: object, path: object) -> None:
    """Refuse to load a checkpoint with ``weights_only=False``.

    Args:
        weights_only: what was asked for; None for what holds here, which is True.
        path: of the checkpoint, for the error.

    Raises:
        ConfigurationError: for False; with the two lines that make a plain checkpoint of a trusted one.
    """
    if weights_only is False:
        raise ConfigurationError(
            "weights_only=False (--weights_only false) would run whatever code the file holds, and is not done here; "
            f"{conversion(path)}"
        )


def conversion(path: object) -> str:
    """Write how a checkpoint with Python objects becomes a plain one.

    Args:
        path: of the checkpoint.

    Returns:
        A clause that ends with two lines of Python, which are Python when they are joined to one, too.
    """
    name = str(path).rpartition("/")[2] if is_address(path) else str(path)  # torch reads files only
    plain = f"{name.rpartition('/')[2].removesuffix('.ckpt')}-plain.ckpt"
    return (
        "if you trust where it comes from, two lines of Python keep its weights and the state of its training:\n"
        f"import torch; content = torch.load({name!r}, map_location='cpu', weights_only=False);\n"
        f"torch.save({{key: content[key] for key in {_KEPT} if key in content}}, {plain!r})"
    )


def load_content(path: Any, setting: str, map_location: Any = "cpu", shown: Any = None) -> dict[str, Any]:
    """Load a checkpoint.

    Args:
        path: of a file, an address, which is fetched to a file first, or an open file.
        setting: what asks for it, for the error.
        map_location: as for ``torch.load``.
        shown: what was given for it, for the error; None for `path`.

    Returns:
        Its content: tensors and plain values.

    Raises:
        FileNotFoundError: if there is no such file.
        ConfigurationError: if it cannot be fetched, holds Python objects, is damaged, or no checkpoint of Lightning.
    """
    given = path if shown is None else shown
    named = f"{setting}={str(given)!r}" if isinstance(given, (str, Path)) else setting
    with fetched(path, setting) as file:
        try:
            content = torch.load(file, map_location=map_location, weights_only=True)
        except FileNotFoundError:
            raise
        except Exception as error:  # whatever the unpickler stumbles on in bytes that are no pickle
            raise ConfigurationError(f"{named}: {_unreadable(str(error), given)}") from error
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise ConfigurationError(f"{named} is no checkpoint of Lightning: it has no 'state_dict'")
    return content


def is_about_python_objects(message: str) -> bool:
    """Tell whether torch refuses a file for what it holds beside tensors and plain values.

    Args:
        message: the text of ``torch.load``.

    Returns:
        Whether it would load the file with ``weights_only=False``.
    """
    return "unsupported global" in message.lower()


def _unreadable(reason: str, path: object) -> str:
    return holds_objects(path) if is_about_python_objects(reason) else "this file is no checkpoint, or a damaged one"


def holds_objects(path: object) -> str:
    """Write why a checkpoint with Python objects is not loaded, and what can be done.

    Args:
        path: of the checkpoint.

    Returns:
        A clause.
    """
    return (
        "it holds Python objects beside tensors and plain values, which run code when they are loaded; "
        f"{conversion(path)}"
    )
