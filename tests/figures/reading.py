"""What a figure shows, read from its artists."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


def curve(line: Line2D) -> tuple[Floats, Floats]:
    x, y = line.get_data()
    return np.asarray(x, np.float64), np.asarray(y, np.float64)


def curves(axes: Axes) -> dict[str, tuple[Floats, Floats]]:
    """Return the lines of a panel by label, those without one left out."""
    return {
        str(line.get_label()): curve(line)
        for line in axes.get_lines()
        if not str(line.get_label()).startswith("_child")
    }


def panels(figure: Figure) -> list[Axes]:
    """Return the visible panels without colour bars."""
    return [axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"]


def legend_texts(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def titles(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in panels(figure)]


def suptitle(figure: Figure) -> str:
    """Return the line above all panels, once it has been laid out; empty if there is none."""
    figure.draw_without_rendering()
    return figure.get_suptitle()


def edges_of_band(axes: Axes) -> tuple[Floats, Floats]:
    """Return the lower and upper edge of the one filled band of a panel."""
    (band,) = axes.collections
    vertices = np.asarray(band.get_paths()[0].vertices)
    steps = np.unique(vertices[:, 0])
    heights = [vertices[vertices[:, 0] == step, 1] for step in steps]
    return np.array([h.min() for h in heights]), np.array([h.max() for h in heights])


def colour_bar(axes: Axes) -> Colorbar:
    image: Any = axes.collections[0] if axes.collections else axes.images[0]
    assert isinstance(image.colorbar, Colorbar)
    return image.colorbar
