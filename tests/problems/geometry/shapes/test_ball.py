from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
import torch

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Ball, Disc, Geometry
from laaf_lightning.problems.geometry.shapes.ball import directions, in_unit_ball


@pytest.mark.parametrize("dimension", [1, 2, 3, 6])
def test_radius_is_distributed_as_the_volume(dimension: int) -> None:
    unit = torch.rand(20_000, dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    radius = in_unit_ball(unit).norm(dim=1).sort().values
    volume = (torch.arange(20_000) + 0.5) / 20_000
    assert (radius**dimension - volume).abs().max() < 1.63 / math.sqrt(20_000)  # Kolmogorov, at 1 %


def test_the_edge_and_the_middle_of_the_cube_are_mapped_too() -> None:
    unit = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [1.0, 0.5, 0.0]], dtype=torch.float64)
    assert in_unit_ball(unit).norm(dim=1).tolist() == pytest.approx([1.0, 0.0, 1.0])
    torch.testing.assert_close(directions(unit).norm(dim=1), torch.ones(3).double())


def test_disc_is_sampled_along_its_rim_by_the_angle() -> None:
    boundary = Disc((1.0, 2.0), 3.0).sample_boundary(64, "latin_hypercube", seed=0)
    from_center = boundary.points - torch.tensor([1.0, 2.0])
    turns = torch.atan2(from_center[:, 1], from_center[:, 0]) / (2 * math.pi) % 1
    assert (turns * 64).floor().sort().values.tolist() == list(range(64))
    torch.testing.assert_close(boundary.normals, from_center / 3)


def test_directions_are_uniform_on_the_sphere() -> None:
    normals = Ball().sample_boundary(9000, seed=1).normals
    for column in normals.T:  # Archimedes: each coordinate of a point on the sphere is uniform
        counts = torch.histc(column, 10, -1, 1)
        assert ((counts - 900) ** 2 / 900).sum() < 27.9  # χ² with 9 degrees of freedom, at 0.1 %


def test_one_coordinate_gives_an_interval() -> None:
    assert Ball((2.0,), 1.0, ("x",)).bounds == ((1.0, 3.0),)
    assert sorted(set(Ball((2.0,), 1.0, ("x",)).sample_boundary(20, seed=0).points[:, 0].tolist())) == [1.0, 3.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Disc(radius=0), "radius=0 of Disc must be a finite number > 0: the shape has no interior"),
        (lambda: Ball(radius=-1.0), "radius=-1.0 of Ball must be a finite number > 0: the shape has no interior"),
        (lambda: Disc(radius=math.nan), "radius=nan of Disc must be a finite number > 0"),
        (lambda: Disc((0.0, math.nan)), "center=(0.0, nan) of Disc must be 2 numbers, all of them finite"),
        (lambda: Disc((0.0, 0.0, 0.0)), "center=(0.0, 0.0, 0.0) of Disc must be 2 numbers"),  # type: ignore[arg-type]
        (lambda: Disc(coordinates=("x", "x")), "coordinates=('x', 'x') of Disc has a name twice: each needs another"),
        (
            lambda: Ball((0.0, 0.0)),
            "coordinates=('x', 'y', 'z') of Ball must be 2 names, one for each column",
        ),
        (lambda: Disc(coordinates="xy"), "coordinates='xy' of Disc must be a tuple of names"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_ball_has_a_sentence(make: Callable[[], Geometry], message: str) -> None:
    with pytest.raises(ConfigurationError, match="^" + re.escape(message)):
        make()
