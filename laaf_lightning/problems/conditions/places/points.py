"""Points of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import Numbers, as_tensor
from laaf_lightning.problems.conditions.places.place import Drawn, Place, refuse_outside
from laaf_lightning.problems.conditions.places.point_files import PointFile
from laaf_lightning.problems.geometry import Geometry, Sampler
from laaf_lightning.problems.geometry.refusals import unit_vectors
from laaf_lightning.problems.geometry.sampling.proposals import Proposal

_CLOSE = 1e-6


@dataclass(frozen=True, eq=False)
class Points(Place):
    """Given points, all of which are always taken, with or without normals.

    Args:
        points: shape (M, d), as a tensor, a NumPy array or a list; (M,) in one coordinate, and (d,) for a single point.
            Or the path of a file: ``.npy`` with d columns, or with 2·d for points and normals; ``.npz`` with arrays
            ``points`` and, if there are some, ``normals``; ``.csv`` or ``.txt`` with such columns, whose first line may
            name them, those of normals ``normal_x``, ``normal_y`` ….
        normals: at the points, shape (M, d), of any length > 0, outward; None where there are none, or from the file.

    Raises:
        ConfigurationError: for what holds no real numbers, other shapes, normals without direction, and files that
            do not exist or hold something else.

    Example:
        >>> import laaf_lightning as laaf
        >>> rim = laaf.Points([[1.0, 0.0], [0.0, 1.0]], normals=[[1.0, 0.0], [0.0, 1.0]])
        >>> flux = laaf.Neumann("flux", rim, 0.0)
    """

    points: Tensor | PointFile
    normals: Tensor | None = None

    if TYPE_CHECKING:

        def __init__(self, points: Numbers | str | Path, normals: Numbers | None = None) -> None: ...

    def __post_init__(self) -> None:
        given: object = self.points
        if isinstance(given, (str, Path)):
            points: Tensor | PointFile = PointFile.read(given)
        else:
            points = as_tensor(given, "points of Points")
            if points.ndim > 2:
                raise ConfigurationError(
                    f"points of Points has shape {tuple(points.shape)}: it must be (M, d), one row for each point"
                )
        object.__setattr__(self, "points", points)
        if self.normals is not None:
            normals = as_tensor(self.normals, "normals of Points").detach().double().cpu()
            if not normals.isfinite().all():
                raise ConfigurationError("normals of Points are not all finite")
            object.__setattr__(self, "normals", normals)

    def rows(self, geometry: Geometry, what: str = "a condition") -> tuple[Tensor, Tensor | None]:
        """Return points and normals as rows of a domain's coordinates.

        Args:
            geometry: names the coordinates.
            what: whose points they are, for the error.

        Returns:
            Shapes (M, d), float64, and (M, d) or None.

        Raises:
            ConfigurationError: for other shapes.
        """
        dimension, normals = len(geometry.coordinates), self.normals
        if isinstance(self.points, PointFile):
            points, from_file = self.points.columns(geometry.coordinates, what)
            normals = from_file if normals is None else normals
        else:
            points = self.points.detach().double().cpu()
        points = _rows(points, dimension)
        if points.shape[1] != dimension:
            raise ConfigurationError(
                f"{what} has points of shape {tuple(points.shape)}: expected (M, {dimension}) for "
                f"{', '.join(geometry.coordinates)}"
            )
        if normals is not None:
            normals = _rows(normals, dimension)
            if normals.shape != points.shape:
                raise ConfigurationError(
                    f"{what} has normals of shape {tuple(normals.shape)} at points of shape {tuple(points.shape)}: "
                    "give each point one"
                )
            normals = unit_vectors("Points", normals)
        return points, normals

    def check(self, geometry: Geometry, what: str) -> None:
        """Refuse points that are not finite or outside the domain.

        Args:
            geometry: the domain.
            what: whose points they are.

        Raises:
            ConfigurationError: naming the first.
        """
        points, _ = self.rows(geometry, what)
        if not len(points):
            raise ConfigurationError(f"{what} has no points: give one at least")
        if not points.isfinite().all():
            row = int((~points.isfinite()).any(dim=1).nonzero()[0])
            raise ConfigurationError(
                f"{what} has points that are not finite, the first in row {row}: {points[row].tolist()}"
            )
        refuse_outside(geometry, points, what)

    def size(self, geometry: Geometry) -> int:
        """Return M.

        Args:
            geometry: the domain.

        Returns:
            The number of points.
        """
        return len(self.rows(geometry)[0])

    def draw(self, geometry: Geometry, count: int, sampler: Sampler, seed: int, what: str) -> Drawn:
        """Return all points.

        Args:
            geometry: the domain.
            count: not used.
            sampler: not used.
            seed: not used.
            what: whose points they are.

        Returns:
            The points, and their normals if there are some.
        """
        return Drawn(*self.rows(geometry, what))

    def propose(self, geometry: Geometry, unit: Tensor) -> Proposal:
        """Propose some of the points.

        Args:
            geometry: the domain.
            unit: shape (N, d).

        Returns:
            Points, and their normals if there are some.
        """
        points, normals = self.rows(geometry)
        rows = (unit[:, 0] * len(points)).long()
        keep = torch.ones(len(unit), dtype=torch.bool)
        return Proposal(points[rows], keep, None if normals is None else normals[rows])

    def holds(self, geometry: Geometry, points: Tensor) -> Tensor:
        """Tell which points are among these.

        Args:
            geometry: the domain.
            points: shape (N, d).

        Returns:
            Truth values, shape (N,).
        """
        gaps = (points.double()[:, None] - self.rows(geometry)[0]).abs() / geometry.widths
        near: Tensor = (gaps.amax(dim=2) <= _CLOSE).any(dim=1)
        return near


def _rows(numbers: Tensor, dimension: int) -> Tensor:
    """Take one row for each point, also of one coordinate, or one point."""
    if numbers.ndim == 2:
        return numbers
    return numbers.reshape(-1, 1) if dimension == 1 else numbers.reshape(1, -1)
