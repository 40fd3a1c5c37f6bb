"""Points on the boundary of a shape."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from laaf_lightning.errors import ConfigurationError


@dataclass(frozen=True, eq=False)
class BoundaryPoints:
    """Points on a boundary, with its outward normals there, if they are known.

    Args:
        points: shape (N, d), float64.
        outward: normals, shape (N, d), float64, or None.
        kind: the shape's class, for the error.
    """

    points: Tensor
    outward: Tensor | None
    kind: str

    @property
    def has_normals(self) -> bool:
        """Whether the normals are known."""
        return self.outward is not None

    @property
    def normals(self) -> Tensor:
        """The outward normals, of length 1, shape (N, d).

        Raises:
            ConfigurationError: where they are not known.
        """
        if self.outward is None:
            raise ConfigurationError(
                f"the boundary of {self.kind} is given by points without normals: give normals, shape (M, d), beside "
                "them, or take conditions that need none"
            )
        return self.outward
