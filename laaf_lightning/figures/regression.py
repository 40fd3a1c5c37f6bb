"""A function of one variable and its approximation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures.canvas import (
    DIFFERENCE,
    EXACT,
    PALETTE,
    PREDICTION,
    add_grid,
    add_marks,
    add_title,
    finite,
    legend_below,
    make_logarithmic,
    new_figure,
    symbol,
)
from laaf_lightning.figures.drawable import Array, check_array
from laaf_lightning.figures.spectrum import draw_spectra, is_equispaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SINGLE_PANEL, _PANEL = (6.4, 3.8), (3.4, 3.4)
_TICKS: dict[str, Any] = {
    "color": "0.35",
    "marker": "|",
    "markersize": 8,
    "label": "training points",
}


@dataclass(frozen=True, eq=False)
class RegressionData:
    """A function of one variable, exact and predicted, as in Fig. 2 of Jagtap et al. (2020).

    Attributes:
        x: the grid in rising order, shape (N,).
        exact: u on the grid, shape (N,), or None if it is not known.
        prediction: û on the grid, shape (N,); or several of them by label, for example by iteration.
        max_frequency: highest index k of the spectrum that is shown.
        coordinate: name of the variable.
        title: above the panels, for example by `RunFacts`; None for none.
        points: training points, shape (M, 1), shown as ticks; None for none.

    Raises:
        ConfigurationError: for arrays whose shapes do not match, or a `max_frequency` below 1.

    Example:
        >>> x = np.linspace(-3, 3, 100)
        >>> sorted(RegressionData(x, np.sin(x), np.tanh(x)).figures())
        ['error', 'solution', 'spectrum']
    """

    x: Array
    exact: Array | None
    prediction: Array | Mapping[str, Array]
    max_frequency: int = 50
    coordinate: str = "x"
    title: str | None = None
    points: Array | None = None

    def __post_init__(self) -> None:
        check_array("x", self.x, {"N": None})
        if self.exact is not None:
            check_array("exact", self.exact, {"N": len(self.x)})
        if self.points is not None:
            check_array("points", self.points, {"M": None, "d": 1})
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
            grid) and, where u is known, ``"error"`` (|û − u|, logarithmic).
        """
        predictions = {label: finite(prediction) for label, prediction in self._labelled.items()}
        exact = None if self.exact is None else finite(self.exact)
        shown = replace(self, exact=exact, prediction=predictions)
        figures = {"solution": shown._solution()}
        if exact is not None:
            figures["error"] = shown._error(exact)
        if is_equispaced(self.x):
            figures["spectrum"] = shown._spectrum()
        for figure in figures.values():
            add_title(figure, self.title)
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
            if self.exact is not None:
                axes.plot(self.x, self.exact, **EXACT)
            axes.plot(self.x, prediction, **PREDICTION)
            self._finish(axes)
        panels[0][0].set_ylabel("$u$")
        legend_below(figure, panels[0][0])
        return figure

    def _spectrum(self) -> Figure:
        figure, panels = self._panels()
        exact = [] if self.exact is None else [(self.exact, EXACT)]
        drawn = [(axes, [*exact, (prediction, PREDICTION)]) for axes, prediction in panels]
        draw_spectra(drawn, self.max_frequency)
        panels[0][0].set_ylabel(r"amplitude $|\hat{u}_k|$")
        legend_below(figure, panels[0][0])
        return figure

    def _error(self, exact: Array) -> Figure:
        figure, (axes,) = new_figure(panel=_SINGLE_PANEL)
        errors = {label: np.abs(prediction - exact) for label, prediction in self._labelled.items()}
        for i, (label, error) in enumerate(errors.items()):
            axes.plot(self.x, error, color=PALETTE[i % len(PALETTE)], linewidth=1.1, label=label or "error")
        make_logarithmic(axes, list(errors.values()), decades=8)
        self._finish(axes)
        axes.set_ylabel(DIFFERENCE)
        if len(errors) > 1 or self.points is not None:
            legend_below(figure, axes)
        return figure

    def _finish(self, axes: Axes) -> None:
        """Put the variable on the horizontal axis, with ticks where the training points are."""
        axes.set_xlabel(symbol(self.coordinate))
        axes.margins(x=0)
        add_grid(axes)
        if self.points is not None:
            heights = np.full(len(self.points), 0.02)  # of the panel's
            add_marks(axes, self.points[:, 0], heights, transform=axes.get_xaxis_transform(), **_TICKS)
