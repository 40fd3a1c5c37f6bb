"""The two figures of a solution: it, beside the exact one where that is known, and its error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from laaf_lightning.figures.canvas import DIFFERENCE, add_title, finite
from laaf_lightning.figures.drawable import Array
from laaf_lightning.figures.scales import Scale, error_scale, solution_scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def field_and_error(
    draw: Callable[[Mapping[str, Array], str, Scale], Figure],
    prediction: Array,
    exact: Array | None,
    title: str | None,
) -> dict[str, Figure]:
    """Draw both.

    Args:
        draw: makes a figure of named arrays, a label of their colours and a scale.
        prediction: û.
        exact: u, of the same shape, or None if it is not known.
        title: above the panels; None for none.

    Returns:
        ``"field"`` (û, with u on the same scale where it is known) and, where u is known, ``"error"`` (|û − u|,
        logarithmic).
    """
    prediction, exact = finite(prediction), None if exact is None else finite(exact)
    known = {} if exact is None else {"exact": exact}
    figures = {"field": draw({**known, "prediction": prediction}, "$u$", solution_scale(prediction, exact))}
    if exact is not None:
        error = np.abs(prediction - exact)
        figures["error"] = draw({"": error}, DIFFERENCE, error_scale(error))
    for figure in figures.values():
        add_title(figure, title)
    return figures
