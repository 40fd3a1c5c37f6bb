"""A Trainer that loads plain checkpoints only: tensors and plain values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.untrusted.addresses import fetched
from laaf_lightning.untrusted.checkpoint_files import holds_objects, is_about_python_objects, refuse_unsafe

_SETTING = "ckpt_path"


def load_plain_files(strategy: Any) -> None:
    """Let a Trainer load checkpoints with ``weights_only=True``, where it was told nothing, too.

    Lightning's own default is False for addresses, and torch's is what an environment variable says.

    Args:
        strategy: the Trainer's, with its checkpoint plug-in.
    """
    plugin = strategy.checkpoint_io
    if not hasattr(plugin.load_checkpoint, "func"):
        plugin.load_checkpoint = partial(_load_plain, plugin.load_checkpoint)


def _load_plain(load: Callable[..., Any], path: Any, *args: Any, weights_only: bool | None = None, **rest: Any) -> Any:
    """Load a checkpoint; what lies at an address is fetched to a file first."""
    refuse_unsafe(weights_only, path)
    with fetched(path, _SETTING) as file:
        try:
            return load(file, *args, weights_only=True, **rest)
        except Exception as error:
            if is_about_python_objects(str(error)):
                raise ConfigurationError(f"{_SETTING}={str(path)!r}: {holds_objects(path)}") from error
            raise
