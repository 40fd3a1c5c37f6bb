"""A function of two or three variables at points that are no grid, and its approximation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures.canvas import finite, new_figure, symbol
from laaf_lightning.figures.drawable import Array, check_array
from laaf_lightning.figures.maps import are_comparable
from laaf_lightning.figures.scales import Scale
from laaf_lightning.figures.sections.field_and_error import field_and_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL = (4.4, 3.8)
_LARGEST, _SMALLEST = 36.0, 1.0  # areas of dots, in square points


@dataclass(frozen=True, eq=False)
class ScatteredData:
    """A solution at N points, as dots whose colour is its value.

    Attributes:
        points: shape (N, 2) or (N, 3).
        prediction: û, shape (N,).
        exact: u, shape (N,), or None if it is not known.
        coordinates: names of the columns of the points.
        title: above the panels, for example by `RunFacts`; None for none.

    Raises:
        ConfigurationError: for arrays whose shapes do not match.

    Example:
        >>> import numpy as np
        >>> points = np.random.default_rng(0).random((50, 2))
        >>> u = points[:, 0] * points[:, 1]
        >>> sorted(ScatteredData(points, u, exact=u + 0.01).figures())
        ['error', 'field']
    """

    points: Array
    prediction: Array
    exact: Array | None = None
    coordinates: tuple[str, ...] = ("x", "y")
    title: str | None = None

    def __post_init__(self) -> None:
        dimension = len(self.coordinates)
        if dimension not in {2, 3}:
            raise ConfigurationError(f"coordinates={self.coordinates!r}: expected the names of two or three")
        check_array("points", self.points, {"N": None, "d": dimension})
        check_array("prediction", self.prediction, {"N": len(self.points)})
        if self.exact is not None:
            check_array("exact", self.exact, {"N": len(self.points)})

    def figures(self) -> dict[str, Figure]:
        """Draw dots.

        Returns:
            ``"field"`` (û, beside u on the same scale where it is known) and, where u is known, ``"error"``
            (|û − u|, logarithmic).
        """
        return field_and_error(self._draw, self.prediction, self.exact, self.title)

    def _draw(self, panels_of: Mapping[str, Array], label: str, scale: Scale) -> Figure:
        in_space, (colours, norm) = len(self.coordinates) == 3, scale
        figure, flat = new_figure(columns=len(panels_of), panel=_PANEL, share=not in_space)
        panels: list[Any] = [_in_space(axes) for axes in flat] if in_space else flat
        size = min(max(20_000 / max(1, len(self.points)), _SMALLEST), _LARGEST)
        columns = [finite(column) for column in self.points.T]
        for axes, (name, values) in zip(panels, panels_of.items(), strict=True):
            style: dict[str, Any] = {"cmap": colours, "norm": norm, "linewidths": 0.3, "edgecolors": "0.6"}
            dots = axes.scatter(*columns, c=values, s=size, **style, rasterized=True)
            axes.set_title(name, fontsize="medium")
            for which, coordinate in zip("xyz", self.coordinates, strict=False):
                if which != "y" or in_space or axes is panels[0]:
                    getattr(axes, f"set_{which}label")(symbol(coordinate))
            if not in_space and are_comparable(*columns):
                axes.set_aspect("equal")
        figure.colorbar(dots, ax=panels, label=label, pad=0.12 if in_space else 0.02)
        return figure


def _in_space(axes: Any) -> Any:
    """Put axes of three dimensions in the place of flat ones."""
    figure, place = axes.figure, axes.get_subplotspec()
    axes.remove()
    in_space = figure.add_subplot(place, projection="3d")
    in_space.set_box_aspect(None, zoom=0.85)  # which leaves room for the names of all axes
    return in_space
