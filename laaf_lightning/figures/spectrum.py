"""The Fourier spectrum of a function on an equispaced grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from laaf_lightning.figures.canvas import add_grid, make_logarithmic
from laaf_lightning.figures.drawable import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DECADES = 5

# u on the grid, shape (N,), and the style of its line.
Function: TypeAlias = tuple[Array, dict[str, Any]]


def is_equispaced(x: Array) -> bool:
    """Tell whether a grid has a discrete Fourier transform to speak of: at least two points, equal steps.

    Args:
        x: shape (N,).

    Returns:
        Whether all steps agree within a thousandth, so that a float32 grid counts.
    """
    steps = np.diff(x.astype(np.float64))
    return bool(steps.size > 0 and steps[0] != 0 and np.allclose(steps, steps.mean(), rtol=1e-3, atol=0))


def amplitudes(u: Array) -> Array:
    """Compute |û_k| = |Σ_j u_j exp(−2πi jk/N)| / N for k = 0 … N//2.

    Args:
        u: shape (..., N).

    Returns:
        Shape (..., N//2 + 1), float64.

    Example:
        >>> x = np.arange(8) / 8
        >>> amplitudes(2 * np.cos(2 * np.pi * x)).round(12).tolist()
        [0.0, 1.0, 0.0, 0.0, 0.0]
    """
    transformed: Array = np.abs(np.fft.rfft(u.astype(np.float64))) / u.shape[-1]
    return transformed


def draw_spectra(panels: Sequence[tuple[Axes, Sequence[Function]]], max_frequency: int) -> None:
    """Draw spectra over the low indices, on the same logarithmic axis in all panels.

    Args:
        panels: axes, with shared limits, and the functions on them.
        max_frequency: largest index shown.
    """
    shown = []
    for axes, functions in panels:
        for u, style in functions:
            amplitude = amplitudes(u)[: max_frequency + 1]
            axes.plot(np.arange(len(amplitude)), amplitude, marker=".", markersize=4, **style)
            # The mean, k = 0, is often zero but for rounding: it must not stretch the axis downwards.
            shown += [amplitude.max(keepdims=True), amplitude[1:]]
        axes.margins(x=0)
        axes.set_xlabel("index $k$")
        add_grid(axes)
    make_logarithmic(panels[0][0], shown, _DECADES)
