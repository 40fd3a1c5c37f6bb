"""The command line: ``laaf fit|validate|test|predict --config …`` on LightningCLI, and what is beside it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version

from laaf_lightning._version import __version__
from laaf_lightning.cli.chatter import HARMLESS_WARNINGS
from laaf_lightning.cli.command_line import LAAFCommandLine as LAAFCommandLine
from laaf_lightning.cli.resume.arguments import with_resumed_config
from laaf_lightning.cli.shipped_configs import list_or_copy, with_found_configs
from laaf_lightning.cli.users_code import about_users_code, place_in_users_code
from laaf_lightning.cli.words import say, without_advertisements
from laaf_lightning.errors import ConfigurationError, shortened


def main(args: Sequence[str] | None = None) -> LAAFCommandLine:
    """Run the command line.

    Args:
        args: the arguments; None takes those of the process.

    Returns:
        The command line object, with its trainer, model and datamodule. ``compare``, ``configs``, ``fold`` and
        ``--version``, which train nothing, end with ``SystemExit``, as ``--help`` does.

    Raises:
        SystemExit: see above.
        ConfigurationError: for a wrong request.

    Example:
        ``main(["fit", "--config", "burgers.yaml", "--model.scope", "neuron"])``
    """
    given = [*(sys.argv[1:] if args is None else args)]
    if given and (command := _WITHOUT_TRAINER.get(given[0])) is not None:
        command(given[1:])
        raise SystemExit(0)
    try:
        found, lines = with_found_configs(with_resumed_config(given))
    except OSError as error:  # a name that is too long, or links that lead in a circle
        raise ConfigurationError(f"{shortened(repr(error.filename))}: {error.strerror}; name another file") from error
    for line in lines:
        say(line)
    with warnings.catch_warnings(), without_advertisements():
        for message, category, module in HARMLESS_WARNINGS:
            warnings.filterwarnings("ignore", message, category, module)
        return LAAFCommandLine.run(found)


def cli() -> None:
    """Run the console script.

    A wrong request ends with one sentence and exit status 2, an error in the user's own code with its place, those
    frames of the traceback that are theirs, and exit status 1; a defect of ours with its traceback.

    Raises:
        ConfigurationError: for a wrong request, where LAAF_TRACEBACK asks for tracebacks.
    """
    if "" not in sys.path and str(os.getcwd()) not in sys.path:  # noqa: PTH109  # as `python -m` writes it
        sys.path.insert(0, os.getcwd())  # noqa: PTH109  # a class of the user's is named by its file there
    try:
        main()
    except BrokenPipeError:  # whoever reads, as in `laaf configs | head`, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except ConfigurationError as error:
        if os.environ.get("LAAF_TRACEBACK"):
            raise
        text = shortened(" ".join(str(error).split())) + place_in_users_code(error)
        hint = "" if text.endswith(")") else " (LAAF_TRACEBACK=1 shows the traceback)"
        sys.stderr.write(f"laaf: error: {text}{hint}\n")
        sys.exit(2)
    except Exception as error:
        report = None if os.environ.get("LAAF_TRACEBACK") else about_users_code(error)
        if report is None:
            raise
        sys.stderr.write(report)
        sys.exit(1)


def _say_versions(_: Sequence[str]) -> None:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "pytorch-lightning"))
    python = ".".join(map(str, sys.version_info[:3]))
    say(f"laaf {__version__} ({libraries}, Python {python})")


def _compare(args: Sequence[str]) -> None:
    from laaf_lightning.cli.compare import compare  # noqa: PLC0415  # not to be imported for --help

    compare(args)


def _fold(args: Sequence[str]) -> None:
    from laaf_lightning.cli.fold import fold_checkpoint  # noqa: PLC0415  # as above

    fold_checkpoint(args)


_WITHOUT_TRAINER: dict[str, Callable[[Sequence[str]], None]] = {
    "compare": _compare,
    "configs": list_or_copy,
    "fold": _fold,
    "--version": _say_versions,
}
