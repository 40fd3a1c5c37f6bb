"""A function of two space coordinates, and its approximation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from laaf_lightning.figures.canvas import finite, new_figure, symbol
from laaf_lightning.figures.drawable import Array, check_array
from laaf_lightning.figures.scales import error_scale, solution_scale

if TYPE_CHECKING:
    from matplotlib.colors import Normalize
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

    Raises:
        ConfigurationError: for arrays whose shapes do not match.

    Example:
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

    def __post_init__(self) -> None:
        check_array("x", self.x, {"Nx": None})
        check_array("y", self.y, {"Ny": None})
        shape = {"Ny": len(self.y), "Nx": len(self.x)}
        check_array("prediction", self.prediction, shape)
        if self.exact is not None:
            check_array("exact", self.exact, shape)

    def figures(self) -> dict[str, Figure]:
        """Draw colour maps.

        Returns:
            ``"field"`` (û, beside u on the same scale where it is known) and, where u is known, ``"error"``
            (|û − u|, logarithmic).
        """
        prediction = finite(self.prediction)
        if self.exact is None:
            return {"field": self._maps({"prediction": prediction}, "$u$", *solution_scale([prediction]))}
        exact = finite(self.exact)
        both = {"exact": exact, "prediction": prediction}
        error = np.abs(prediction - exact)
        label = r"$|u - u_\mathrm{exact}|$"
        return {
            "field": self._maps(both, "$u$", *solution_scale(list(both.values()))),
            "error": self._maps({"": error}, label, *error_scale(error)),
        }

    def _maps(self, values: dict[str, Array], label: str, colours: str, norm: Normalize) -> Figure:
        """Draw colour maps side by side, with one scale."""
        figure, panels = new_figure(columns=len(values), panel=_PANEL, share=True)
        first, second = map(symbol, self.coordinates)
        mesh = None
        for axes, (title, shown) in zip(panels, values.items(), strict=True):
            mesh = axes.pcolormesh(self.x, self.y, shown, cmap=colours, norm=norm, shading="nearest", rasterized=True)
            axes.set_aspect("equal")
            axes.set_title(title, fontsize="medium")
            axes.set_xlabel(first)
        panels[0].set_ylabel(second)
        assert mesh is not None
        figure.colorbar(mesh, ax=panels, label=label, pad=0.02)
        return figure
