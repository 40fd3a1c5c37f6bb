"""Look at a checkpoint before anything is built, so that a wrong file costs a sentence and not a run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from laaf_lightning.cli.foreign_texts import is_about_python_objects, state_differences
from laaf_lightning.errors import ConfigurationError

# Words that the Trainer itself resolves to a file.
_KEYWORDS = {"best", "last", "hpc", "registry"}
_MAX_PROBLEMS = 2
_MAX_CHARACTERS = 300


def check_checkpoint(path: Any, weights_only: bool | None) -> None:
    """Raise unless the file is a checkpoint that the Trainer can read.

    Keywords, addresses and folders (sharded checkpoints) are left to the Trainer.

    Args:
        path: the setting ``ckpt_path``.
        weights_only: the setting of that name; False leaves the content to the Trainer.

    Raises:
        ConfigurationError: if the file is missing, damaged, or no checkpoint of Lightning.
    """
    if path is None or str(path).partition(":")[0] in _KEYWORDS or "://" in str(path) or Path(path).is_dir():
        return
    if not Path(path).is_file():
        raise ConfigurationError(f"ckpt_path={str(path)!r}: there is no such file{_neighbours(Path(path))}")
    if weights_only is False:
        return
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError, OSError) as error:
        raise ConfigurationError(f"ckpt_path={str(path)!r}: {_unreadable(str(error))}") from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise ConfigurationError(f"ckpt_path={str(path)!r} is no checkpoint of Lightning: it has no 'state_dict'")


def state_mismatch(message: str) -> str:
    """Shorten torch's list of what does not fit between a checkpoint and a model.

    Args:
        message: the text of the error that ``load_state_dict`` raised.

    Returns:
        One sentence with the first few differences, those in n before all others.
    """
    problems = state_differences(message)
    problems.sort(key=lambda problem: "the checkpoint has n=" not in problem)
    shown = "; ".join(_shortened(problem) for problem in problems[:_MAX_PROBLEMS])
    more = len(problems) - _MAX_PROBLEMS
    return (
        f"the checkpoint does not fit the model: {shown}{f'; and {more} more' if more > 0 else ''}; build the model as "
        "it was trained, with --config and the config.yaml that was saved beside the checkpoint"
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]} …"


def _unreadable(reason: str) -> str:
    if is_about_python_objects(reason):
        return (
            "it holds Python objects beside tensors and plain values; --weights_only false loads it, which runs code "
            "from the file: only if you trust its source"
        )
    return "this file is no checkpoint, or a damaged one"


def _neighbours(path: Path) -> str:
    files = sorted(file.name for file in path.parent.glob("*.ckpt")) if path.parent.is_dir() else []
    return f"; its folder holds {', '.join(files[:5])}" if files else ""
