"""What can be drawn, and the check of the arrays that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from laaf_lightning.errors import ConfigurationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array: TypeAlias = NDArray[Any]


@runtime_checkable
class Drawable(Protocol):
    """Anything that draws itself: the values of a module's ``figure_data()``."""

    def figures(self) -> dict[str, Figure]:
        """Draw.

        Returns:
            Name of the figure to the figure, built without pyplot, so that nothing is kept open.
        """
        ...


def check_array(argument: str, value: object, axes: Mapping[str, int | None]) -> None:
    """Refuse what is not a numpy array of the expected shape.

    Args:
        argument: its name, for the error.
        value: what was given.
        axes: symbol of each axis to its length; None for any length of at least one.

    Raises:
        ConfigurationError: naming argument, shape and the expected one.

    Example:
        >>> check_array("exact", np.zeros((2, 3)), {"Nt": None, "Nx": 4})
        Traceback (most recent call last):
            ...
        laaf_lightning.errors.ConfigurationError: exact has shape (2, 3): expected (Nt, Nx) with Nt >= 1, Nx = 4
    """
    lengths = [f"{name} >= 1" if length is None else f"{name} = {length}" for name, length in axes.items()]
    comma = "," if len(axes) == 1 else ""
    expected = f"({', '.join(axes)}{comma}) with {', '.join(lengths)}"
    if not isinstance(value, np.ndarray):
        raise ConfigurationError(f"{argument} is a {type(value).__name__}: expected a numpy array of shape {expected}")
    fits = value.ndim == len(axes) and all(
        got >= 1 if want is None else got == want for got, want in zip(value.shape, axes.values(), strict=True)
    )
    if not fits:
        raise ConfigurationError(f"{argument} has shape {value.shape}: expected {expected}")
