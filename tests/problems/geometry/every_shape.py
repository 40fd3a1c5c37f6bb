"""One of each kind of shape, with what is known of it."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from laaf_lightning.problems import Ball, Box, Disc, Ellipse, Geometry, OverTime, PointCloud, Polygon

SQUARE = Box.of({"x": (-1.0, 1.0), "y": (-1.0, 1.0)})
QUADRANT = Box.of({"x": (0.0, 1.0), "y": (0.0, 1.0)})
L_CORNERS = ((-1.0, -1.0), (1.0, -1.0), (1.0, 0.0), (0.0, 0.0), (0.0, 1.0), (-1.0, 1.0))


def circle(count: int) -> Tensor:
    angle = 2 * math.pi * torch.arange(count, dtype=torch.float64) / count
    return torch.stack([angle.cos(), angle.sin()], dim=1)


class Diamond(Geometry):
    """|x| + |y| ≤ 1, as a user writes it."""

    coordinates = ("x", "y")
    bounds = ((-1.0, 1.0), (-1.0, 1.0))

    def contains(self, points: Tensor) -> Tensor:
        return points.abs().sum(dim=1) <= 1

    def boundary_points(self) -> tuple[Tensor, Tensor]:
        share = (torch.arange(100, dtype=torch.float64)[:, None] + 0.5) / 100
        corners = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
        sides = [one + share * (other - one) for one, other in zip(corners, corners.roll(-1, 0), strict=True)]
        normals = [(one + other).expand(100, 2) for one, other in zip(corners, corners.roll(-1, 0), strict=True)]
        return torch.cat(sides), torch.cat(normals)


class Known(NamedTuple):
    """A shape, its volume, and the area of its boundary."""

    shape: Geometry
    volume: float
    area: float


LENS = 2 * math.pi / 3 - math.sqrt(3) / 2  # of two unit discs whose centres are 1 apart

SHAPES = {
    "interval": Known(Box(("x",), ((1.0, 3.0),)), 2.0, 2.0),
    "box": Known(Box(("x", "y", "z"), ((0.0, 1.0), (-1.0, 1.0), (0.0, 3.0))), 6.0, 22.0),
    "disc": Known(Disc((1.0, -2.0), 0.5), math.pi / 4, math.pi),
    "ellipse": Known(Ellipse((1.0, 0.0), (1.0, 2.0), 0.7), 2 * math.pi, 9.688448220547675),
    "ball": Known(Ball((0.0, 1.0, 2.0), 2.0), 32 * math.pi / 3, 16 * math.pi),
    "ball in five": Known(Ball((0.0,) * 5, 1.0, tuple("abcde")), 8 * math.pi**2 / 15, 8 * math.pi**2 / 3),
    "polygon": Known(Polygon(L_CORNERS), 3.0, 8.0),
    "with a hole": Known(Polygon([(0, 0), (3, 0), (3, 3), (0, 3)], [[(1, 1), (2, 1), (2, 2), (1, 2)]]), 8.0, 16.0),
    "difference": Known(SQUARE - QUADRANT, 3.0, 8.0),
    "union": Known(
        Box.of({"x": (-1.0, 1.0), "y": (-1.0, 0.0)}) | Box.of({"x": (-1.0, 0.0), "y": (0.0, 1.0)}), 3.0, 8.0
    ),
    "overlap": Known(SQUARE | QUADRANT | Box.of({"x": (0.5, 2.0), "y": (-1.0, 1.0)}), 6.0, 10.0),
    "annulus": Known(Disc() - Disc(radius=0.5), 3 * math.pi / 4, 3 * math.pi),
    "intersection": Known(Disc() & Disc((1.0, 0.0)), LENS, 4 * math.pi / 3),
    "two intervals": Known(Box(("x",), ((0.0, 1.0),)) | Box(("x",), ((2.0, 3.0),)), 2.0, 4.0),
    "over time": Known(OverTime(SQUARE - QUADRANT, (1.0, 3.0)), 6.0, 16.0),
    "point cloud": Known(PointCloud(circle(400), circle(400)), math.pi, 2 * math.pi),
    "own": Known(Diamond(), 2.0, 4 * math.sqrt(2)),
    "own, cut": Known(Diamond() - Disc(radius=0.5), 2.0 - math.pi / 4, 4 * math.sqrt(2) + math.pi),
    "far and thin": Known(
        Disc((1e3, 0.0), 1e-2) | Box.of({"x": (1e3, 1e3 + 2e-2), "y": (-1e-2, 1e-2)}),
        1e-4 * math.pi / 2 + 4e-4,
        1e-2 * math.pi + 6e-2,
    ),
}
