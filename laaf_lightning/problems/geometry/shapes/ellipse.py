"""An ellipse, in any direction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from laaf_lightning.problems.geometry.geometry import Geometry
from laaf_lightning.problems.geometry.refusals import finite_number, finite_numbers, names_of, positive_number
from laaf_lightning.problems.geometry.region import TOLERANCE, points_for
from laaf_lightning.problems.geometry.sampling.proposals import Proposal
from laaf_lightning.problems.geometry.shapes.ball import in_unit_ball

_STEPS = 60  # of bisection, to the last bit


@dataclass(frozen=True)
class Ellipse(Geometry):
    """The points of the plane in an ellipse.

    Args:
        center: its two coordinates.
        semi_axes: half of its length and half of its width, > 0, in their unit.
        angle: of the first axis against the first coordinate, in radians, anticlockwise.
        coordinates: names of the two columns of a point.

    Raises:
        ConfigurationError: for an axis ≤ 0, numbers that are not finite, and names that are not two different ones.

    Example:
        >>> import math
        >>> upright = Ellipse(semi_axes=(2.0, 1.0), angle=math.pi / 2)
        >>> upright.contains(torch.tensor([[0.0, 1.9], [1.9, 0.0]])).tolist()
        [True, False]
    """

    center: tuple[float, float] = (0.0, 0.0)
    semi_axes: tuple[float, float] = (1.0, 0.5)
    angle: float = 0.0
    coordinates: tuple[str, str] = ("x", "y")

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", finite_numbers("Ellipse", "center", self.center, 2))
        semi_axes = finite_numbers("Ellipse", "semi_axes", self.semi_axes, 2)
        for length in semi_axes:
            positive_number("Ellipse", "a semi-axis", length)
        object.__setattr__(self, "semi_axes", semi_axes)
        object.__setattr__(self, "angle", finite_number("Ellipse", "angle", self.angle))
        object.__setattr__(self, "coordinates", names_of("Ellipse", self.coordinates, 2))

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(lower, upper) of each coordinate."""
        reach = torch.linalg.vector_norm(self._turned(torch.diag(self._axes())), dim=0).tolist()
        return tuple((middle - half, middle + half) for middle, half in zip(self.center, reach, strict=True))

    def contains(self, points: Tensor) -> Tensor:
        """Tell which points lie in the ellipse or on its boundary.

        Args:
            points: shape (N, 2).

        Returns:
            Truth values, shape (N,), a millionth of its axes being tolerated.
        """
        return self.depth(points) >= -TOLERANCE

    def depth(self, points: Tensor) -> Tensor:
        """Return the distance to the boundary, in units of the length that the ellipse has in the point's direction.

        Args:
            points: shape (N, 2).

        Returns:
            Shape (N,).
        """
        points = points_for(self, points)
        from_center = points.double().cpu() - torch.tensor(self.center, dtype=torch.float64)
        along = self._turned(from_center, back=True) / self._axes()
        depth: Tensor = 1 - torch.linalg.vector_norm(along, dim=1)
        return depth.to(points.device)

    def propose(self, unit: Tensor) -> Proposal:
        """Map points of the unit cube to the ellipse.

        Args:
            unit: shape (N, 2), in [0, 1).

        Returns:
            Points, all of them inside.
        """
        return Proposal(self._placed(in_unit_ball(unit)), torch.ones(len(unit), dtype=torch.bool))

    def propose_boundary(self, unit: Tensor) -> Proposal:
        """Map points of the unit cube to the boundary, by arc length.

        Args:
            unit: shape (N, 2), in [0, 1); the first coordinate is the arc length, in circumferences.

        Returns:
            Points and normals.
        """
        on_circle = self._at_arc_length(unit[:, 0])
        gradient = self._turned(on_circle / self._axes())
        normals = gradient / torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        return Proposal(self._placed(on_circle), torch.ones(len(unit), dtype=torch.bool), normals)

    @property
    def proposed_area(self) -> float:
        """The circumference."""
        from scipy.special import ellipe  # noqa: PLC0415  # slow to import, and seldom needed

        longer, shorter = max(self.semi_axes), min(self.semi_axes)
        return float(4 * longer * ellipe(1 - (shorter / longer) ** 2))

    def _at_arc_length(self, share: Tensor) -> Tensor:
        """Return points of the unit circle that the axes stretch to such shares of the circumference.

        From an end of the shorter axis on, the arc up to the parameter φ is a·E(φ | 1 − b²/a²), the incomplete elliptic
        integral of the second kind, a being the longer semi-axis.
        """
        from scipy.special import ellipe, ellipeinc  # noqa: PLC0415  # slow to import, and seldom needed

        a, b = self.semi_axes
        squared = 1 - (min(a, b) / max(a, b)) ** 2
        whole = 4 * ellipe(squared)
        lower, upper = torch.zeros_like(share), torch.full_like(share, 2 * math.pi)
        for _ in range(_STEPS):
            middle = (lower + upper) / 2
            short = torch.from_numpy(ellipeinc(middle.numpy(), squared)) < share * whole
            lower, upper = torch.where(short, middle, lower), torch.where(short, upper, middle)
        along_longer, along_shorter = lower.sin(), lower.cos()
        columns = (along_longer, along_shorter) if a >= b else (along_shorter, along_longer)
        return torch.stack(columns, dim=1)

    def _axes(self) -> Tensor:
        return torch.tensor(self.semi_axes, dtype=torch.float64)

    def _placed(self, points: Tensor) -> Tensor:
        """Map the unit disc to the ellipse."""
        return torch.tensor(self.center, dtype=torch.float64) + self._turned(points * self._axes())

    def _turned(self, vectors: Tensor, *, back: bool = False) -> Tensor:
        sine, cosine = math.sin(self.angle), math.cos(self.angle)
        turn = torch.tensor([[cosine, sine], [-sine, cosine]], dtype=torch.float64)
        return vectors @ (turn.T if back else turn)
