"""Conditions on a face of the box: on u, on its derivative, on a mixture of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.given_numbers import Numbers, as_columns
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.conditions.face_arguments import check_place, check_value
from laaf_lightning.problems.geometry import moved_to


@dataclass(frozen=True, eq=False)
class FaceCondition(Condition):
    """A condition on a face of the box, where one coordinate is fixed.

    Attributes:
        name: what settings and errors call it.
        at: the fixed coordinate and its value, for example ``("t", 0.0)``.
        value: what is prescribed there: a number, or a function of the points (N, d) that gives a tensor or a NumPy
            array of shape (N, 1) or (N,), or a number.
        unknown: which of several unknowns it is about; None where there is only one.

    Raises:
        ConfigurationError: for a place that is no pair of a coordinate and a number, or a value that is neither.
    """

    at: tuple[str, float]
    value: Callable[[Tensor], Numbers] | float
    unknown: str | None = None

    def __post_init__(self) -> None:
        check_place(self.name, self.at)
        check_value(self.name, self.value)

    def place(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
        """Move points of the box to the face.

        Args:
            points: shape (N, d).
            coordinates: names of their columns.

        Returns:
            Shape (N, d).
        """
        return moved_to(points, coordinates.index(self.at[0]), self.at[1])

    def target(self, points: Tensor) -> Tensor:
        """Return the prescribed values.

        Args:
            points: on the face, shape (N, d).

        Returns:
            Shape (N, 1).
        """
        values = self.value(points) if callable(self.value) else self.value
        return as_columns(values, points, 1, f"the value of the condition {self.name!r}")


@dataclass(frozen=True, eq=False)
class Dirichlet(FaceCondition):
    """Values of u on a face: u = value. Initial conditions are of this kind too.

    Attributes:
        name: what settings and errors call it, for example ``"initial"``.
        at: the fixed coordinate and its value, for example ``("t", 0.0)``.
        value: the prescribed u, a number or a function of the points, as for `FaceCondition`.
        unknown: which of several unknowns it is about; None where there is only one.
    """

    def operator(self, u: Field, partner: Field | None = None) -> Tensor:
        """Return u.

        Args:
            u: the unknown on the face.
            partner: not used.

        Returns:
            Shape (N, 1).
        """
        return self._of(u).value


@dataclass(frozen=True, eq=False)
class Neumann(FaceCondition):
    """The derivative of u across a face, ∂u/∂c = value, c being the fixed coordinate.

    It is the derivative along the coordinate, as ``u.d(c)``, not along the outward normal: on a lower face, where
    the normal points down, the two differ in sign. An initial velocity u_t(x, 0) is of this kind too.

    Attributes:
        name: what settings and errors call it.
        at: the fixed coordinate c and its value, for example ``("x", 1.0)``.
        value: the prescribed ∂u/∂c, a number or a function of the points, as for `FaceCondition`.
        unknown: which of several unknowns it is about; None where there is only one.
    """

    def operator(self, u: Field, partner: Field | None = None) -> Tensor:
        """Return ∂u/∂c.

        Args:
            u: the unknown on the face.
            partner: not used.

        Returns:
            Shape (N, 1).
        """
        return self._of(u).d(self.at[0])


@dataclass(frozen=True, eq=False)
class Robin(FaceCondition):
    """A mixture of value and derivative on a face, α·u + β·∂u/∂c = value, c being the fixed coordinate.

    Attributes:
        name: what settings and errors call it.
        at: the fixed coordinate c and its value, for example ``("x", 1.0)``.
        value: the prescribed mixture, a number or a function of the points, as for `FaceCondition`.
        unknown: which of several unknowns it is about; None where there is only one.
        of_value: α.
        of_derivative: β, of the derivative along the coordinate, as in `Neumann`.
    """

    of_value: float = 1.0
    of_derivative: float = 1.0

    def operator(self, u: Field, partner: Field | None = None) -> Tensor:
        """Return α·u + β·∂u/∂c.

        Args:
            u: the unknown on the face.
            partner: not used.

        Returns:
            Shape (N, 1).
        """
        v = self._of(u)
        return self.of_value * v + self.of_derivative * v.d(self.at[0])


def zero(points: Tensor) -> Tensor:
    """Return the value of homogeneous conditions.

    Args:
        points: shape (N, d).

    Returns:
        Zeros, shape (N, 1).
    """
    return torch.zeros_like(points[:, :1])
