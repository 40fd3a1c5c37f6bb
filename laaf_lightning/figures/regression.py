"""A function of one variable: solution, spectrum and error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from laaf_lightning.figures.canvas import COLOURS, Array, check_shape, new_figure, spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class RegressionData:
    """Values of a function on an equispaced grid, as in Fig. 2 of Jagtap et al. 2020.

    Attributes:
        x: the grid, (N,).
        exact: u(x), (N,).
        prediction: û(x), (N,), or a mapping from a label such as ``"iteration 2000"`` to it.
        max_frequency: highest index that the spectrum shows.
    """

    x: Array
    exact: Array
    prediction: Array | dict[str, Array]
    max_frequency: int = 20

    def __post_init__(self) -> None:
        check_shape("x", self.x, (None,))
        check_shape("exact", self.exact, self.x.shape)
        for label, values in self.predictions().items():
            check_shape(label, values, self.x.shape)

    def predictions(self) -> dict[str, Array]:
        """Return the predictions by label.

        Returns:
            One entry, ``"prediction"``, unless several were given.
        """
        return self.prediction if isinstance(self.prediction, dict) else {"prediction": self.prediction}

    def figures(self) -> dict[str, Figure]:
        """Draw ``"solution"``, ``"spectrum"`` and ``"error"``.

        Returns:
            The figures by name.
        """
        return {"solution": self._solution(), "spectrum": self._spectrum(), "error": self._error()}

    def _solution(self) -> Figure:
        figure = new_figure()
        axes = figure.add_subplot(xlabel="x", ylabel="u(x)")
        axes.plot(self.x, self.exact, color="black", label="exact")
        for colour, (label, values) in zip(COLOURS, self.predictions().items(), strict=False):
            axes.plot(self.x, values, "--", color=colour, label=label)
        axes.legend()
        return figure

    def _spectrum(self) -> Figure:
        figure = new_figure()
        axes = figure.add_subplot(xlabel="frequency index", ylabel="|DFT of u| / N")
        shown = slice(self.max_frequency + 1)
        axes.plot(spectrum(self.exact)[shown], "o-", color="black", label="exact")
        for colour, (label, values) in zip(COLOURS, self.predictions().items(), strict=False):
            axes.plot(spectrum(values)[shown], "x--", color=colour, label=label)
        axes.legend()
        return figure

    def _error(self) -> Figure:
        figure = new_figure()
        axes = figure.add_subplot(xlabel="x", ylabel="|u − û|", yscale="log")
        for colour, (label, values) in zip(COLOURS, self.predictions().items(), strict=False):
            error = np.maximum(np.abs(self.exact - values), np.finfo(np.float32).tiny)
            axes.plot(self.x, error, color=colour, label=label)
        axes.legend()
        return figure
