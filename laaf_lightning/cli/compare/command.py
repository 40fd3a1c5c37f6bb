"""``laaf compare RUN…``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from laaf_lightning.cli.compare.comparison import Comparison, compare_runs
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.whole_files import write_whole, write_whole_text

_DPI = 150


def compare(args: Sequence[str]) -> None:
    """Run ``laaf compare``: write and show a table and figures.

    Args:
        args: the arguments after ``compare``.

    Raises:
        ConfigurationError: for runs that cannot be compared, and a folder that cannot be written to.
    """
    parser = argparse.ArgumentParser(
        "laaf compare",
        description="Compare training runs: one table, the curves of the losses and of the validation metric by "
        "method, and the slopes. Runs that differ in their seeds alone are one method, named by the settings that "
        "differ.",
    )
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="the folder of a run, or one above some, such as runs/burgers: all below"
    )
    parser.add_argument("--to", metavar="DIR", help="a new folder for the results (default: compare/<date and time>)")
    parser.add_argument(
        "--loss", metavar="TAG", help="the loss to draw (default: epoch_train_loss where logged, else train/loss)"
    )
    asked = parser.parse_args(list(args))
    if asked.to is not None:
        _refuse_what_is_there(Path(asked.to))
    comparison = compare_runs(asked.runs, asked.loss)
    folder = _new_folder(asked.to)
    sys.stdout.write(comparison.markdown())
    names = write(comparison, folder)
    sys.stdout.write(f"\n{_legend(comparison)}\nwrote {', '.join(names)} in {folder}\n")


def write(comparison: Comparison, folder: Path) -> list[str]:
    """Write a comparison.

    Args:
        comparison: of `compare_runs`.
        folder: where; it is there.

    Returns:
        The names of the files.
    """
    figures = comparison.figures()
    for name, figure in figures.items():
        write_whole(folder / f"{name}.png", partial(figure.savefig, format="png", dpi=_DPI), "figure")
    write_whole_text(folder / "comparison.csv", comparison.csv())
    pictures = "".join(f"\n![{name}]({name}.png)\n" for name in figures)
    text = f"{comparison.markdown()}\n{_legend(comparison)}\n{pictures}"
    write_whole_text(folder / "comparison.md", text)
    return ["comparison.md", "comparison.csv", *(f"{name}.png" for name in figures)]


def _legend(comparison: Comparison) -> str:
    """Say what the columns hold, and which runs are without curves."""
    without = [str(run.folder) for method in comparison.methods for run in method.runs if not run.curves]
    left_out = "" if not without else f" No curves were logged in {', '.join(without)}."
    best = "; best: the best validation of a run" if any(row.best for row in comparison.rows) else ""
    return f"Median (range) over the finished runs of a method{best}.{left_out}"


def _refuse_what_is_there(folder: Path) -> None:
    if folder.is_dir():
        if any(folder.iterdir()):
            raise ConfigurationError(f"--to {folder} is not empty, and nothing is overwritten: name a new folder")
    elif folder.exists():
        raise ConfigurationError(f"--to {folder} is a file: name a new folder")


def _new_folder(asked: str | None) -> Path:
    """Make the folder that was asked for, or one of this second."""
    if asked is not None:
        folder = Path(asked)
        _make(folder, exist_ok=True)
        return folder
    stamp = f"compare/{time.strftime('%Y-%m-%dT%H-%M-%S')}"
    folder = next(path for path in map(Path, [stamp, *(f"{stamp}-{n}" for n in range(1, 1000))]) if not path.exists())
    _make(folder, exist_ok=False)
    return folder


def _make(folder: Path, *, exist_ok: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write to {folder}: {error.strerror}; choose another folder with --to DIR"
        ) from error
