"""The table of a comparison: one row a method for readers, one row a run for programs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from laaf_lightning.cli.compare.measures import Measure, each_unknown
from laaf_lightning.cli.compare.methods import Method
from laaf_lightning.cli.compare.settings import seed_of


@dataclass(frozen=True)
class Spread:
    """Median and range of a number over seeds.

    Attributes:
        median: as always; NaN counts as worse than any number.
        lowest: the smallest.
        highest: the largest; NaN if there is one.
    """

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Iterable[float | None], *, higher_is_better: bool = False) -> Spread | None:
        """Compute it.

        Args:
            values: one a seed; None is left out.
            higher_is_better: on which side NaN stands.

        Returns:
            The spread; None for no values.

        Example:
            >>> Spread.of([4.0, 1.0, 2.0, None])
            Spread(median=2.0, lowest=1.0, highest=4.0)
        """
        worst = -math.inf if higher_is_better else math.inf
        ordered = sorted((value for value in values if value is not None), key=lambda v: worst if math.isnan(v) else v)
        if not ordered:
            return None
        half = len(ordered) // 2
        median = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
        return cls(median, ordered[0], ordered[-1])


@dataclass(frozen=True)
class Row:
    """One method.

    Attributes:
        method: its label.
        finished: number of runs that are finished.
        unfinished: number of others, whose numbers are not in the row.
        seeds: number of different seeds among all of them.
        final: the metric at the end.
        each: of errors of several unknowns, that of each at the end.
        best: the best validated value.
        loss: the loss that was logged last.
        seconds: of training.
        steps: optimiser steps; of runs that are not finished where no run is.
        engine: of the derivatives; empty for a module that has none.
        settings: those that differ among the methods, as they were told.
    """

    method: str
    finished: int
    unfinished: int
    seeds: int
    final: Spread | None
    each: Mapping[str, Spread | None]
    best: Spread | None
    loss: Spread | None
    seconds: Spread | None
    steps: Spread | None
    engine: str
    settings: str


def row_of(method: Method, metric: Measure, loss: str | None) -> Row:
    """Sum up a method.

    Args:
        method: its runs.
        metric: what they are compared by.
        loss: the tag of the loss.

    Returns:
        The row.
    """
    runs, up = method.finished, metric.higher_is_better
    outcomes = [run.outcome or {} for run in runs]
    return Row(
        method=method.label,
        finished=len(runs),
        unfinished=len(method.unfinished),
        seeds=len({seed_of(run.config) for run in method.runs}),
        final=Spread.of(map(metric.final, runs), higher_is_better=up),
        each={title: Spread.of(map(one.final, runs)) for title, one in each_unknown(runs, metric).items()},
        best=Spread.of(map(metric.best, runs), higher_is_better=up),
        loss=None if loss is None else Spread.of(map(Measure(loss).final, runs)),
        seconds=Spread.of(outcome.get("seconds") for outcome in outcomes),
        steps=Spread.of(run.steps for run in runs or method.runs),
        engine=" / ".join(dict.fromkeys(str(o["engine"]) for o in outcomes if o.get("engine"))),
        settings=", ".join(f"{name}={value}" for name, value in method.differs.items()),
    )


def rank(row: Row, metric: Measure) -> tuple[bool, float]:
    """Give the key by which rows are sorted, better first.

    Args:
        row: a method's.
        metric: what they are compared by.

    Returns:
        A key; methods without a finished run and without a number come last.
    """
    value = math.nan if row.final is None else row.final.median
    if math.isnan(value):
        return (row.final is None, math.inf)
    return (False, -value if metric.higher_is_better else value)


def markdown(rows: Sequence[Row], metric: Measure, loss: str | None) -> str:
    """Write the table for readers.

    Args:
        rows: sorted.
        metric: what they are compared by.
        loss: the tag of the loss.

    Returns:
        Lines of Markdown, aligned; columns in which nothing stands are left out.
    """
    write = _percent if metric.higher_is_better else _number
    unknowns = dict.fromkeys(title for row in rows for title in row.each)
    columns: dict[str, list[str]] = {
        "method": [row.method for row in rows],
        "seeds": [_seeds(row) for row in rows],
        metric.title: [_spread(row.final, write) or ("" if row.finished else "not finished") for row in rows],
        **{f"of {title}": [_spread(row.each.get(title), _number) for row in rows] for title in unknowns},
        "best": [_spread(row.best, write) for row in rows],
        str(loss): [] if loss in {None, metric.tag} else [_spread(row.loss, _number) for row in rows],
        "seconds": [_spread(row.seconds, _seconds) for row in rows],
        "steps": [_spread(row.steps, "{:.0f}".format) for row in rows],
        "engine": [row.engine for row in rows],
        "settings": [row.settings for row in rows],
    }
    cells = [[title, *values] for title, values in columns.items() if any(values)]
    cells = [[cell.replace("|", r"\|") for cell in column] for column in cells]
    widths = [max(map(len, column)) for column in cells]
    padded = [[cell.ljust(width) for cell in column] for column, width in zip(cells, widths, strict=True)]
    lines = [" | ".join(line) for line in zip(*padded, strict=True)]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "".join(f"| {line} |\n" for line in lines)


def one_row_a_run(methods: Sequence[Method], metric: Measure, loss: str | None) -> str:
    """Write the table for programs.

    Args:
        methods: sorted.
        metric: what they are compared by.
        loss: the tag of the loss.

    Returns:
        Lines of CSV, with the numbers as they are; of a run that is not finished, those that it has logged.
    """
    settings = dict.fromkeys(name for method in methods for name in method.differs)
    losses = [] if loss in {None, metric.tag} else [str(loss)]
    each = {one.tag: one for method in methods for one in each_unknown(method.finished, metric).values()}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["run", "method", "seed", "state", metric.tag, *each, "best", *losses, "seconds", "steps", "engine"]
    writer.writerow([*head, *(name if name not in head else f"{name} (setting)" for name in settings)])
    for method in methods:
        for run in method.runs:
            outcome = run.outcome or {}
            named = [run.folder, method.label, seed_of(run.config), "finished" if run.outcome else "not finished"]
            errors = [metric.final(run), *(one.final(run) for one in each.values())]
            numbers = [*errors, metric.best(run), *(Measure(tag).final(run) for tag in losses)]
            rest = [outcome.get("seconds"), run.steps, outcome.get("engine")]
            writer.writerow([*named, *numbers, *rest, *(method.differs.get(name) for name in settings)])
    return text.getvalue()


def _seeds(row: Row) -> str:
    runs = row.finished + row.unfinished
    text = str(row.seeds) if row.seeds == runs else f"{row.seeds} ({runs} runs)"
    if not row.unfinished:
        return text
    return f"{text}, not finished" if not row.finished else f"{text}, {row.unfinished} not finished"


def _spread(spread: Spread | None, write: Callable[[float], str]) -> str:
    if spread is None:
        return ""
    median, lowest, highest = map(write, (spread.median, spread.lowest, spread.highest))
    return median if lowest == highest else f"{median} ({lowest}–{highest})"


def _number(value: float) -> str:
    return f"{value:#.3g}".rstrip(".")


def _percent(value: float) -> str:
    return f"{value:.2%}"


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"
