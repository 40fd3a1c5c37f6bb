"""The look that all figures share: layout, colours safe for colour-blind readers, axes, labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from laaf_lightning.figures.drawable import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette, without yellow, which is faint on white.
PALETTE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
EXACT: dict[str, Any] = {"color": "#000000", "linewidth": 1.2, "label": "exact"}
PREDICTION: dict[str, Any] = {"color": "#D55E00", "linewidth": 1.6, "linestyle": (0, (4, 1.5)), "label": "prediction"}
DIFFERENCE = r"$|u - u_\mathrm{exact}|$"
_DPI = 100
_LARGEST, _SMALLEST = 1e100, 1e-100


def new_figure(
    rows: int = 1, columns: int = 1, *, panel: tuple[float, float], share: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure with a grid of panels, without pyplot.

    Args:
        rows: rows of panels.
        columns: columns of panels.
        panel: width and height of one panel, inches.
        share: whether all panels have the same limits, with labels on the outer ones only.

    Returns:
        The figure and its axes, row by row.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  # a slow import that only drawing needs

    size = (panel[0] * columns, panel[1] * rows)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    axes = figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False)
    return figure, list(axes.flat)


def finite(values: Array) -> Array:
    """Leave gaps where there is nothing that an axis could show, as a diverged run has it.

    Args:
        values: any shape.

    Returns:
        The values, float64, with NaN for infinities and for magnitudes beyond 1e100, whose axes would overflow.

    Example:
        >>> finite(np.array([1.0, -np.inf, 1e300, np.nan])).tolist()
        [1.0, nan, nan, nan]
    """
    numbers = values.astype(np.float64)
    return np.where(np.abs(numbers) <= _LARGEST, numbers, np.nan)


def add_grid(axes: Axes) -> None:
    """Put a faint grid behind the lines.

    Args:
        axes: the panel.
    """
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def add_marks(axes: Axes, x: Array, y: Array, **style: Any) -> None:
    """Draw markers that leave the panel's limits as they are.

    Args:
        axes: the panel.
        x: shape (M,); what no axis could show is left out.
        y: likewise.
        style: as for a ``Line2D``.
    """
    from matplotlib.lines import Line2D  # noqa: PLC0415  # as above

    # Not by `plot`, whose points count at the next autoscaling whatever it is told.
    axes.add_artist(Line2D(finite(x), finite(y), linestyle="none", **style))


def add_title(figure: Figure, title: str | None) -> None:
    """Put a line above all panels.

    Args:
        figure: the figure.
        title: plain text, of which nothing is read as mathematics; None for no line.
    """
    if title is not None:
        # Wrapped, since a figure with one panel may be narrower than the line.
        figure.suptitle(title, fontsize="small", wrap=True, parse_math=False)


def legend_below(figure: Figure, axes: Axes) -> None:
    """Put the legend of one panel below all panels, in one row, where it hides no line and leaves room for a title.

    Args:
        figure: the figure.
        axes: the panel whose lines are named.
    """
    lines = axes.get_lines()
    labels = [str(line.get_label()) for line in lines]
    figure.legend(lines, labels, loc="outside lower center", ncols=len(labels), frameon=False)


def symbol(name: str) -> str:
    """Write a coordinate's name as mathematics if it is a single letter.

    Args:
        name: for example ``"x"``.

    Returns:
        Text for a label.

    Example:
        >>> symbol("x"), symbol("time")
        ('$x$', 'time')
    """
    return f"${name}$" if len(name) == 1 and name.isalpha() else name


def make_logarithmic(axes: Axes, values: Sequence[Array], decades: float) -> None:
    """Make the vertical axis logarithmic where there is something to show on it; values ≤ 0 leave gaps.

    Args:
        axes: the panel.
        values: the arrays shown.
        decades: how far below the largest value the axis reaches at most.
    """
    if (limits := log_limits(values, decades)) is not None:
        axes.set_ylim(*limits)  # first, since on a logarithmic axis matplotlib would look for limits of its own
        axes.set_yscale("log")


def log_limits(values: Sequence[Array], decades: float) -> tuple[float, float] | None:
    """Choose limits of a logarithmic axis, so that rounding errors and zeros do not stretch it.

    Args:
        values: arrays to be shown, any shapes.
        decades: how far below the largest value the axis reaches at most.

    Returns:
        Lower and upper limit with a margin, or None where no value is finite and above 1e-100.

    Example:
        >>> low, high = log_limits([np.array([0.0, 1e-17, 0.1, 10.0])], decades=6)
        >>> round(low, 12), round(high, 12)
        (5e-06, 20.0)
    """
    flat = np.concatenate([np.ravel(value) for value in values])
    positive = flat[np.isfinite(flat) & (flat > _SMALLEST)]
    if positive.size == 0:
        return None
    largest = float(positive.max())
    return max(float(positive.min()), largest * 10.0**-decades) / 2, largest * 2


def image_of(figure: Figure) -> Array:
    """Render a figure.

    Args:
        figure: any figure.

    Returns:
        Red, green and blue, uint8, shape (height, width, 3) with the figure's size in inches times its dpi.

    Example:
        >>> image_of(new_figure(panel=(2, 1))[0]).shape
        (100, 200, 3)
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  # as above

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
