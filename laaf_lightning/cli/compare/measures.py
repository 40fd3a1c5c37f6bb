"""What runs are measured by, and which way is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from laaf_lightning.cli.compare.read_run import Run
from laaf_lightning.errors import ConfigurationError, nearest

_KNOWN = {
    "test/relative_l2": "test relative L2 error",
    "val/relative_l2": "relative L2 error",
    "test/accuracy": "test accuracy",
    "val/accuracy": "validation accuracy",
}
_POOLED = "/relative_l2"
_EACH = {"/relative_l2_": "", "/absolute_l2_": " (absolute)"}
_LOSSES = ("epoch_train_loss", "train/loss")
_MANY = 12


@dataclass(frozen=True)
class Measure:
    """A number that runs have in common.

    Attributes:
        tag: under which it is logged.
    """

    tag: str

    @property
    def title(self) -> str:
        """Its name in words, if it has one."""
        return _KNOWN.get(self.tag, self.tag)

    @property
    def higher_is_better(self) -> bool:
        """True for accuracies; errors and losses are the better the smaller."""
        return "accuracy" in self.tag

    def final(self, run: Run) -> float | None:
        """Look up a run's last value.

        Args:
            run: any.

        Returns:
            Its outcome's, else the last that was logged; None without one.
        """
        if (value := run.metrics.get(self.tag)) is not None:
            return float(value)
        curve = run.curves.get(self.tag)
        return None if curve is None else float(curve.values[-1])

    def best(self, run: Run) -> float | None:
        """Look up the best value that a run's checkpoints were chosen by.

        Args:
            run: any.

        Returns:
            Its outcome's if that is the same quantity, in a test or in a validation; None without one.
        """
        best = (run.outcome or {}).get("best")
        if not best or str(best.get("metric")).partition("/")[2] != self.tag.partition("/")[2]:
            return None
        return float(best["value"])


def each_unknown(runs: Sequence[Run], metric: Measure) -> dict[str, Measure]:
    """Find the errors of single unknowns that stand beside the one of all.

    Args:
        runs: any.
        metric: what they are compared by.

    Returns:
        Title to measure, in the order in which they were logged; none for other metrics, and for one unknown.
    """
    stage = metric.tag.removesuffix(_POOLED)
    if stage == metric.tag:
        return {}
    return {
        tag.removeprefix(stage + kind) + how: Measure(tag)
        for run in runs
        for tag in run.metrics
        for kind, how in _EACH.items()
        if tag.startswith(stage + kind)
    }


def choose_metric(runs: Sequence[Run], loss: str | None) -> Measure:
    """Choose what runs are compared by.

    Args:
        runs: at least one.
        loss: the loss of `choose_loss`.

    Returns:
        The first metric that all runs with metrics have: relative L2 errors and accuracies go before others, tests
        before validations; the loss where no run has any.

    Raises:
        ConfigurationError: for runs whose metrics have nothing in common, and runs that have logged nothing.
    """
    measured = [(run, tags) for run in runs if (tags := _metrics_of(run))]
    if measured:
        shared = set.intersection(*(tags for _, tags in measured))
        if not shared:
            kinds: dict[str, Path] = {}
            for run, tags in measured:
                kinds.setdefault(", ".join(sorted(tags)[:4]), run.folder)
            told = "; ".join(f"{folder} has {tags}" for tags, folder in kinds.items())
            raise ConfigurationError(
                f"these runs share no metric to be compared by: {told}; compare the runs of each job by themselves"
            )
        order = [*(tag for tag in _KNOWN if tag in shared), *sorted(shared)]
        return Measure(order[0])
    if loss is None:
        raise ConfigurationError(
            f"nothing to compare: {', '.join(str(run.folder) for run in runs[:3])}"
            f"{' and others' if len(runs) > 3 else ''} logged neither a metric (val/…, test/…) nor a loss; name other "
            "runs, or the tag of another loss with --loss TAG"
        )
    return Measure(loss)


def choose_loss(runs: Sequence[Run], asked: str | None) -> str | None:
    """Choose which loss is drawn.

    Args:
        runs: at least one.
        asked: a tag; None takes ``epoch_train_loss`` where all runs with curves have it, else ``train/loss``.

    Returns:
        The tag; None where nothing was asked for and no run has a loss.

    Raises:
        ConfigurationError: for a tag that no run has.
    """
    logged = dict.fromkeys(tag for run in runs for tag in run.curves)
    if asked is not None:
        if asked not in logged:
            tags = [tag for tag in logged if not tag.startswith(("slope/", "hp/", "final/"))]
            near = nearest(asked, tags)
            meant = "" if near is None else f"; did you mean {near!r}?"
            more = ", …" if len(tags) > _MANY else ""
            there_are = ", ".join(tags[:_MANY]) or "no curves"
            raise ConfigurationError(f"--loss {asked}: no run has logged it; logged are {there_are}{more}{meant}")
        return asked
    with_curves = [run for run in runs if run.curves]
    everywhere = [tag for tag in _LOSSES if all(tag in run.curves for run in with_curves)]
    somewhere = [tag for tag in reversed(_LOSSES) if tag in logged]
    return next(iter([*everywhere, *somewhere] if with_curves else []), None)


def _metrics_of(run: Run) -> set[str]:
    return {tag for tag in (*run.metrics, *run.curves) if tag.startswith(("val/", "test/"))}
