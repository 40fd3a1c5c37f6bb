"""Measured values as a condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.given_numbers import Numbers, as_tensor
from laaf_lightning.problems.conditions.condition import Condition


@dataclass(frozen=True, eq=False)
class PointData(Condition):
    """Measured values of u at given points, inside the domain or on its edge.

    Points and values may be tensors, NumPy arrays, lists or numbers; they are kept as tensors.

    Args:
        name: what settings and errors call it, for example ``"measurements"``.
        points: where, shape (M, d). Shape (M,) is M points in one coordinate where there are M values, and one point
            in M coordinates where there is one value; a number is one point in one coordinate.
        values: what was measured, shape (M, 1) or (M,), or a number for all points.
        unknown: which of several unknowns it is about; None where there is only one.

    Attributes:
        points: shape (M, d).
        values: shape (M, 1).

    Raises:
        ConfigurationError: for points or values that are no real numbers.

    Example:
        >>> import numpy as np
        >>> data = PointData("measured", np.zeros((3, 2)), [1.0, 2.0, 3.0])
        >>> data.points.shape, data.values.tolist()
        (torch.Size([3, 2]), [[1.0], [2.0], [3.0]])
    """

    points: Tensor
    values: Tensor
    unknown: str | None = None

    if TYPE_CHECKING:

        def __init__(self, name: str, points: Numbers, values: Numbers, unknown: str | None = None) -> None: ...

    def __post_init__(self) -> None:
        points, values = (
            as_tensor(given, f"{part} of the condition {self.name!r}")
            for part, given in (("points", self.points), ("values", self.values))
        )
        if points.ndim < 2:
            points = points.reshape(-1, 1) if points.numel() == values.numel() else points.reshape(1, -1)
        if values.ndim == 0:
            values = values.expand(len(points))
        if values.ndim == 1:
            values = values[:, None]
        # The class is frozen for its users.
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "values", values)

    def place(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
        """Return the measured points, whatever is given.

        Args:
            points: not used.
            coordinates: not used.

        Returns:
            Shape (M, d).
        """
        return self.points

    def target(self, points: Tensor) -> Tensor:
        """Return the measured values.

        Args:
            points: the measured points.

        Returns:
            Shape (M, 1).
        """
        return self.values

    def operator(self, u: Field, partner: Field | None = None) -> Tensor:
        """Return u.

        Args:
            u: the unknown at the points.
            partner: not used.

        Returns:
            Shape (M, 1).
        """
        return self._of(u).value
