"""A domain that is known by points only, such as those of a measured or meshed surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import Numbers
from laaf_lightning.problems.geometry.geometry import Geometry
from laaf_lightning.problems.geometry.refusals import names_of, point_array
from laaf_lightning.problems.geometry.region import TOLERANCE, points_for
from laaf_lightning.problems.geometry.sampling.given_boundary import GivenBoundary, taken_in_turn
from laaf_lightning.problems.geometry.sampling.proposals import Proposal
from laaf_lightning.problems.geometry.sampling.unit_cube import Sampler

_FAR = 1e100  # whose square is finite


@dataclass(frozen=True)
class PointCloud(Geometry):
    """A domain given by points on its boundary, with outward normals, or by points inside, or both.

    With normals, a point is inside if it lies behind the tangent plane of the nearest boundary point: exact but for
    what a curved boundary bends between its points, and near edges for about the distance between points. Without, it
    is inside if some given point is as near as the given points are to each other.

    Args:
        boundary: points on the boundary, shape (M, d), evenly spread.
        normals: outward ones there, shape (M, d), of any length > 0; None where they are not known.
        interior: points inside, shape (K, d), from which the residual points are then taken, each as often as the
            others; None to draw them from the bounding box, which takes normals.
        coordinates: names of the columns of a point, in order.

    Attributes:
        boundary: shape (M, d), float64.
        normals: shape (M, d), float64, or None.
        interior: shape (K, d), float64, or None.

    Raises:
        ConfigurationError: without normals and without interior points, for arrays of other shapes, numbers that are
            not finite, normals that point inwards, and a cloud that is flat.

    Example:
        >>> import math
        >>> angle = torch.linspace(0, 2 * math.pi, 201)[:-1]
        >>> circle = torch.stack([angle.cos(), angle.sin()], dim=1)
        >>> PointCloud(circle, normals=circle).contains(torch.tensor([[0.9, 0.0], [0.9, 0.9]])).tolist()
        [True, False]
    """

    boundary: Tensor
    normals: Tensor | None = None
    interior: Tensor | None = None
    coordinates: tuple[str, ...] = ("x", "y")

    if TYPE_CHECKING:

        def __init__(
            self,
            boundary: Numbers,
            normals: Numbers | None = None,
            interior: Numbers | None = None,
            coordinates: tuple[str, ...] = ("x", "y"),
        ) -> None: ...

    def __post_init__(self) -> None:
        names = names_of("PointCloud", self.coordinates)
        object.__setattr__(self, "coordinates", names)
        if self.normals is None and self.interior is None:
            raise ConfigurationError(
                "PointCloud has neither normals nor interior points: boundary points alone do not tell which side is "
                "inside; give one of the two"
            )
        given = GivenBoundary.of(self.boundary_points(), len(names), "PointCloud")
        interior = None if self.interior is None else point_array("PointCloud", "interior", self.interior, len(names))
        object.__setattr__(self, "boundary", given.points)
        object.__setattr__(self, "normals", given.normals)
        object.__setattr__(self, "interior", interior)
        for name, (lower, upper) in zip(names, self.bounds, strict=True):
            if not lower < upper:
                raise ConfigurationError(f"all points of PointCloud have {name}={lower}: the shape has no interior")
        far = torch.tensor(self.bounds, dtype=torch.float64)[:, 0] - 10 * self.widths
        if self.normals is not None and self.depth(far[None]) > 0:
            raise ConfigurationError("normals of PointCloud point inwards: they must be outward ones, so take -normals")

    def boundary_points(self) -> Numbers | tuple[Numbers, Numbers]:
        """Return the boundary points, and the normals if there are some."""
        return self.boundary if self.normals is None else (self.boundary, self.normals)

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(lower, upper) of each coordinate, over all points."""
        return GivenBoundary(self._points(), None).bounds

    def contains(self, points: Tensor) -> Tensor:
        """Tell which points lie inside or on the boundary, as well as the given points tell it.

        Args:
            points: shape (N, d).

        Returns:
            Truth values, shape (N,).
        """
        return self.depth(points) >= -TOLERANCE

    def depth(self, points: Tensor) -> Tensor:
        """Return the distance to the boundary, in a space where the bounding box is the unit cube.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N,): without normals, the distance by which some given point is near enough.
        """
        from scipy.spatial import cKDTree  # noqa: PLC0415  # slow to import, and seldom needed

        points, widths = points_for(self, points), self.widths
        asked = points.double().cpu() / widths
        sound = asked.isfinite().all(dim=1)
        where = asked.nan_to_num(0.0, 0.0, 0.0).clamp(-_FAR, _FAR).numpy()
        if self.normals is None:
            given = (self._points() / widths).numpy()
            tree = cKDTree(given)
            spacing = np.max(tree.query(given, k=[min(2, len(given))])[0])
            depth = torch.as_tensor(spacing - tree.query(where)[0])
        else:
            boundary, normals = self.boundary / widths, self.normals * widths
            nearest = torch.as_tensor(cKDTree(boundary.numpy()).query(where)[1])
            normals = normals / torch.linalg.vector_norm(normals, dim=1, keepdim=True)
            depth = ((boundary[nearest] - asked) * normals[nearest]).sum(dim=1)
        return torch.where(sound, depth, torch.nan).to(points.device)

    def sample_interior(self, count: int, sampler: Sampler = "uniform", seed: int = 0) -> Tensor:
        """Take interior points at random, or draw them where none are given.

        Args:
            count: how many.
            sampler: of the bounding box, where none are given.
            seed: the same seed gives the same points.

        Returns:
            Shape (count, d), float64.
        """
        if self.interior is None:
            return super().sample_interior(count, sampler, seed)
        return self.interior[taken_in_turn(len(self.interior), count, seed)]

    def propose(self, unit: Tensor) -> Proposal:
        """Map points of the unit cube to interior points that are given, or else to the bounding box.

        Args:
            unit: shape (N, d), in [0, 1).

        Returns:
            Points, and which are inside.
        """
        if self.interior is None:
            return super().propose(unit)
        rows = (unit[:, 0] * len(self.interior)).long()
        return Proposal(self.interior[rows], torch.ones(len(unit), dtype=torch.bool))

    def _points(self) -> Tensor:
        return self.boundary if self.interior is None else torch.cat([self.boundary, self.interior])
