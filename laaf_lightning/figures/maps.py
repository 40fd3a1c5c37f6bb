"""Colour maps of a function of two variables: exact beside prediction on one scale, and the error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from laaf_lightning.figures.canvas import DIFFERENCE, add_marks, new_figure, symbol
from laaf_lightning.figures.drawable import Array
from laaf_lightning.figures.scales import Scale, error_scale, solution_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Black with a white edge, which is seen on dark colours and on light ones.
_POINTS: dict[str, Any] = {"color": "#000000", "marker": "o", "markeredgecolor": "#ffffff"}
_LONGEST = 6  # how many times as long as the other an axis is before both get scales of their own
_LARGEST_POINT, _SMALLEST_POINT = 2.8, 0.8


@dataclass(frozen=True, eq=False)
class ColourMaps:
    """The two axes that maps are drawn over, and what is drawn on all of them.

    Attributes:
        horizontal: coordinate along the width, in rising order, shape (Nh,).
        vertical: coordinate along the height, in rising order, shape (Nv,).
        coordinates: their names.
        panel: width and height of one map, inches.
        equal: whether a unit is as long on both axes.
        points: training points (horizontal, vertical), shape (M, 2); None for none.
        marked: positions on the horizontal axis that get a dotted line.

    Example:
        >>> maps = ColourMaps(np.arange(3), np.arange(2), ("t", "x"), panel=(4, 3))
        >>> [axes.get_title() for axes in maps.field(np.zeros((2, 3)), np.ones((2, 3))).axes[:2]]
        ['exact', 'prediction']
    """

    horizontal: Array
    vertical: Array
    coordinates: tuple[str, str]
    panel: tuple[float, float]
    equal: bool = False
    points: Array | None = None
    marked: Sequence[float] = ()

    def field(self, prediction: Array, exact: Array | None) -> Figure:
        """Draw û, with u beside it where it is known, on one scale.

        Args:
            prediction: û, shape (Nv, Nh); gaps are NaN.
            exact: u, likewise, or None.

        Returns:
            The figure: one or two maps and one colour bar. The training points lie on û, so that u stays clear.
        """
        known = {} if exact is None else {"exact": exact}
        return self._draw({**known, "prediction": prediction}, "$u$", solution_scale(prediction, exact))

    def error(self, prediction: Array, exact: Array) -> Figure:
        """Draw |û − u| on a logarithmic scale.

        Args:
            prediction: û, shape (Nv, Nh); gaps are NaN.
            exact: u, likewise.

        Returns:
            The figure: one map with its colour bar.
        """
        error = np.abs(prediction - exact)
        return self._draw({"": error}, DIFFERENCE, error_scale(error))

    def _draw(self, maps: Mapping[str, Array], label: str, scale: Scale) -> Figure:
        figure, panels = new_figure(columns=len(maps), panel=self.panel, share=True)
        grid, (colours, norm) = (self.horizontal, self.vertical), scale
        meshes = [
            axes.pcolormesh(*grid, values, cmap=colours, norm=norm, shading="nearest", rasterized=True)
            for axes, values in zip(panels, maps.values(), strict=True)
        ]
        for axes, name in zip(panels, maps, strict=True):
            axes.set_title(name, fontsize="medium")
            axes.set_xlabel(symbol(self.coordinates[0]))
            if self.equal:
                axes.set_aspect("equal")
            for position in self.marked:
                axes.axvline(position, color="0.5", linewidth=0.8, linestyle=":")
        panels[0].set_ylabel(symbol(self.coordinates[1]))
        if self.points is not None:
            _draw_points(panels[-1], self.points)
        figure.colorbar(meshes[-1], ax=panels, label=label, pad=0.02)
        return figure


def are_comparable(horizontal: Array, vertical: Array) -> bool:
    """Tell whether two axes can have one scale and both be seen.

    Args:
        horizontal: what is shown along the width, 1-dim.
        vertical: along the height, likewise.

    Returns:
        Whether neither is more than six times as long as the other.

    Example:
        >>> short, long = np.array([0.0, 1.0]), np.array([0.0, 1e6])
        >>> are_comparable(short, 2 * short), are_comparable(short, long)
        (True, False)
    """
    lengths = [float(np.ptp(values[np.isfinite(values)])) for values in (horizontal, vertical)]
    return max(lengths) <= _LONGEST * min(lengths) or min(lengths) == 0


def _draw_points(axes: Axes, points: Array) -> None:
    """Draw dots, the smaller the more there are, and say in the panel's title what they are."""
    size = min(max(60 / math.sqrt(len(points)), _SMALLEST_POINT), _LARGEST_POINT)
    style = {**_POINTS, "markersize": size, "markeredgewidth": size / 4}
    add_marks(axes, points[:, 0], points[:, 1], **style, rasterized=True)
    axes.set_title(" and ".join(filter(None, [axes.get_title(), f"{len(points)} training points"])), fontsize="medium")
