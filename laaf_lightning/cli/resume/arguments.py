"""What ``--resume`` stands for among the arguments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from laaf_lightning.cli.run.folder import CONFIG
from laaf_lightning.errors import ConfigurationError

NEWEST = "newest"
_OPTION = "--resume"
_CONFIGS = ("--config", "-c")


def with_resumed_config(args: Sequence[str]) -> list[str]:
    """Write out what ``--resume`` leaves unsaid: the newest run, and the configuration of the run that it names.

    Args:
        args: the arguments.

    Returns:
        The arguments to parse.

    Raises:
        ConfigurationError: for a folder that is no run, and for ``--resume`` alone without a configuration.

    Example:
        >>> with_resumed_config(["fit", "--config", "burgers.yaml", "--resume"])
        ['fit', '--config', 'burgers.yaml', '--resume', 'newest']
    """
    args = [*args]
    place = next((k for k, argument in enumerate(args) if argument.partition("=")[0] == _OPTION), None)
    if place is None or not args or args[0] != "fit":
        return args
    _, equals, run = args[place].partition("=")
    if not equals:
        is_alone = place + 1 == len(args) or args[place + 1].startswith("-")
        run = NEWEST if is_alone else args[place + 1]
        args[place : place + 1 + (not is_alone)] = [_OPTION, run]
    if any(argument.partition("=")[0] in _CONFIGS for argument in args):
        return args
    if run == NEWEST:
        raise ConfigurationError(
            "--resume alone goes on with the newest run of a configuration: name it with --config, or the run with "
            "--resume RUN, its folder"
        )
    return ["fit", "--config", str(config_of(run)), *args[1:]]


def config_of(run: str) -> Path:
    """Find the configuration of a run.

    Args:
        run: its folder.

    Returns:
        The file.

    Raises:
        ConfigurationError: if there is none, and for a file.
    """
    file = Path(run).expanduser() / CONFIG
    if file.is_file():
        return file
    if Path(run).expanduser().is_file():
        raise ConfigurationError(f"--resume {run} names a file: name the folder of its run, or give --ckpt_path {run}")
    what = "there is no such folder" if not file.parent.is_dir() else f"this folder has no {CONFIG}"
    raise ConfigurationError(f"--resume {run}: {what}; name the folder of a run, such as runs/burgers/<label>/<date>")
