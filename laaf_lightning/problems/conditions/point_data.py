"""Measured values as a condition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import Numbers, as_tensor
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.conditions.places import Place, Points
from laaf_lightning.problems.conditions.places.point_files import SUFFIXES, PointFile
from laaf_lightning.problems.geometry import Geometry


@dataclass(frozen=True, eq=False)
class PointData(Condition):
    """Measured values of u at given points, inside the domain or on its edge.

    Points and values may be tensors, NumPy arrays, lists, numbers, or files as for `Points`; they are kept as tensors.

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

        def __init__(
            self,
            name: str,
            points: Numbers | str | Path | Points,
            values: Numbers | str | Path,
            unknown: str | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        points, file = _taken(self.points, f"points of the condition {self.name!r}", self.name)
        values, _ = _taken(self.values, f"values of the condition {self.name!r}", self.name)
        if points.ndim < 2:
            points = points.reshape(-1, 1) if points.numel() == values.numel() else points.reshape(1, -1)
        if values.ndim == 0:
            values = values.expand(len(points))
        if values.ndim == 1:
            values = values[:, None]
        # The class is frozen for its users.
        vars(self).update(points=points, values=values, _place=Points(points) if file is None else file)

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


def _taken(given: object, what: str, name: str) -> tuple[Tensor, Points | None]:
    """Take numbers, or those of a file with what it tells of its columns."""
    if isinstance(given, Path) or (isinstance(given, str) and given.lower().endswith(SUFFIXES)):
        given = Points(given)
    if isinstance(given, Points):
        held = given.points
        return (held.numbers, given) if isinstance(held, PointFile) else (held, None)
    if isinstance(given, (Place, Geometry)) or callable(given):
        raise ConfigurationError(
            f"{what} is {given!r}, whose points are drawn anew: take Dirichlet({name!r}, where, value) with a function "
            "of the points"
        )
    return as_tensor(given, what), None
