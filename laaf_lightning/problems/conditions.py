"""Initial, boundary and data conditions of a PDE."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field


@dataclass(frozen=True, eq=False)
class Condition(ABC):
    """Something that u must meet at some points, beside the equation.

    A point's misfit is what `operator` gives there, less `target`.

    Attributes:
        name: what settings and errors call it, for example ``"initial"``.
        unknown: which of several unknowns it is about; None where there is only one.
        pairs_points: whether u is needed at a second point for each, see `partners`.
    """

    name: str
    pairs_points: ClassVar[bool] = False

    @property
    @abstractmethod
    def unknown(self) -> str | None:
        """Which of several unknowns it is about; None where there is only one."""

    @abstractmethod
    def place(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
        """Move points of the box to where the condition holds.

        Args:
            points: random points of the whole box, shape (N, d).
            coordinates: names of their columns.

        Returns:
            Points on the face, shape (N, d).
        """

    @abstractmethod
    def target(self, points: Tensor) -> Tensor:
        """Return what the operator must give.

        Args:
            points: as `place` returned them, shape (N, d).

        Returns:
            Shape (N, 1).
        """

    def partners(self, points: Tensor, coordinates: Sequence[str]) -> Tensor | None:
        """Return a second point for each, at which u is needed too.

        Args:
            points: as `place` returned them, shape (N, d).
            coordinates: names of their columns.

        Returns:
            Shape (N, d), or None where no second one is needed, as for all but periodic conditions.
        """
        return None

    @abstractmethod
    def operator(self, u: Field, partner: Field | None) -> Tensor:
        """Return what is prescribed, for example u or a derivative of it.

        Args:
            u: the unknown at the condition's points.
            partner: the unknown at their partners, if there are any.

        Returns:
            Shape (N, 1).
        """

    def _of(self, u: Field) -> Field:
        return u if self.unknown is None else u[self.unknown]


@dataclass(frozen=True, eq=False)
class FaceCondition(Condition):
    """A condition on a face of the box, where one coordinate is fixed.

    Attributes:
        name: what settings and errors call it.
        at: the fixed coordinate and its value, for example ``("t", 0.0)``.
        value: maps points (N, d) to what is prescribed there, (N, 1).
        unknown: which of several unknowns it is about; None where there is only one.
    """

    at: tuple[str, float]
    value: Callable[[Tensor], Tensor]
    unknown: str | None = None

    def place(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
        """Move points of the box to the face.

        Args:
            points: shape (N, d).
            coordinates: names of their columns.

        Returns:
            Shape (N, d).
        """
        return _moved(points, coordinates.index(self.at[0]), self.at[1])

    def target(self, points: Tensor) -> Tensor:
        """Return the prescribed values.

        Args:
            points: on the face, shape (N, d).

        Returns:
            Shape (N, 1).
        """
        return self.value(points)


@dataclass(frozen=True, eq=False)
class Dirichlet(FaceCondition):
    """Values of u on a face: u = value. Initial conditions are of this kind too.

    Attributes:
        name: what settings and errors call it, for example ``"initial"``.
        at: the fixed coordinate and its value, for example ``("t", 0.0)``.
        value: maps points (N, d) to the prescribed u (N, 1).
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
        value: maps points (N, d) to the prescribed ∂u/∂c (N, 1).
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
        value: maps points (N, d) to the prescribed mixture (N, 1).
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


@dataclass(frozen=True, eq=False)
class Periodic(Condition):
    """Equal values on two opposite faces, or equal derivatives across them.

    For a second-order equation take two, one for u and one for its first derivative.

    Attributes:
        name: what settings and errors call it.
        coordinate: the coordinate c in which u repeats.
        faces: the two values of c, for example ``(-1.0, 1.0)``.
        order: 0 for u itself, k for ∂ᵏu/∂cᵏ.
        unknown: which of several unknowns it is about; None where there is only one.
    """

    pairs_points: ClassVar[bool] = True

    coordinate: str
    faces: tuple[float, float]
    order: int = 0
    unknown: str | None = None

    def place(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
        """Move points of the box to the first face.

        Args:
            points: shape (N, d).
            coordinates: names of their columns.

        Returns:
            Shape (N, d).
        """
        return _moved(points, coordinates.index(self.coordinate), self.faces[0])

    def partners(self, points: Tensor, coordinates: Sequence[str]) -> Tensor:
        """Return the opposite points.

        Args:
            points: on the first face, shape (N, d).
            coordinates: names of their columns.

        Returns:
            Points on the second face, shape (N, d).
        """
        return _moved(points, coordinates.index(self.coordinate), self.faces[1])

    def target(self, points: Tensor) -> Tensor:
        """Return zeros, which the difference must be.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N, 1).
        """
        return torch.zeros_like(points[:, :1])

    def operator(self, u: Field, partner: Field | None) -> Tensor:
        """Return the difference between the two faces.

        Args:
            u: the unknown on the first face.
            partner: the unknown on the second.

        Returns:
            Shape (N, 1).
        """
        assert partner is not None
        first, second = self._of(u), self._of(partner)
        if self.order == 0:
            return first.value - second.value
        by = [self.coordinate] * self.order
        return first.d(*by) - second.d(*by)


@dataclass(frozen=True, eq=False)
class PointData(Condition):
    """Measured values of u at given points, inside the domain or on its edge.

    Attributes:
        name: what settings and errors call it, for example ``"measurements"``.
        points: where, shape (M, d).
        values: what was measured, shape (M, 1).
        unknown: which of several unknowns it is about; None where there is only one.
    """

    points: Tensor
    values: Tensor
    unknown: str | None = None

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


def zero(points: Tensor) -> Tensor:
    """Return the value of homogeneous conditions.

    Args:
        points: shape (N, d).

    Returns:
        Zeros, shape (N, 1).
    """
    return torch.zeros_like(points[:, :1])


def _moved(points: Tensor, column: int, position: float) -> Tensor:
    """Return a copy of the points with one coordinate set."""
    moved = points.clone()
    moved[:, column] = position
    return moved
