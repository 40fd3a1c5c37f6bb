"""What a class is rebuilt from when a checkpoint is loaded: its content, looked through, and arguments."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.untrusted.checkpoint_files import load_content, refuse_unsafe
from laaf_lightning.untrusted.rebuilt_settings import as_arguments, class_of, take_settings
from laaf_lightning.untrusted.yaml_texts import read_yaml

K = TypeVar("K")


def looked_through(
    path: Any, kind: type[K], map_location: Any, hparams_file: Any, weights_only: bool | None, given: Mapping[str, Any]
) -> tuple[type[K], io.BytesIO, dict[str, Any]]:
    """Load a checkpoint, and take out of it what Lightning would import and call.

    Args:
        path: of a file, an address, or an open file.
        kind: whose ``load_from_checkpoint`` was called; has the key of its settings.
        map_location: as for ``torch.load``; None for the devices that it was saved from, as far as they are here.
        hparams_file: path of a YAML file with settings in place of the checkpoint's; None for those.
        weights_only: what was asked for.
        given: arguments that were given from Python.

    Returns:
        The class to build, the checkpoint without settings as an open file, and the arguments of the class.

    Raises:
        ConfigurationError: for ``weights_only=False``, a file that is no plain checkpoint, and settings that name what
            a checkpoint may not name.
    """
    refuse_unsafe(weights_only, path)
    content = load_content(path, "checkpoint_path", _as_saved if map_location is None else map_location)
    key: str = kind.CHECKPOINT_HYPER_PARAMS_KEY  # type: ignore[attr-defined]
    if hparams_file is not None:
        content[key] = _read_settings(hparams_file)
    settings = take_settings(content, key)
    built = class_of(settings, kind)
    arguments = as_arguments(settings, built, given)
    file = io.BytesIO()
    torch.save(content, file)
    file.seek(0)
    return built, file, {**arguments, **given}


def _as_saved(storage: Any, location: str) -> Any:
    """Leave a tensor on its device; on the CPU where this machine has none of the kind."""
    kinds = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return None if kinds.get(location.partition(":")[0], True) else storage.cpu()


def _read_settings(file: Any) -> dict[str, Any]:
    settings = read_yaml(Path(file).read_text(encoding="utf-8"), f"hparams_file={str(file)!r}")
    if not isinstance(settings, dict):
        raise ConfigurationError(f"hparams_file={str(file)!r} holds no settings: give a YAML file of names and values")
    return settings
