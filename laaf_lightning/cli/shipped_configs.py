"""The configurations that come with the package: found by name from any folder, listed and copied out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import laaf_lightning
from laaf_lightning.errors import ConfigurationError, nearest
from laaf_lightning.whole_files import write_whole_text

_OPTIONS = ("--config", "-c")


def config_folder() -> Path:
    """Return where the shipped configurations lie: in the installed package, or beside it in a source tree.

    Returns:
        The folder.
    """
    package = Path(laaf_lightning.__file__).parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def config_names() -> list[str]:
    """List the shipped configurations.

    Returns:
        File names, sorted.

    Example:
        >>> "burgers.yaml" in config_names()
        True
    """
    return sorted(file.name for file in config_folder().glob("*.yaml"))


def find_config(name: str) -> str:
    """Find a configuration: a file as it is named, else one of the package's.

    Args:
        name: a path from the working folder, or the name of a shipped configuration, with or without ``.yaml``.

    Returns:
        A path that can be read, or `name` itself where it is no path: an address, or YAML.

    Raises:
        ConfigurationError: for a file that is neither there nor shipped.

    Example:
        >>> Path(find_config("burgers.yaml")).is_file()
        True
    """
    if "://" in name or "\n" in name or Path(name).is_file():
        return name
    if (shipped := _shipped(name)) is not None:
        return str(shipped)
    if name and Path(name).is_dir():
        raise ConfigurationError(f"--config {name}: this is a folder; name a file in it")
    raise ConfigurationError(
        f"{_unknown(name)}; a file of your own is named by its path, and {Path(name).absolute()} is no file"
    )


def with_found_configs(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Replace the names of shipped configurations among the arguments by their paths.

    Args:
        args: the arguments.

    Returns:
        The arguments to parse, and a line for each shipped configuration that tells which file it is.
    """
    found: list[str] = []
    lines: list[str] = []
    for number, argument in enumerate(args):
        option, equals, value = argument.partition("=")
        if equals and option in _OPTIONS:
            found.append(f"{option}={_told(value, lines)}")
        elif number and args[number - 1] in _OPTIONS:
            found.append(_told(argument, lines))
        else:
            found.append(argument)
    return found, lines


def _told(name: str, lines: list[str]) -> str:
    """Find a configuration; add a line that tells where, unless it is what the name says."""
    path = find_config(name)
    if path != name:
        lines.append(f"{name}: no such file here, so the one that comes with laaf, {path}")
    return path


def list_or_copy(args: Sequence[str]) -> None:
    """Run ``laaf configs``: list what is shipped, or write one out.

    Args:
        args: the arguments after ``configs``.

    Raises:
        ConfigurationError: for an unknown name, or a file that is there already.
    """
    parser = argparse.ArgumentParser(
        "laaf configs", description="List the configurations that come with laaf, or write one out to change it."
    )
    parser.add_argument("--copy", metavar="NAME", help="write this one into the working folder")
    parser.add_argument("--to", metavar="PATH", default=".", help="a folder or a file to write it to instead")
    asked = parser.parse_args(list(args))
    if asked.copy is None:
        width = max(map(len, config_names()))
        for name in config_names():
            sys.stdout.write(f"{name:{width}}  {_first_sentence(config_folder() / name)}\n")
        sys.stdout.write("laaf fit --config NAME runs one; laaf configs --copy NAME writes it out.\n")
        return
    if (shipped := _shipped(asked.copy)) is None:
        raise ConfigurationError(_unknown(asked.copy))
    target = Path(asked.to) / shipped.name if Path(asked.to).is_dir() else Path(asked.to)
    try:
        write_whole_text(target, shipped.read_text(encoding="utf-8"), "configuration", replace=False)
    except FileExistsError as error:
        raise ConfigurationError(f"{target} is there already: choose another name with --to PATH") from error
    sys.stdout.write(f"wrote {target}\n")


def _shipped(name: str) -> Path | None:
    """Return the shipped configuration of a name, with or without ``.yaml``."""
    return next((config_folder() / file for file in config_names() if name in {file, Path(file).stem}), None)


def _unknown(name: str) -> str:
    near = nearest(Path(name).stem, [Path(file).stem for file in config_names()])
    meant = "" if near is None else f"; did you mean '{near}.yaml'?"
    return f"unknown configuration {name!r}: those of laaf are {', '.join(config_names())}{meant}"


def _first_sentence(file: Path) -> str:
    """Return what a configuration says of itself in its first comment, up to the first colon or line's end."""
    line = file.read_text(encoding="utf-8").splitlines()[0]
    return line.removeprefix("#").strip()
