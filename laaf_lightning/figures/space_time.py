"""A function of space and time, and its approximation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures.canvas import (
    EXACT,
    PREDICTION,
    add_grid,
    add_title,
    finite,
    legend_below,
    new_figure,
    symbol,
)
from laaf_lightning.figures.drawable import Array, check_array
from laaf_lightning.figures.maps import ColourMaps
from laaf_lightning.figures.spectrum import draw_spectra, is_equispaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL, _MAP = (3.2, 3.4), (5.0, 3.4)


@dataclass(frozen=True, eq=False)
class SpaceTimeData:
    """A solution u(x, t) on a grid, predicted and exact, as in Figs. 7 and 8 of Jagtap et al. (2020).

    Attributes:
        x: first coordinate in rising order, shape (Nx,).
        t: second coordinate in rising order, shape (Nt,).
        prediction: û, shape (Nt, Nx).
        exact: u, shape (Nt, Nx), or None if it is not known.
        coordinates: names of the two coordinates.
        slice_times: the values of t at which slices are taken; the nearest grid lines are shown.
        max_frequency: highest index k of the spectrum that is shown.
        title: above the panels, for example by `RunFacts`; None for none.
        points: training points (x, t), shape (M, 2), shown as dots on the maps; None for none.

    Raises:
        ConfigurationError: for arrays whose shapes do not match, no slice, or a `max_frequency` below 1.

    Example:
        >>> x, t = np.linspace(-1, 1, 64), np.linspace(0, 1, 11)
        >>> wave = np.sin(np.pi * (x - t[:, None]))
        >>> sorted(SpaceTimeData(x, t, wave).figures())
        ['field', 'slices', 'spectrum']
    """

    x: Array
    t: Array
    prediction: Array
    exact: Array | None = None
    coordinates: tuple[str, str] = ("x", "t")
    slice_times: Sequence[float] = (0.25, 0.5, 0.75)
    max_frequency: int = 50
    title: str | None = None
    points: Array | None = None

    def __post_init__(self) -> None:
        check_array("x", self.x, {"Nx": None})
        check_array("t", self.t, {"Nt": None})
        shape = {"Nt": len(self.t), "Nx": len(self.x)}
        check_array("prediction", self.prediction, shape)
        if self.exact is not None:
            check_array("exact", self.exact, shape)
        if self.points is not None:
            check_array("points", self.points, {"M": None, "d": 2})
        if len(self.slice_times) == 0:
            raise ConfigurationError("slice_times is empty: expected at least one time")
        if self.max_frequency < 1:
            raise ConfigurationError(f"max_frequency={self.max_frequency} must be >= 1")

    def figures(self) -> dict[str, Figure]:
        """Draw slices, spectra and colour maps.

        Returns:
            ``"slices"`` (û and u over x at the slice times), ``"spectrum"`` (of these slices, only on an equispaced
            grid), ``"field"`` (û over t and x, beside u on the same scale where it is known) and, where u is
            known, ``"error"`` (|û − u| over t and x, logarithmic).
        """
        exact = None if self.exact is None else finite(self.exact)
        shown = replace(self, prediction=finite(self.prediction), exact=exact)
        figures = {"slices": shown._slices(), **shown._maps()}
        if is_equispaced(self.x):
            figures["spectrum"] = shown._spectrum()
        for figure in figures.values():
            add_title(figure, self.title)
        return figures

    def slice_indices(self) -> list[int]:
        """Find the grid lines nearest to the slice times, each once.

        Returns:
            Indices into `t`.

        Example:
            >>> t = np.array([0.0, 0.2, 0.6, 1.0])
            >>> SpaceTimeData(np.zeros(1), t, np.zeros((4, 1))).slice_indices()
            [1, 2]
        """
        return list(dict.fromkeys(int(np.abs(self.t - time).argmin()) for time in self.slice_times))

    def _slices(self) -> Figure:
        indices = self.slice_indices()
        space, time = map(symbol, self.coordinates)
        figure, panels = new_figure(columns=len(indices), panel=_PANEL, share=True)
        for axes, i in zip(panels, indices, strict=True):
            if self.exact is not None:
                axes.plot(self.x, self.exact[i], **EXACT)
            axes.plot(self.x, self.prediction[i], **PREDICTION)
            axes.set_title(f"{time} = {self.t[i]:.4g}", fontsize="medium")
            axes.set_xlabel(space)
            axes.margins(x=0)
            add_grid(axes)
        panels[0].set_ylabel("$u$")
        legend_below(figure, panels[0])
        return figure

    def _spectrum(self) -> Figure:
        indices = self.slice_indices()
        time = symbol(self.coordinates[1])
        figure, panels = new_figure(columns=len(indices), panel=_PANEL, share=True)
        drawn = []
        for axes, i in zip(panels, indices, strict=True):
            exact = [] if self.exact is None else [(self.exact[i], EXACT)]
            drawn.append((axes, [*exact, (self.prediction[i], PREDICTION)]))
            axes.set_title(f"{time} = {self.t[i]:.4g}", fontsize="medium")
        draw_spectra(drawn, self.max_frequency)
        panels[0].set_ylabel(r"amplitude $|\hat{u}_k|$")
        legend_below(figure, panels[0])
        return figure

    def _maps(self) -> dict[str, Figure]:
        """Draw the colour maps over (t, x), the slices marked."""
        points = None if self.points is None else self.points[:, ::-1]
        slices = [float(self.t[i]) for i in self.slice_indices()]
        maps = ColourMaps(self.t, self.x, self.coordinates[::-1], _MAP, points=points, marked=slices)
        prediction, exact = self.prediction.T, None if self.exact is None else self.exact.T
        figures = {"field": maps.field(prediction, exact)}
        if exact is not None:
            figures["error"] = maps.error(prediction, exact)
        return figures
