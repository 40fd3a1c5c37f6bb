"""Slopes against the iteration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from laaf_lightning.figures.canvas import COLOURS, Array, check_shape, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SlopeHistory:
    """n·a of every layer against the iteration, as in Figs. 3, 10 and 11 of Jagtap et al. 2020.

    Attributes:
        steps: iterations, (T,).
        mean: mean of n·a, (T, layers).
        names: of the layers.
        std: population standard deviation, (T, layers), or None for one slope a layer.
    """

    steps: Array
    mean: Array
    names: tuple[str, ...]
    std: Array | None = None

    def __post_init__(self) -> None:
        check_shape("steps", self.steps, (None,))
        check_shape("mean", self.mean, (len(self.steps), len(self.names)))
        if self.std is not None:
            check_shape("std", self.std, self.mean.shape)

    def figures(self) -> dict[str, Figure]:
        """Draw ``"slopes"``: a line a layer, with a band of one standard deviation.

        Returns:
            The figure by name.
        """
        figure = new_figure()
        axes = figure.add_subplot(xlabel="iteration", ylabel="n·a")
        for k, name in enumerate(self.names):
            colour = COLOURS[k % len(COLOURS)]
            axes.plot(self.steps, self.mean[:, k], color=colour, label=name, ls="-" if k < len(COLOURS) else "--")
            if self.std is not None:
                low, high = self.mean[:, k] - self.std[:, k], self.mean[:, k] + self.std[:, k]
                axes.fill_between(self.steps, low, high, color=colour, alpha=0.15, lw=0)
        axes.legend()
        return {"slopes": figure}
