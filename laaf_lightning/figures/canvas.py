"""What all figures share: size, colours, checks of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from laaf_lightning.errors import ConfigurationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito's colours, told apart with every common colour blindness."""


class Drawable(Protocol):
    """Arrays that know how they are drawn."""

    def figures(self) -> dict[str, Figure]:
        """Return the figures by name."""
        ...


def new_figure(width: float = 6.4, height: float = 4.2) -> Figure:
    """Make an empty figure that belongs to no global state.

    Args:
        width: inches.
        height: inches.

    Returns:
        The figure.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  # drawing alone pays for the import

    return Figure(figsize=(width, height), layout="constrained")


def check_shape(name: str, array: Array, expected: tuple[int | None, ...]) -> None:
    """Raise unless an array has the expected shape.

    Args:
        name: of the argument, for the error.
        array: what was given.
        expected: sizes; None accepts any.

    Raises:
        ConfigurationError: if it has another one.
    """
    fits = array.ndim == len(expected) and all(
        want in {None, size} for want, size in zip(expected, array.shape, strict=True)
    )
    if not fits:
        shape = ", ".join("any" if size is None else str(size) for size in expected)
        raise ConfigurationError(f"{name} has shape {array.shape}, expected ({shape})")


def spectrum(values: Array) -> Array:
    """Return the magnitudes of the discrete Fourier transform of real samples on an equispaced grid.

    Args:
        values: (N,).

    Returns:
        (N // 2 + 1,), divided by N.
    """
    return np.asarray(np.abs(np.fft.rfft(values)) / len(values))


def image_of(figure: Figure) -> Array:
    """Render a figure.

    Args:
        figure: any figure.

    Returns:
        (height, width, 3), uint8.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
