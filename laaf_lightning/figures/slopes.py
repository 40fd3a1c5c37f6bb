"""How the slopes of a network's layers move during training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures.canvas import add_grid, finite, new_figure
from laaf_lightning.figures.drawable import Array, check_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_COLUMNS, _LEGEND_ROWS = 4, 12


@dataclass(frozen=True, eq=False)
class SlopeHistory:
    """Slopes n·a of K layers at T steps, as in Figs. 3, 10 and 11 of Jagtap et al. (2020).

    Attributes:
        steps: optimiser steps, shape (T,).
        mean: mean of n·a in each layer, shape (T, K); the slope itself for a layer with one.
        names: the layers' names, first layer first; None numbers them from 1.
        std: population standard deviation in each layer, shape (T, K), or None where each layer has one slope.

    Raises:
        ConfigurationError: for arrays or names whose shapes do not match.

    Example:
        >>> steps = np.arange(0, 2000, 50)
        >>> list(SlopeHistory(steps, 1 + steps[:, None] / [2000, 4000], ("1", "2")).figures())
        ['slopes']
    """

    steps: Array
    mean: Array
    names: Sequence[str] | None = None
    std: Array | None = None

    def __post_init__(self) -> None:
        check_array("steps", self.steps, {"T": None})
        check_array("mean", self.mean, {"T": len(self.steps), "K": None})
        layers = self.mean.shape[1]
        if self.std is not None:
            check_array("std", self.std, {"T": len(self.steps), "K": layers})
        if self.names is not None and len(self.names) != layers:
            raise ConfigurationError(f"names has {len(self.names)} entries: expected K = {layers}, one a layer")

    def figures(self) -> dict[str, Figure]:
        """Draw the slopes over the steps.

        Returns:
            ``"slopes"``: all layers' means in one panel; with `std` a panel for each layer, with the band mean ± std
            and the other layers' means in grey.
        """
        std = None if self.std is None else finite(self.std)
        shown = replace(self, mean=finite(self.mean), std=std)
        return {"slopes": shown._means() if std is None else shown._bands(std)}

    @property
    def _names(self) -> list[str]:
        return [f"layer {k + 1}" for k in range(self.mean.shape[1])] if self.names is None else list(self.names)

    def _means(self) -> Figure:
        names = self._names
        columns = math.ceil(len(names) / _LEGEND_ROWS)
        legend_width = columns * (0.6 + 0.07 * max(map(len, names)))
        figure, (axes,) = new_figure(panel=(5.2 + legend_width, 3.8))
        for name, slope, colour in zip(names, self.mean.T, self._colours(), strict=True):
            axes.plot(self.steps, slope, color=colour, linewidth=1.5, label=name)
        lines = axes.get_lines()[: len(names)]
        self._label(axes)
        axes.set_ylabel(r"slope $n \cdot a$")
        legend = figure.legend(lines, names, loc="outside right upper", ncols=columns, frameon=False, fontsize="small")
        for text in legend.get_texts():
            text.set_parse_math(False)
        return figure

    def _bands(self, std: Array) -> Figure:
        layers = self.mean.shape[1]
        columns = min(layers, 3 if layers in {3, 5, 6, 9} else _MAX_COLUMNS)
        rows = math.ceil(layers / columns)
        figure, panels = new_figure(rows, columns, panel=(max(2.4, 5.0 / columns), 2.3), share=True)
        for k, (axes, name, colour) in enumerate(zip(panels, self._names, self._colours(), strict=False)):
            axes.plot(self.steps, np.delete(self.mean, k, axis=1), color="0.8", linewidth=0.7)
            axes.plot(self.steps, self.mean[:, k], color=colour, linewidth=1.6, label=name)
            band = (self.mean[:, k] - std[:, k], self.mean[:, k] + std[:, k])
            axes.fill_between(self.steps, *band, color=colour, alpha=0.3, linewidth=0)
            axes.set_title(name, fontsize="medium", parse_math=False)
            self._label(axes)
            axes.label_outer()
        for axes in panels[layers:]:
            axes.set_visible(False)
        for axes in panels[max(0, layers - columns) : layers]:
            axes.xaxis.set_tick_params(labelbottom=True)
            axes.set_xlabel("iteration")
        figure.supylabel(r"slope $n \cdot a$, mean $\pm$ std", fontsize="medium")
        return figure

    def _label(self, axes: Axes) -> None:
        axes.axhline(1.0, color="0.4", linewidth=0.8, linestyle=":")
        axes.set_xlabel("iteration")
        axes.margins(x=0)
        add_grid(axes)

    def _colours(self) -> list[Any]:
        """Choose one colour a layer, from dark to light with depth."""
        from matplotlib import colormaps  # noqa: PLC0415  # a slow import that only drawing needs

        return list(colormaps["viridis"](np.linspace(0, 0.85, self.mean.shape[1])))
