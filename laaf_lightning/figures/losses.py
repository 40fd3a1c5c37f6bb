"""Loss against training step, over several runs of several methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures.canvas import PALETTE, add_grid, finite, make_logarithmic, new_figure
from laaf_lightning.figures.drawable import Array, check_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINES = ("-", "--", "-.", ":")


@dataclass(frozen=True, eq=False)
class LossCurves:
    """Losses of several methods, as in Figs. 4, 5, 6 and 9 of Jagtap et al. (2020).

    Attributes:
        curves: label of the method to its steps, shape (T,), and losses, shape (runs, T).
        step_name: what a step is, for the axis.
        loss_name: what the loss is, for the axis.

    Raises:
        ConfigurationError: for no curve, or arrays whose shapes do not match.

    Example:
        >>> epochs = np.arange(50)
        >>> list(LossCurves({"fixed": (epochs, np.exp(-epochs)[None])}, step_name="epoch").figures())
        ['losses']
    """

    curves: Mapping[str, tuple[Array, Array]]
    step_name: str = "iteration"
    loss_name: str = "training loss"

    def __post_init__(self) -> None:
        if not self.curves:
            raise ConfigurationError("curves is empty: expected (steps, losses) by label")
        for label, (steps, losses) in self.curves.items():
            check_array(f"steps of curves[{label!r}]", steps, {"T": None})
            check_array(f"losses of curves[{label!r}]", losses, {"runs": None, "T": len(steps)})

    def figures(self) -> dict[str, Figure]:
        """Draw mean and band over the steps, logarithmic.

        Returns:
            ``"losses"``: the mean over runs and, with at least two runs, the band mean ± 2 sample standard deviations.
            Where its lower edge is ≤ 0, which no logarithmic axis shows, the band ends at the runs' smallest loss.
        """
        figure, (axes,) = new_figure(panel=(6.4, 4.0))
        shown = []
        curves = {label: (steps, finite(losses)) for label, (steps, losses) in self.curves.items()}
        for i, (label, (steps, losses)) in enumerate(curves.items()):
            colour = PALETTE[i % len(PALETTE)]
            mean = losses.mean(axis=0)
            shown.append(mean)
            style = _LINES[i // len(PALETTE) % len(_LINES)]
            axes.plot(steps, mean, color=colour, linewidth=1.5, linestyle=style, label=label)
            if len(losses) > 1:
                lower, upper = band(losses)
                lower = np.where(lower > 0, lower, losses.min(axis=0))
                axes.fill_between(steps, lower, upper, color=colour, alpha=0.2, linewidth=0)
                shown += [lower, upper]
        make_logarithmic(axes, shown, decades=12)
        axes.margins(x=0)
        axes.set_xlabel(self.step_name)
        axes.set_ylabel(self.loss_name)
        add_grid(axes)
        axes.legend(axes.get_lines(), list(curves), fontsize="small")
        return {"losses": figure}


def band(losses: Array) -> tuple[Array, Array]:
    """Compute mean ∓ 2 sample standard deviations over runs.

    Args:
        losses: shape (runs, T), at least two runs.

    Returns:
        Lower and upper edge, shape (T,) each.

    Example:
        >>> lower, upper = band(np.array([[1.0], [3.0]]))
        >>> round((2 - lower.item()) ** 2, 9), round((upper.item() - 2) ** 2, 9)
        (8.0, 8.0)
    """
    mean, spread = losses.mean(axis=0), 2 * losses.std(axis=0, ddof=1)
    return mean - spread, mean + spread
