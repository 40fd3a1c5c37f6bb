"""Closed lines of straight edges: what they enclose, and whether they are simple."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import as_tensor
from laaf_lightning.problems.geometry.refusals import point_array

Ring: TypeAlias = tuple[tuple[float, float], ...]
_STRAIGHT = 1e-12  # of areas, in units of the bounding box


class Edges(NamedTuple):
    """Straight edges.

    Attributes:
        starts: shape (E, 2).
        ends: shape (E, 2).
    """

    starts: Tensor
    ends: Tensor

    @classmethod
    def of(cls, rings: Sequence[Ring]) -> Edges:
        """Take the edges of closed lines.

        Args:
            rings: corners of each, in order.

        Returns:
            The edges.
        """
        corners = [torch.tensor(ring, dtype=torch.float64) for ring in rings]
        return cls(torch.cat(corners), torch.cat([each.roll(-1, dims=0) for each in corners]))

    def encloses(self, points: Tensor, near: float = 0.0) -> Tensor:
        """Tell which points are enclosed: a ray from them crosses an odd number of edges.

        An edge is compared only with the points at its height, so that many edges cost little more than few.

        Args:
            points: shape (N, 2).
            near: distance to an edge within which points count as enclosed.

        Returns:
            Truth values, shape (N,).
        """
        (x, y), order = points.T, points[:, 1].argsort()
        x, y = x[order], y[order]
        heights = torch.stack([self.starts[:, 1], self.ends[:, 1]])
        lowest, highest = heights.amin(dim=0), heights.amax(dim=0)
        spans = torch.searchsorted(y, torch.stack([lowest, highest], dim=1)).tolist()
        close = torch.searchsorted(y, torch.stack([lowest - near, highest + near], dim=1)).tolist()
        odd, at_edge = (torch.zeros(len(points), dtype=torch.bool) for _ in range(2))
        for edge, (first, last) in enumerate(spans):
            (x0, y0), (x1, y1) = self.starts[edge].tolist(), self.ends[edge].tolist()
            if first < last:
                odd[first:last] ^= x[first:last] < x0 + (y[first:last] - y0) * ((x1 - x0) / (y1 - y0))
            if near and close[edge][0] < close[edge][1]:
                slab = slice(*close[edge])
                single = Edges(self.starts[edge : edge + 1], self.ends[edge : edge + 1])
                at_edge[slab] |= single.distance(torch.stack([x[slab], y[slab]], dim=1)) <= near
        enclosed = torch.empty_like(odd)
        enclosed[order] = odd | at_edge
        return enclosed

    def distance(self, points: Tensor) -> Tensor:
        """Return the distance to the nearest edge.

        Args:
            points: shape (N, 2).

        Returns:
            Shape (N,).
        """
        along, offset = self.ends - self.starts, points[:, None] - self.starts
        share = ((offset * along).sum(dim=-1) / along.square().sum(dim=-1)).clamp(0, 1)
        distances: Tensor = torch.linalg.vector_norm(offset - share[..., None] * along, dim=-1)
        return distances.amin(dim=1)


def ring_of(what: str, corners: object) -> Ring:
    """Take the corners of a closed line, anticlockwise.

    Args:
        what: whose they are, for the error.
        corners: what was given, shape (M, 2).

    Returns:
        The corners, the first not repeated at the end.

    Raises:
        ConfigurationError: for fewer than three, one twice in a row, no area, and numbers that are not finite.
    """
    given = as_tensor(corners, what)
    few = f"{what} has {len(given) if given.ndim else 0} corners: it must have at least three, each (x, y)"
    if not given.ndim or len(given) < 3:
        raise ConfigurationError(few)
    points = point_array("Polygon", what.removesuffix(" of Polygon"), given, 2)
    if torch.equal(points[0], points[-1]):
        points = points[:-1]
    if len(points) < 3:
        raise ConfigurationError(f"{few}; the first and the last are the same")
    after = points.roll(-1, dims=0)
    if (twice := (points == after).all(dim=1)).any():
        raise ConfigurationError(
            f"{what} has the corner {tuple(points[int(twice.nonzero()[0])].tolist())} twice in a row"
        )
    scaled = (points - points.amin(dim=0)) / (points.amax(dim=0) - points.amin(dim=0)).clamp(min=1e-300)
    area = _cross(scaled, scaled.roll(-1, dims=0)).sum() / 2
    if area.abs() < _STRAIGHT:
        raise ConfigurationError(f"{what} has no area: the shape has no interior, or its edges cross")
    if area < 0:
        points = points.flip(0)
    return tuple((x, y) for x, y in points.tolist())


def refuse_crossings(rings: Sequence[Ring]) -> None:
    """Refuse closed lines that cross or touch themselves or each other.

    Args:
        rings: corners of each.

    Raises:
        ConfigurationError: naming two edges that meet elsewhere than at a common corner.
    """
    edges = Edges.of(rings)
    least = edges.starts.amin(dim=0)
    widths = edges.starts.amax(dim=0) - least
    starts, ends = (edges.starts - least) / widths, (edges.ends - least) / widths
    following = torch.cat([torch.arange(len(ring)).roll(-1) + sum(map(len, rings[:k])) for k, ring in enumerate(rings)])
    for index in range(len(starts)):
        start, end = starts[index], ends[index]
        meets = _meet(start, end, starts, ends)
        # The next edge begins where this one ends; it may only not lead straight back.
        after = int(following[index])
        along, onward = end - start, ends[after] - starts[after]
        back = bool((_cross(along, onward).abs() < _STRAIGHT) & ((along * onward).sum() < 0))
        meets[[index, after]] = False
        meets[following == index] = False
        meets[after] = back
        if meets.any():
            first, second = edges.starts[index].tolist(), edges.ends[index].tolist()
            other = int(meets.nonzero()[0])
            third, fourth = edges.starts[other].tolist(), edges.ends[other].tolist()
            raise ConfigurationError(
                f"the edges {tuple(first)}–{tuple(second)} and {tuple(third)}–{tuple(fourth)} of Polygon meet: its "
                "edges may meet at their common corners only; give the corners in order"
            )


def _meet(start: Tensor, end: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """Tell which edges have a point in common with one edge: each one's ends lie on both sides of the other."""
    along, others = end - start, ends - starts
    sides = [_side(_cross(along, points - start)) for points in (starts, ends)]
    of_this = [_side(_cross(others, point - starts)) for point in (start, end)]
    boxes = (torch.minimum(starts, ends) <= torch.maximum(start, end) + _STRAIGHT) & (
        torch.maximum(starts, ends) >= torch.minimum(start, end) - _STRAIGHT
    )
    return (sides[0] * sides[1] <= 0) & (of_this[0] * of_this[1] <= 0) & boxes.all(dim=-1)


def _side(area: Tensor) -> Tensor:
    return torch.where(area.abs() < _STRAIGHT, 0.0, area.sign())


def _cross(one: Tensor, other: Tensor) -> Tensor:
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
