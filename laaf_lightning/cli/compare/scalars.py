"""The curves that a run has logged, read back from TensorBoard's event files or a CSV file."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures.drawable import Array

EVENTS = "events.out.tfevents.*"
CSV = "metrics.csv"
_KEPT = {"scalars": 0, "images": 1, "audio": 1, "histograms": 1, "tensors": 1}  # 0 is all of them


@dataclass(frozen=True, eq=False)
class Curve:
    """What was logged under one tag.

    Attributes:
        steps: rising, shape (T,).
        values: shape (T,); where a step was logged several times, the last.
    """

    steps: Array
    values: Array


def read_scalars(folder: Path) -> dict[str, Curve]:
    """Read what a run has logged; the log of a run that was killed is read as far as it goes.

    Args:
        folder: of the run.

    Returns:
        The curves by tag: from the event files, in the order in which they were logged first, else from
        ``metrics.csv``, in natural order; empty without any of them.

    Raises:
        ConfigurationError: for a ``metrics.csv`` that has no steps, or files that cannot be read.
    """
    try:
        by_tag = _of_events(folder) if any(folder.glob(EVENTS)) else {}
        if not by_tag and (folder / CSV).is_file():
            by_tag = _of_csv(folder / CSV)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"the logs of the run {folder} cannot be read ({error}): leave the run out, or mend them"
        ) from error
    return {tag: _curve(values) for tag, values in by_tag.items() if values}


def _curve(values: dict[int, float]) -> Curve:
    steps = sorted(values)
    return Curve(np.array(steps), np.array([values[step] for step in steps], dtype=np.float64))


def _of_events(folder: Path) -> dict[str, dict[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import (  # noqa: PLC0415  # slow, for this command alone
        EventAccumulator,
    )

    # Values before a restart are not orphans: a validation at the end of a fit steps back as well.
    events = EventAccumulator(str(folder), size_guidance=_KEPT, purge_orphaned_data=False)
    events.Reload()
    return {tag: {e.step: e.value for e in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


def _of_csv(file: Path) -> dict[str, dict[int, float]]:
    with file.open(newline="", encoding="utf-8") as opened:
        reader = csv.DictReader(opened)
        tags = sorted({*(reader.fieldnames or ())} - {"step"}, key=_naturally)
        if reader.fieldnames and "step" not in reader.fieldnames:
            raise ConfigurationError(
                f"{file} is not a log of Lightning's CSVLogger: its columns are {', '.join(reader.fieldnames[:5])}, "
                "and a column 'step' was looked for; leave the run out, or take the file away"
            )
        by_tag: dict[str, dict[int, float]] = {tag: {} for tag in tags}
        for row in reader:
            step = _number(row["step"])
            if math.isfinite(step):
                for tag, value in _numbers(row, tags):
                    by_tag[tag][int(step)] = value
    return by_tag


def _numbers(row: dict[str, str | None], tags: list[str]) -> Iterator[tuple[str, float]]:
    """Yield what a row holds; the last row of a killed run may end anywhere."""
    for tag in tags:
        text = (row[tag] or "").strip()
        if text and (text.lower() == "nan" or not math.isnan(_number(text))):
            yield tag, _number(text)


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _naturally(name: str) -> list[tuple[int, str]]:
    """Sort layer 10 after layer 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
