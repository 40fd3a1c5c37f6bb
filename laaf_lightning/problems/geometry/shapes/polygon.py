"""A polygon, with or without holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.geometry.geometry import Geometry
from laaf_lightning.problems.geometry.refusals import names_of
from laaf_lightning.problems.geometry.region import TOLERANCE, points_for
from laaf_lightning.problems.geometry.sampling.proposals import Proposal
from laaf_lightning.problems.geometry.shapes.rings import Edges, Ring, refuse_crossings, ring_of

_PAIRS = 2**22  # of points and edges at a time


@dataclass(frozen=True)
class Polygon(Geometry):
    """The points of the plane inside a closed line of straight edges, and outside of those of its holes.

    Args:
        corners: (first, second coordinate) of each, in order, clockwise or not; the last edge leads back to the first
            corner, which may be repeated at the end. A list, or an array of shape (M, 2), M ≥ 3.
        holes: corners of each hole, likewise.
        coordinates: names of the two columns of a point.

    Raises:
        ConfigurationError: for fewer than three corners, edges that meet elsewhere than at their common corner, no
            area, holes that do not lie inside, and numbers that are not finite.

    Example:
        >>> l_shape = Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
        >>> l_shape.contains(torch.tensor([[0.5, 1.5], [1.5, 1.5]])).tolist()
        [True, False]
        >>> l_shape.proposed_area
        8.0
    """

    corners: Sequence[tuple[float, float]]
    holes: Sequence[Sequence[tuple[float, float]]] = ()
    coordinates: tuple[str, str] = ("x", "y")

    def __post_init__(self) -> None:
        outline = ring_of("corners of Polygon", self.corners)
        holes = [ring_of(f"hole {number} of Polygon", hole) for number, hole in enumerate(self.holes, 1)]
        refuse_crossings([outline, *holes])
        for number, hole in enumerate(holes, 1):
            others = [other for other in holes if other is not hole]
            if not _inside(hole[0], outline) or any(_inside(hole[0], other) for other in others):
                raise ConfigurationError(f"hole {number} of Polygon does not lie inside it, or lies in another hole")
        object.__setattr__(self, "corners", outline)
        object.__setattr__(self, "holes", tuple(holes))
        object.__setattr__(self, "coordinates", names_of("Polygon", self.coordinates, 2))

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(lower, upper) of each coordinate."""
        return tuple((min(column), max(column)) for column in zip(*self.corners, strict=True))

    def contains(self, points: Tensor) -> Tensor:
        """Tell which points lie in the polygon or on its edges.

        Args:
            points: shape (N, 2).

        Returns:
            Truth values, shape (N,), a millionth of its size being tolerated.
        """
        points = points_for(self, points)
        return self._scaled().encloses(points.double().cpu() / self.widths, TOLERANCE).to(points.device)

    def depth(self, points: Tensor) -> Tensor:
        """Return the distance to the nearest edge, in a plane where the bounding box is the unit square.

        Args:
            points: shape (N, 2).

        Returns:
            Shape (N,), positive inside.
        """
        points, scaled = points_for(self, points), self._scaled()
        chunks = (points.double().cpu() / self.widths).split(max(_PAIRS // len(scaled.starts), 1))
        parts = [scaled.distance(chunk) * torch.where(scaled.encloses(chunk), 1.0, -1.0) for chunk in chunks]
        return torch.cat(parts).to(points.device)

    def propose_boundary(self, unit: Tensor) -> Proposal:
        """Map points of the unit cube to the edges, by arc length.

        Args:
            unit: shape (N, 2), in [0, 1); the first coordinate is the arc length, in circumferences.

        Returns:
            Points and normals.
        """
        edges = self._edges()
        along = edges.ends - edges.starts
        lengths = torch.linalg.vector_norm(along, dim=1)
        passed = lengths.cumsum(dim=0)
        arc = unit[:, 0] * passed[-1]
        edge = torch.searchsorted(passed, arc, right=True).clamp(max=len(lengths) - 1)
        share = (arc - (passed - lengths)[edge]) / lengths[edge]
        points = edges.starts[edge] + share.clamp(0, 1)[:, None] * along[edge]
        normals = torch.stack([along[:, 1], -along[:, 0]], dim=1) / lengths[:, None]
        return Proposal(points, torch.ones(len(unit), dtype=torch.bool), normals[edge])

    @property
    def proposed_area(self) -> float:
        """The length of all edges, those of holes included."""
        edges = self._edges()
        return float(torch.linalg.vector_norm(edges.ends - edges.starts, dim=1).sum())

    def _edges(self) -> Edges:
        """Return the edges, of the outline anticlockwise and of holes clockwise: inside is on their left."""
        return Edges.of([tuple(self.corners), *(tuple(hole)[::-1] for hole in self.holes)])

    def _scaled(self) -> Edges:
        """Return the edges in a plane where the bounding box has the size of the unit square."""
        edges = self._edges()
        return Edges(edges.starts / self.widths, edges.ends / self.widths)


def _inside(point: tuple[float, float], ring: Ring) -> bool:
    return bool(Edges.of([ring]).encloses(torch.tensor([point], dtype=torch.float64)))
