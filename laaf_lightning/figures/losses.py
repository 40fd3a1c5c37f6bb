"""Loss curves of several methods with bands over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from laaf_lightning.figures.canvas import COLOURS, Array, check_shape, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class LossCurves:
    """Losses against iteration or epoch, as in Figs. 4, 5, 6 and 9 of Jagtap et al. 2020.

    Attributes:
        steps: iterations or epochs, (T,).
        losses: method to (runs, T).
        step_name: label of the horizontal axis.
    """

    steps: Array
    losses: dict[str, Array]
    step_name: str = "iteration"

    def __post_init__(self) -> None:
        for name, values in self.losses.items():
            check_shape(name, values, (None, len(self.steps)))

    def figures(self) -> dict[str, Figure]:
        """Draw ``"losses"``: means, and a band of ±2 sample standard deviations where there are several runs.

        Returns:
            The figure by name.
        """
        figure = new_figure()
        axes = figure.add_subplot(xlabel=self.step_name, ylabel="loss", yscale="log")
        for k, (name, values) in enumerate(self.losses.items()):
            colour, mean = COLOURS[k % len(COLOURS)], values.mean(axis=0)
            axes.plot(self.steps, mean, color=colour, label=name)
            if len(values) > 1:
                band = 2 * values.std(axis=0, ddof=1)
                low = np.maximum(mean - band, np.finfo(np.float32).tiny)
                axes.fill_between(self.steps, low, mean + band, color=colour, alpha=0.2, lw=0)
        axes.legend()
        return {"losses": figure}
