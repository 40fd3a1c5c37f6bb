"""The Fourier spectrum of a function on an equispaced grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from laaf_lightning.figures.canvas import add_grid, make_logarithmic
from laaf_lightning.figures.drawable import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DECADES = 5


def is_equispaced(x: Array) -> bool:
    """Tell whether a grid has a discrete Fourier transform to speak of: at least two points, equal steps.

    Args:
        x: shape (N,).

    Returns:
        Whether all steps agree within a thousandth, so that a float32 grid counts.
    """
    steps = np.diff(x.astype(np.float64))
    return steps.size > 0 and steps[0] != 0 and bool(np.allclose(steps, steps.mean(), rtol=1e-3, atol=0))


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
    with np.errstate(invalid="ignore"):  # a diverged run has no spectrum: NaN
        transformed: Array = np.abs(np.fft.rfft(u.astype(np.float64))) / u.shape[-1]
    return transformed


def draw_spectra(axes: Axes, functions: Sequence[tuple[Array, dict[str, Any]]], max_frequency: int) -> None:
    """Draw spectra on a logarithmic axis over the low indices.

    Args:
        axes: the panel.
        functions: (u of shape (N,), style of its line) pairs.
        max_frequency: largest index shown.
    """
    shown = [amplitudes(u)[: max_frequency + 1] for u, _ in functions]
    for amplitude, (_, style) in zip(shown, functions, strict=True):
        axes.plot(np.arange(len(amplitude)), amplitude, marker=".", markersize=4, **style)
    # The mean, k = 0, is often zero but for rounding: it must not stretch the axis downwards.
    largest = np.array([amplitude.max() for amplitude in shown])
    make_logarithmic(axes, [largest, *(amplitude[1:] for amplitude in shown)], _DECADES)
    axes.margins(x=0)
    axes.set_xlabel("index $k$")
    add_grid(axes)
