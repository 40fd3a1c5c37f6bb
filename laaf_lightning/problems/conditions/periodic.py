"""Conditions that compare two opposite faces of the box."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.conditions.face_arguments import check_faces, check_order
from laaf_lightning.problems.conditions.places import Pair


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

    Raises:
        ConfigurationError: for faces that are no pair of numbers, and an order that is no whole number ≥ 0.
    """

    coordinate: str
    faces: tuple[float, float]
    order: int = 0
    unknown: str | None = None

    def __post_init__(self) -> None:
        check_faces(self.name, self.faces)
        check_order(self.name, self.order)
        one, other = ((self.coordinate, position) for position in self.faces)
        vars(self)["_place"] = Pair(one, other)

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
