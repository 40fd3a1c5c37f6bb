"""A function of three variables or more, and its approximation, on planes through its domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures.canvas import new_figure, symbol
from laaf_lightning.figures.drawable import Array, check_array
from laaf_lightning.figures.maps import are_comparable
from laaf_lightning.figures.scales import Scale
from laaf_lightning.figures.sections.field_and_error import field_and_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL = (3.0, 2.9)


@dataclass(frozen=True, eq=False)
class SliceData:
    """A solution u(x, y, …) on K planes, on each of which the other coordinates are fixed.

    Attributes:
        x: first coordinate of the planes in rising order, shape (Nx,).
        y: second coordinate in rising order, shape (Ny,).
        prediction: û, shape (K, Ny, Nx); gaps are NaN.
        at: where each plane lies, K mappings of coordinate to value.
        exact: u, shape (K, Ny, Nx), or None if it is not known.
        coordinates: names of the planes' two coordinates.
        title: above the panels, for example by `RunFacts`; None for none.

    Raises:
        ConfigurationError: for arrays whose shapes do not match.

    Example:
        >>> import numpy as np
        >>> x, y, times = np.linspace(-1, 1, 20), np.linspace(0, 1, 10), np.array([0.0, 0.5])
        >>> u = np.exp(-times)[:, None, None] * np.sin(np.pi * x) * y[:, None]
        >>> drawn = SliceData(x, y, u, [{"t": time} for time in times], exact=u + 0.01).figures()
        >>> [axes.get_title() for axes in drawn["error"].axes[:2]]
        ['$t$ = 0', '$t$ = 0.5']
    """

    x: Array
    y: Array
    prediction: Array
    at: Sequence[Mapping[str, float]]
    exact: Array | None = None
    coordinates: tuple[str, str] = ("x", "y")
    title: str | None = None

    def __post_init__(self) -> None:
        check_array("x", self.x, {"Nx": None})
        check_array("y", self.y, {"Ny": None})
        if len(self.at) == 0:
            raise ConfigurationError("at is empty: expected a mapping of coordinate to value for each plane")
        shape = {"K": len(self.at), "Ny": len(self.y), "Nx": len(self.x)}
        check_array("prediction", self.prediction, shape)
        if self.exact is not None:
            check_array("exact", self.exact, shape)

    def figures(self) -> dict[str, Figure]:
        """Draw colour maps, one column a plane, all on one scale.

        Returns:
            ``"field"`` (û, below u where it is known) and, where u is known, ``"error"`` (|û − u|, logarithmic).
        """
        return field_and_error(self._draw, self.prediction, self.exact, self.title)

    def _draw(self, rows: Mapping[str, Array], label: str, scale: Scale) -> Figure:
        count, (colours, norm) = len(self.at), scale
        figure, panels = new_figure(len(rows), count, panel=_PANEL, share=True)
        equal = are_comparable(self.x, self.y)
        for number, axes in enumerate(panels):
            name, plane = [*rows][number // count], number % count
            mesh = axes.pcolormesh(
                self.x, self.y, rows[name][plane], cmap=colours, norm=norm, shading="nearest", rasterized=True
            )
            if number < count:
                where = ", ".join(f"{symbol(other)} = {value:.4g}" for other, value in self.at[plane].items())
                axes.set_title(where, fontsize="medium")
            if number >= len(panels) - count:
                axes.set_xlabel(symbol(self.coordinates[0]))
            if plane == 0:
                axes.set_ylabel(f"{name}\n{symbol(self.coordinates[1])}" if name else symbol(self.coordinates[1]))
            if equal:
                axes.set_aspect("equal")
        figure.colorbar(mesh, ax=panels, label=label, pad=0.02)
        return figure
