"""Conditions on u, on its derivative, on a mixture of both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import Numbers, as_columns
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.conditions.face_arguments import check_factor, check_value
from laaf_lightning.problems.conditions.operators import Asked, NoNormals, along_normal
from laaf_lightning.problems.conditions.places import as_place


@dataclass(frozen=True, eq=False)
class FaceCondition(Condition):
    """A condition that prescribes a value, on a face of the box or at any other place.

    Attributes:
        name: what settings and errors call it.
        at: where: the fixed coordinate and its value, for example ``("t", 0.0)``, or any place of `Condition`.
        value: what is prescribed there: a number, or a function of the points (N, d) that gives a tensor or a NumPy
            array of shape (N, 1) or (N,), or a number.
        unknown: which of several unknowns it is about; None where there is only one.

    Raises:
        ConfigurationError: for what is no place, or a value that is neither number nor function.
    """

    at: Any
    value: Callable[[Tensor], Numbers] | float
    unknown: str | None = None

    def __post_init__(self) -> None:
        vars(self)["_place"] = as_place(self.at, "at", f"the condition {self.name!r}")
        check_value(self.name, self.value)

    def target(self, points: Tensor) -> Tensor:
        """Return the prescribed values.

        Args:
            points: where, shape (N, d).

        Returns:
            Shape (N, 1).

        Raises:
            ConfigurationError: if the function of the points fails, or gives something else.
        """
        what = f"the value of the condition {self.name!r}"
        try:
            values = self.value(points) if callable(self.value) else self.value
        except (AttributeError, TypeError, LookupError) as error:
            raise ConfigurationError(
                f"{what} fails at points of shape {tuple(points.shape)}, {type(error).__name__}: {error}; it is a "
                "function of the points alone, such as lambda points: points[:, :1]"
            ) from error
        return as_columns(values, points, 1, what)

    def _derivative(self, u: Field, normal: Mapping[str, Tensor] | None) -> Tensor:
        """Return ∂u/∂c on a face, elsewhere ∂u/∂n."""
        face = None if self._place is None else self._place.face
        if face is not None:
            return u.d(face.coordinate)
        return along_normal(u, NoNormals(f"the condition {self.name!r}") if normal is None else normal)


class _AcrossCondition(FaceCondition):
    """Base of conditions on the derivative across a place."""

    def _asked(self, coefficients: Collection[str], what: str) -> Asked:
        own = type(self).operator in {Neumann.operator, Robin.operator}
        if own and self._place is not None and self._place.face is None:
            return self._asked_along_normal()
        return super()._asked(coefficients, what)


@dataclass(frozen=True, eq=False)
class Dirichlet(FaceCondition):
    """Values of u at a place: u = value. Initial conditions are of this kind too.

    Attributes:
        name: what settings and errors call it, for example ``"initial"``.
        at: where: the fixed coordinate and its value, for example ``("t", 0.0)``, or any place of `Condition`.
        value: the prescribed u, a number or a function of the points, as for `FaceCondition`.
        unknown: which of several unknowns it is about; None where there is only one.

    Example:
        >>> import laaf_lightning as laaf
        >>> rim = laaf.Dirichlet("rim", "boundary", 0.0)
        >>> len(rim.draw(laaf.Disc(), 5).points)
        5
    """

    def operator(self, u: Field, partner: Field | None = None) -> Tensor:
        """Return u.

        Args:
            u: the unknown at the points.
            partner: not used.

        Returns:
            Shape (N, 1).
        """
        return self._of(u).value


@dataclass(frozen=True, eq=False)
class Neumann(_AcrossCondition):
    """The derivative of u across a place: ∂u/∂c = value on a face, ∂u/∂n = value elsewhere.

    On a face that is given by a coordinate c and its value, and on a `Part` of one, it is the derivative along the
    coordinate, as ``u.d(c)``, not along the outward normal: on a lower face, where the normal points down, the two
    differ in sign. An initial velocity u_t(x, 0) is of this kind too. On all other places, such as ``"boundary"``, a
    mask, a shape, or points with normals, it is the derivative along the outward normal n.

    Attributes:
        name: what settings and errors call it.
        at: where: the fixed coordinate c and its value, for example ``("x", 1.0)``, or any place of `Condition` that
            has normals.
        value: the prescribed derivative, a number or a function of the points, as for `FaceCondition`.
        unknown: which of several unknowns it is about; None where there is only one.
    """

    def operator(self, u: Field, partner: Field | None = None, normal: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return ∂u/∂c on a face, elsewhere ∂u/∂n.

        Args:
            u: the unknown at the points.
            partner: not used.
            normal: coordinate name to the outward normal's component, shape (N, 1); not used on a face.

        Returns:
            Shape (N, 1).
        """
        return self._derivative(self._of(u), normal)


@dataclass(frozen=True, eq=False)
class Robin(_AcrossCondition):
    """A mixture of value and derivative, α·u + β·∂u/∂c = value on a face, α·u + β·∂u/∂n = value elsewhere.

    Attributes:
        name: what settings and errors call it.
        at: where: the fixed coordinate c and its value, for example ``("x", 1.0)``, or any place of `Condition` that
            has normals; what the derivative is on each is said at `Neumann`.
        value: the prescribed mixture, a number or a function of the points, as for `FaceCondition`.
        unknown: which of several unknowns it is about; None where there is only one.
        of_value: α.
        of_derivative: β.
    """

    of_value: float = 1.0
    of_derivative: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_factor(self.name, "of_value", self.of_value)
        check_factor(self.name, "of_derivative", self.of_derivative)

    def operator(self, u: Field, partner: Field | None = None, normal: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return α·u + β·∂u/∂c on a face, elsewhere α·u + β·∂u/∂n.

        Args:
            u: the unknown at the points.
            partner: not used.
            normal: coordinate name to the outward normal's component, shape (N, 1); not used on a face.

        Returns:
            Shape (N, 1).
        """
        v = self._of(u)
        return self.of_value * v + self.of_derivative * self._derivative(v, normal)


def zero(points: Tensor) -> Tensor:
    """Return the value of homogeneous conditions.

    Args:
        points: shape (N, d).

    Returns:
        Zeros, shape (N, 1).
    """
    return torch.zeros_like(points[:, :1])
