"""A function of space and time: slices, their spectra, the field and its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from laaf_lightning.figures.canvas import COLOURS, Array, check_shape, new_figure, spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SpaceTimeData:
    """A solution on a grid of space and time, as in Figs. 7 and 8 of Jagtap et al. 2020.

    Attributes:
        x: equispaced positions, (Nx,).
        t: times, (Nt,).
        prediction: û, (Nt, Nx).
        exact: u, (Nt, Nx), or None.
        slice_times: times at which slices are drawn; the nearest of `t` is taken.
        max_frequency: highest index that the spectra show.
    """

    x: Array
    t: Array
    prediction: Array
    exact: Array | None = None
    slice_times: tuple[float, ...] = (0.25, 0.5, 0.75)
    max_frequency: int = 20

    def __post_init__(self) -> None:
        check_shape("x", self.x, (None,))
        check_shape("t", self.t, (None,))
        check_shape("prediction", self.prediction, (len(self.t), len(self.x)))
        if self.exact is not None:
            check_shape("exact", self.exact, (len(self.t), len(self.x)))

    def figures(self) -> dict[str, Figure]:
        """Draw ``"slices"``, ``"spectrum"``, ``"field"`` and, with an exact solution, ``"error"``.

        Returns:
            The figures by name.
        """
        drawn = {"slices": self._slices(), "spectrum": self._spectra(), "field": self._field()}
        return drawn if self.exact is None else {**drawn, "error": self._error(self.exact)}

    def _rows(self) -> list[int]:
        return [int(np.abs(self.t - time).argmin()) for time in self.slice_times]

    def _slices(self) -> Figure:
        figure = new_figure(3.4 * len(self.slice_times), 3.2)
        for i, row in enumerate(self._rows()):
            axes = figure.add_subplot(1, len(self.slice_times), i + 1, xlabel="x", title=f"t = {self.t[row]:g}")
            if self.exact is not None:
                axes.plot(self.x, self.exact[row], color="black", label="exact")
            axes.plot(self.x, self.prediction[row], "--", color=COLOURS[1], label="prediction")
            if i == 0:
                axes.set_ylabel("u(x, t)")
                axes.legend()
        return figure

    def _spectra(self) -> Figure:
        figure = new_figure(3.4 * len(self.slice_times), 3.2)
        shown = slice(self.max_frequency + 1)
        for i, row in enumerate(self._rows()):
            title = f"t = {self.t[row]:g}"
            axes = figure.add_subplot(1, len(self.slice_times), i + 1, xlabel="frequency index", title=title)
            if self.exact is not None:
                axes.plot(spectrum(self.exact[row])[shown], "o-", color="black", label="exact")
            axes.plot(spectrum(self.prediction[row])[shown], "x--", color=COLOURS[1], label="prediction")
            if i == 0:
                axes.set_ylabel("|DFT of u| / N")
                axes.legend()
        return figure

    def _field(self) -> Figure:
        figure = new_figure(6.4, 3.6)
        axes = figure.add_subplot(xlabel="t", ylabel="x")
        mesh = axes.pcolormesh(self.t, self.x, self.prediction.T, shading="nearest", cmap="RdBu_r", rasterized=True)
        figure.colorbar(mesh, ax=axes, label="û(x, t)")
        return figure

    def _error(self, exact: Array) -> Figure:
        from matplotlib.colors import LogNorm  # noqa: PLC0415

        figure = new_figure(6.4, 3.6)
        axes = figure.add_subplot(xlabel="t", ylabel="x")
        error = np.abs(self.prediction - exact)
        top = max(float(error.max()), 1e-300)
        norm = LogNorm(top * 1e-4, top)
        shown = np.maximum(error, top * 1e-4)
        mesh = axes.pcolormesh(self.t, self.x, shown.T, shading="nearest", norm=norm, cmap="viridis", rasterized=True)
        figure.colorbar(mesh, ax=axes, label="|u − û|")
        return figure
