"""A function of two space coordinates, and its approximation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from laaf_lightning.figures.canvas import add_title, finite
from laaf_lightning.figures.drawable import Array, check_array
from laaf_lightning.figures.maps import ColourMaps, are_comparable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL = (4.4, 3.8)


@dataclass(frozen=True, eq=False)
class PlaneData:
    """A solution u(x, y) on a grid, predicted and exact.

    Attributes:
        x: first coordinate in rising order, shape (Nx,).
        y: second coordinate in rising order, shape (Ny,).
        prediction: û, shape (Ny, Nx).
        exact: u, shape (Ny, Nx), or None if it is not known.
        coordinates: names of the two coordinates.
        title: above the panels, for example by `RunFacts`; None for none.
        points: training points (x, y), shape (M, 2), shown as dots; None for none.

    Raises:
        ConfigurationError: for arrays whose shapes do not match.

    Example:
        >>> import numpy as np
        >>> x, y = np.linspace(-1, 1, 20), np.linspace(0, 1, 10)
        >>> u = np.sin(np.pi * x) * y[:, None]
        >>> sorted(PlaneData(x, y, u, exact=u + 0.01).figures())
        ['error', 'field']
    """

    x: Array
    y: Array
    prediction: Array
    exact: Array | None = None
    coordinates: tuple[str, str] = ("x", "y")
    title: str | None = None
    points: Array | None = None

    def __post_init__(self) -> None:
        check_array("x", self.x, {"Nx": None})
        check_array("y", self.y, {"Ny": None})
        shape = {"Ny": len(self.y), "Nx": len(self.x)}
        check_array("prediction", self.prediction, shape)
        if self.exact is not None:
            check_array("exact", self.exact, shape)
        if self.points is not None:
            check_array("points", self.points, {"M": None, "d": 2})

    def figures(self) -> dict[str, Figure]:
        """Draw colour maps.

        Returns:
            ``"field"`` (û, beside u on the same scale where it is known) and, where u is known, ``"error"``
            (|û − u|, logarithmic).
        """
        prediction, exact = finite(self.prediction), None if self.exact is None else finite(self.exact)
        equal = are_comparable(self.x, self.y)
        maps = ColourMaps(self.x, self.y, self.coordinates, _PANEL, equal=equal, points=self.points)
        figures = {"field": maps.field(prediction, exact)}
        if exact is not None:
            figures["error"] = maps.error(prediction, exact)
        for figure in figures.values():
            add_title(figure, self.title)
        return figures
