"""Look at a checkpoint before anything is built, so that a wrong file costs a sentence and not a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from laaf_lightning.cli.foreign_texts import state_differences
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.untrusted.addresses import fetch, is_address
from laaf_lightning.untrusted.checkpoint_files import load_content, refuse_unsafe

# Words that the Trainer itself resolves to a file.
_KEYWORDS = {"best", "last", "hpc", "registry"}
_PATTERNS = {"best": "best-*.ckpt", "last": "[!b]*.ckpt"}
_KEPT = "last*.ckpt"
_MAX_PROBLEMS = 2
_MAX_CHARACTERS = 300


def check_checkpoint(path: Any, weights_only: bool | None, folder: Path) -> Any:
    """Raise unless the file is a checkpoint that the Trainer can read without running code.

    Keywords and folders (sharded checkpoints) are left to the Trainer, which loads them with ``weights_only=True``.

    Args:
        path: the setting ``ckpt_path``.
        weights_only: the setting of that name.
        folder: where to fetch a file that lies at an address.

    Returns:
        What the Trainer is to load: for an address the file that was fetched and checked.

    Raises:
        ConfigurationError: if the file is missing, damaged, or no checkpoint of Lightning; for ``weights_only=False``.
    """
    refuse_unsafe(weights_only, path)
    if path is None or (not Path(path).exists() and _is_keyword(str(path))) or Path(path).is_dir():
        return path
    file = path
    if is_address(path):
        file = fetch(path, folder, "ckpt_path")
    elif str(path).startswith("http"):  # which Lightning takes for an address
        file = Path(path).absolute()
    load_checked(file, "ckpt_path", shown=path)
    return file


def load_checked(path: Any, setting: str, shown: Any = None) -> dict[str, Any]:
    """Load a checkpoint without running code from it.

    Args:
        path: of a file, or an address.
        setting: what asks for it, for the error.
        shown: what was given for it, for the error; None for `path`.

    Returns:
        Its content.

    Raises:
        ConfigurationError: if the file is missing, damaged, or no checkpoint of Lightning.
    """
    if not is_address(path) and not Path(path).is_file():
        raise ConfigurationError(_no_file(path, setting))
    return load_content(path, setting, shown=shown)


def refuse_unresolvable(config: Any, subcommand: str) -> None:
    """Refuse the keywords best and last where there is nothing that the Trainer could resolve them to.

    A command has no earlier fit to be the best of, and its own new folder holds no last checkpoint. ``last`` stands
    where a callback has a folder of its own, which holds one.

    Args:
        config: the settings of the subcommand.
        subcommand: its name.

    Raises:
        ConfigurationError: if there is nothing; it names a file, if an earlier run has left one.
    """
    keyword = str(config.get("ckpt_path"))
    trainer = config.get("trainer") or {}
    if keyword not in {"best", "last"} or (keyword == "last" and _has_last(trainer)):
        return
    files = [file for root in _roots(trainer) for file in root.glob(f"**/checkpoints/{_PATTERNS[keyword]}")]
    newest = max(files, key=lambda file: file.stat().st_mtime, default=None)
    example = f", for example --ckpt_path {newest}, the newest" if newest else ": --ckpt_path FILE"
    raise ConfigurationError(
        f"ckpt_path={keyword!r} names no file: every command has a folder of its own, and knows no checkpoint of "
        f"another; give the file's path{example}{', or --resume RUN' if subcommand == 'fit' else ''}"
    )


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
    has_slopes = any(problem.startswith("Unexpected") and '.a"' in problem for problem in problems)
    adapted = (
        "; if adapt() was called outside of the module, adapt it again, --adapt.scope, or call it in its constructor: "
        "self.net = adapt(self.net, …)"
    )
    return (
        f"the checkpoint does not fit the model: {shown}{f'; and {more} more' if more > 0 else ''}; build the model as "
        f"it was trained, with --config and the config.yaml that was saved beside the checkpoint{adapted * has_slopes}"
    )


def _has_last(trainer: Any) -> bool:
    callbacks = trainer.get("callbacks") or []
    for callback in callbacks if isinstance(callbacks, list) else [callbacks]:
        folder = (callback.get("init_args") or {}).get("dirpath")
        if folder and ("://" in str(folder) or [*Path(folder).glob(_KEPT)]):
            return True
    return False


def _roots(trainer: Any) -> list[Path]:
    """Return the local folders under which earlier runs lie."""
    loggers = trainer.get("logger")
    settings = [
        logger.get("init_args") or {}
        for logger in (loggers if isinstance(loggers, list) else [loggers])
        if hasattr(logger, "get")
    ]
    roots = {
        str(value) for value in (*(of.get("save_dir") for of in settings), trainer.get("default_root_dir")) if value
    }
    return [Path(root) for root in roots or {"runs"} if "://" not in root and Path(root).is_dir()]


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]} …"


def _is_keyword(path: str) -> bool:
    return path in _KEYWORDS or path.partition(":")[0] == "registry"


def _no_file(path: Any, setting: str) -> str:
    return f"{setting}={str(path)!r}: there is no such file{_neighbours(Path(path))}"


def _neighbours(path: Path) -> str:
    files = sorted(file.name for file in path.parent.glob("*.ckpt")) if path.parent.is_dir() else []
    return f"; its folder holds {', '.join(files[:5])}" if files else ""
