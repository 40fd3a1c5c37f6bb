"""The figures of a comparison: losses, the validation metric, and the slopes of every method."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from laaf_lightning.cli.compare.measures import Measure
from laaf_lightning.cli.compare.methods import Method
from laaf_lightning.cli.compare.read_run import Run
from laaf_lightning.cli.compare.scalars import Curve
from laaf_lightning.cli.compare.settings import seed_of
from laaf_lightning.figures import LossCurves, SlopeHistory
from laaf_lightning.figures.canvas import add_title
from laaf_lightning.figures.drawable import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONG = 60
_VALIDATED = ("val/relative_l2", "val/accuracy")


def figures_of(methods: Sequence[Method], metric: Measure, loss: str | None) -> dict[str, Figure]:
    """Draw what the runs have logged.

    Args:
        methods: in the order of the legend.
        metric: what they are compared by.
        loss: the tag of the loss.

    Returns:
        Figures by file name without ending: ``losses``, ``metric``, ``slopes_<method>``, each where there are curves.
    """
    figures: dict[str, Figure] = {}
    if loss is not None and (curves := loss_curves(methods, loss)):
        title = "training loss" if loss in {"train/loss", "epoch_train_loss"} else loss
        figures["losses"] = _lines(curves, title)
    tags = [tag for tag in dict.fromkeys((metric.tag, *_VALIDATED)) if tag.startswith("val/")]
    for curves, tag in ((loss_curves(methods, tag), tag) for tag in tags):
        if curves:
            figures["metric"] = _metric_figure(curves, Measure(tag))
            break
    for method in methods:
        run = next((run for run in method.runs if slope_history(run)), None)
        if run is not None and (history := slope_history(run)) is not None:
            name = _distinct("slopes_" + "-".join(re.findall(r"[\w.+=-]+", method.label))[:_LONG], figures)
            figures[name] = history.figures()["slopes"]
            add_title(figures[name], f"{method.label}: seed {seed_of(run.config)}")
    return figures


def loss_curves(methods: Sequence[Method], tag: str) -> dict[str, tuple[Array, Array]]:
    """Put the curves of each method's runs on common steps.

    Args:
        methods: in the order of the legend.
        tag: what was logged.

    Returns:
        Steps (T,) and values (runs, T) by label, T >= 2; the runs of a method that are not finished are a curve of
        their own at the end, since the common steps end with the shortest, and so is each run of a method that has no
        two steps in common.
    """
    curves: dict[str, tuple[Array, Array]] = {}
    finished = [(method.label, method.finished) for method in methods]
    unfinished = [(f"{method.label} (not finished)", method.unfinished) for method in methods]
    for label, runs in (*finished, *unfinished):
        drawn = [run for run in runs if tag in run.curves and len(run.curves[tag].steps) > 1]
        together = on_common_steps([run.curves[tag] for run in drawn])
        if together is not None:
            curves[label] = together
            continue
        for run in drawn:
            curve = run.curves[tag]
            curves[_distinct(f"{label}, {run.folder.name}", curves)] = curve.steps, curve.values[None]
    return curves


def on_common_steps(curves: Sequence[Curve]) -> tuple[Array, Array] | None:
    """Put curves on the steps of the one with the fewest in the range that all of them have.

    Args:
        curves: of several runs.

    Returns:
        Steps (T,) and values (runs, T): as logged where a run has logged at the step, else interpolated linearly; None
        for less than two common steps.

    Example:
        >>> a, b = Curve(np.array([0, 1, 2, 3]), np.arange(4.0)), Curve(np.array([1, 3, 5]), np.array([5.0, 6.0, 7.0]))
        >>> on_common_steps([a, b])
        (array([1, 3]), array([[1., 3.],
               [5., 6.]]))
    """
    if not curves:
        return None
    first, last = max(curve.steps[0] for curve in curves), min(curve.steps[-1] for curve in curves)
    ranges = [curve.steps[(curve.steps >= first) & (curve.steps <= last)] for curve in curves]
    steps = min(ranges, key=len)
    if len(steps) < 2:
        return None
    return steps, np.stack([np.interp(steps, curve.steps, curve.values) for curve in curves])


def slope_history(run: Run) -> SlopeHistory | None:
    """Collect the slopes of a run.

    Args:
        run: any.

    Returns:
        Mean, and where a layer has several slopes standard deviation, of every layer at the steps that all layers have;
        None where no slopes, or only those of one step, were logged.
    """
    means = {name: curve for tag, curve in run.curves.items() if (name := _layer(tag))}
    if not means:
        return None
    steps = next(iter(means.values())).steps
    for curve in means.values():
        steps = np.intersect1d(steps, curve.steps)
    if len(steps) < 2:
        return None
    stds = {name: run.curves[f"slope/{name}/std"] for name in means if f"slope/{name}/std" in run.curves}
    spread = np.stack([_at(steps, stds[name]) if name in stds else 0.0 * steps for name in means], axis=1)
    mean = np.stack([_at(steps, curve) for curve in means.values()], axis=1)
    return SlopeHistory(steps, mean, tuple(means), spread if stds else None)


def _at(steps: Array, curve: Curve) -> Array:
    return np.interp(steps, curve.steps, curve.values)


def _layer(tag: str) -> str | None:
    found = re.fullmatch(r"slope/(.+)/mean", tag)
    return None if found is None else found[1]


def _metric_figure(curves: Mapping[str, tuple[Array, Array]], metric: Measure) -> Figure:
    """Draw a metric; of accuracies what is missing to 1, which a logarithmic axis shows."""
    if metric.higher_is_better:
        curves = {label: (steps, 1.0 - values) for label, (steps, values) in curves.items()}
    title = f"1 − {metric.title}" if metric.higher_is_better else metric.title
    return _lines(curves, title)


def _lines(curves: Mapping[str, tuple[Array, Array]], title: str) -> Figure:
    """Draw curves by label; a label that is wider than half of the figure has several lines."""
    wrapped = {textwrap.fill(label, _LONG): curve for label, curve in curves.items()}
    return LossCurves(wrapped, loss_name=title).figures()["losses"]


def _distinct(name: str, taken: Mapping[str, object]) -> str:
    names = (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)
