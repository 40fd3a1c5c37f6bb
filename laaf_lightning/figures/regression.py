"""A function of one variable and its approximation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures.canvas import (
    EXACT,
    PALETTE,
    PREDICTION,
    add_grid,
    finite,
    legend_above,
    make_logarithmic,
    new_figure,
)
from laaf_lightning.figures.drawable import Array, check_array
from laaf_lightning.figures.spectrum import draw_spectra, is_equispaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SINGLE_PANEL, _PANEL = (6.4, 3.8), (3.4, 3.4)


@dataclass(frozen=True, eq=False)
class RegressionData:
    """A function of one variable, exact and predicted, as in Fig. 2 of Jagtap et al. (2020).

    Attributes:
        x: the grid in rising order, shape (N,).
        exact: u on the grid, shape (N,).
        prediction: û on the grid, shape (N,); or several of them by label, for example by iteration.
        max_frequency: highest index k of the spectrum that is shown.

    Raises:
        ConfigurationError: for arrays whose shapes do not match, or a `max_frequency` below 1.

    Example:
        >>> x = np.linspace(-3, 3, 100)
        >>> sorted(RegressionData(x, np.sin(x), np.tanh(x)).figures())
        ['error', 'solution', 'spectrum']
    """

    x: Array
    exact: Array
    prediction: Array | Mapping[str, Array]
    max_frequency: int = 50

    def __post_init__(self) -> None:
        check_array("x", self.x, {"N": None})
        check_array("exact", self.exact, {"N": len(self.x)})
        if isinstance(self.prediction, Mapping):
            if not self.prediction:
                raise ConfigurationError("prediction is empty: expected an array, or arrays by label")
            for label, prediction in self.prediction.items():
                check_array(f"prediction[{label!r}]", prediction, {"N": len(self.x)})
        else:
            check_array("prediction", self.prediction, {"N": len(self.x)})
        if self.max_frequency < 1:
            raise ConfigurationError(f"max_frequency={self.max_frequency} must be >= 1")

    def figures(self) -> dict[str, Figure]:
        """Draw solution, spectrum and error.

        Returns:
            ``"solution"`` (û and u over x), ``"spectrum"`` (their discrete Fourier transforms, only on an equispaced
            grid) and ``"error"`` (|û − u|, logarithmic).
        """
        predictions = {label: finite(prediction) for label, prediction in self._labelled.items()}
        shown = replace(self, exact=finite(self.exact), prediction=predictions)
        figures = {"solution": shown._solution(), "error": shown._error()}
        if is_equispaced(self.x):
            figures["spectrum"] = shown._spectrum()
        return figures

    @property
    def _labelled(self) -> dict[str, Array]:
        return dict(self.prediction) if isinstance(self.prediction, Mapping) else {"": self.prediction}

    def _panels(self) -> tuple[Figure, list[tuple[Axes, Array]]]:
        """Make a panel for each prediction, its label as the title."""
        labelled = self._labelled
        panel = _SINGLE_PANEL if len(labelled) == 1 else _PANEL
        figure, panels = new_figure(columns=len(labelled), panel=panel, share=True)
        for axes, label in zip(panels, labelled, strict=True):
            axes.set_title(label, fontsize="medium")
        return figure, list(zip(panels, labelled.values(), strict=True))

    def _solution(self) -> Figure:
        figure, panels = self._panels()
        for axes, prediction in panels:
            axes.plot(self.x, self.exact, **EXACT)
            axes.plot(self.x, prediction, **PREDICTION)
            axes.set_xlabel("$x$")
            axes.margins(x=0)
            add_grid(axes)
        panels[0][0].set_ylabel("$u(x)$")
        legend_above(figure, panels[0][0])
        return figure

    def _spectrum(self) -> Figure:
        figure, panels = self._panels()
        drawn = [(axes, [(self.exact, EXACT), (prediction, PREDICTION)]) for axes, prediction in panels]
        draw_spectra(drawn, self.max_frequency)
        panels[0][0].set_ylabel(r"amplitude $|\hat{u}_k|$")
        legend_above(figure, panels[0][0])
        return figure

    def _error(self) -> Figure:
        figure, (axes,) = new_figure(panel=_SINGLE_PANEL)
        errors = {label: np.abs(prediction - self.exact) for label, prediction in self._labelled.items()}
        for i, (label, error) in enumerate(errors.items()):
            axes.plot(self.x, error, color=PALETTE[i % len(PALETTE)], linewidth=1.1, label=label)
        make_logarithmic(axes, list(errors.values()), decades=8)
        axes.set_xlabel("$x$")
        axes.set_ylabel(r"$|u(x) - u_\mathrm{exact}(x)|$")
        axes.margins(x=0)
        add_grid(axes)
        if len(errors) > 1:
            legend_above(figure, axes)
        return figure
