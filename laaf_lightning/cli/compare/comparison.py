"""Runs side by side: from Python `compare_runs`, on the terminal ``laaf compare``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from laaf_lightning.cli.compare.draw import figures_of
from laaf_lightning.cli.compare.measures import Measure, choose_loss, choose_metric
from laaf_lightning.cli.compare.methods import Method, methods_of
from laaf_lightning.cli.compare.read_run import read_runs
from laaf_lightning.cli.compare.table import Row, markdown, one_row_a_run, rank, row_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs, grouped by method.

    Attributes:
        methods: better first.
        rows: one a method.
        metric: what they are compared by.
        loss: the tag of the loss; None where none was logged.
    """

    methods: tuple[Method, ...]
    rows: tuple[Row, ...]
    metric: Measure
    loss: str | None

    def markdown(self) -> str:
        """Write the table for readers, one row a method.

        Returns:
            Lines of Markdown.
        """
        return markdown(self.rows, self.metric, self.loss)

    def csv(self) -> str:
        """Write the table for programs, one row a run.

        Returns:
            Lines of CSV.
        """
        return one_row_a_run(self.methods, self.metric, self.loss)

    def figures(self) -> dict[str, Figure]:
        """Draw losses, the validation metric and slopes.

        Returns:
            Figures by name, each where there are curves.
        """
        return figures_of(self.methods, self.metric, self.loss)


def compare_runs(paths: Sequence[str | Path], loss: str | None = None) -> Comparison:
    """Read runs and put them side by side.

    Args:
        paths: folders of runs, or folders above some, of which all below count.
        loss: the tag of the loss; None takes ``epoch_train_loss`` where all runs have it, else ``train/loss``.

    Returns:
        The comparison; nothing is written.

    Raises:
        ConfigurationError: for a path without a run, a run that cannot be read, runs that have no metric in common, and
            a loss that none has.

    Example:
        ``[(row.method, row.final) for row in compare_runs(["runs/burgers"]).rows]``
    """
    runs = read_runs(paths)
    tag = choose_loss(runs, loss)
    metric = choose_metric(runs, tag)
    both = [(method, row_of(method, metric, tag)) for method in methods_of(runs)]
    both.sort(key=lambda pair: rank(pair[1], metric))
    return Comparison(tuple(method for method, _ in both), tuple(row for _, row in both), metric, tag)
