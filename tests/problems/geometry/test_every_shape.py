from __future__ import annotations

import copy
import itertools
import pickle
from typing import Any, get_args

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Disc, Geometry, Polygon
from laaf_lightning.problems.geometry import Sampler, near_or_inside, sample_unit_cube
from tests.problems.geometry.every_shape import L_CORNERS, SHAPES, SQUARE, Known

SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)
every_shape = pytest.mark.parametrize("known", [pytest.param(known, id=name) for name, known in SHAPES.items()])
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS)


@every_shape
@every_sampler
def test_interior_points_are_inside_and_those_of_the_seed(known: Known, sampler: Sampler) -> None:
    points = known.shape.sample_interior(300, sampler, seed=7)
    assert points.shape == (300, len(known.shape.coordinates))
    assert points.dtype == torch.float64
    assert known.shape.contains(points).all()
    assert torch.equal(known.shape.sample_interior(300, sampler, seed=7), points)
    assert not torch.equal(known.shape.sample_interior(300, sampler, seed=8), points)
    assert len(known.shape.sample_interior(0, sampler)) == 0


@every_shape
@every_sampler
def test_boundary_points_lie_on_the_boundary_with_unit_normals(known: Known, sampler: Sampler) -> None:
    shape = known.shape
    boundary = shape.sample_boundary(300, sampler, seed=7)
    assert boundary.points.shape == boundary.normals.shape == (300, len(shape.coordinates))
    assert near_or_inside(shape, boundary.points).all()
    assert shape.depth(boundary.points).abs().max() < 1e-5  # 1e-11 but where two parts nearly touch
    torch.testing.assert_close(boundary.normals.norm(dim=1), torch.ones(300).double(), rtol=1e-14, atol=0)
    again = shape.sample_boundary(300, sampler, seed=7)
    assert torch.equal(again.points, boundary.points)
    assert torch.equal(again.normals, boundary.normals)


@every_shape
def test_normals_point_outwards(known: Known) -> None:
    shape = known.shape
    boundary = shape.sample_boundary(2000, seed=1)
    step = 2e-4 * shape.widths.min() * boundary.normals
    outside, inside = ~shape.contains(boundary.points + step), shape.contains(boundary.points - step)
    # But for a corner here and there, from which a step leads along another edge.
    assert outside.double().mean() > 0.995
    assert inside.double().mean() > 0.995


@every_shape
def test_volume_is_the_share_of_the_bounding_box(known: Known) -> None:
    dimension = len(known.shape.coordinates)
    ends = torch.tensor(known.shape.bounds, dtype=torch.float64)
    points = ends[:, 0] + (ends[:, 1] - ends[:, 0]) * sample_unit_cube("sobol", 2**15, dimension, 0)
    share = known.shape.contains(points).double().mean().item()
    assert share * known.shape.widths.prod().item() == pytest.approx(known.volume, rel=6e-3)


@every_shape
def test_area_is_the_share_of_what_is_proposed(known: Known) -> None:
    proposal = known.shape.propose_boundary(sample_unit_cube("sobol", 2**14, len(known.shape.coordinates), 0))
    share = proposal.keep.double().mean().item()
    assert share * known.shape.proposed_area == pytest.approx(known.area, rel=5e-3)


def cells(points: Tensor, shape: Geometry, parts: int) -> Tensor:
    ends = torch.tensor(shape.bounds, dtype=torch.float64)
    scaled = ((points - ends[:, 0]) / shape.widths * parts).floor().clamp(0, parts - 1).long()
    weights = parts ** torch.arange(points.shape[1])
    return (scaled * weights).sum(dim=1)


@every_shape
def test_interior_points_are_uniform_by_volume(known: Known) -> None:
    """Against a fine uniform sample of the bounding box, of which what is inside is counted."""
    shape, dimension = known.shape, len(known.shape.coordinates)
    parts = {1: 12, 2: 5, 3: 3, 5: 2}[dimension]
    ends = torch.tensor(shape.bounds, dtype=torch.float64)
    many = ends[:, 0] + shape.widths * sample_unit_cube("sobol", 2**17, dimension, 3)
    expected = torch.bincount(cells(many[shape.contains(many)], shape, parts), minlength=parts**dimension)
    counted = torch.bincount(cells(shape.sample_interior(4000, seed=5), shape, parts), minlength=parts**dimension)
    many_enough = expected > 0.002 * expected.sum()
    observed, share = counted[many_enough].double(), expected[many_enough].double()
    assert chisquare(observed, share / share.sum() * observed.sum()).pvalue > 1e-3


@pytest.mark.parametrize("name", ["polygon", "difference", "union"])
@every_sampler
def test_boundary_of_an_l_is_the_same_and_uniform_however_it_is_made(name: str, sampler: Sampler) -> None:
    boundary = SHAPES[name].shape.sample_boundary(4000, sampler, seed=2)
    corners = torch.tensor([*L_CORNERS, L_CORNERS[0]], dtype=torch.float64)
    counts = []
    for start, end in itertools.pairwise(corners):
        along = (end - start) / (end - start).norm()
        offset = boundary.points - start
        arc, across = offset @ along, offset @ torch.stack([along[1], -along[0]])
        length = (end - start).norm().item()
        on_edge = (across.abs() < 1e-12) & (arc >= 0) & (arc < length)
        torch.testing.assert_close(
            boundary.normals[on_edge], torch.stack([along[1], -along[0]]).expand(int(on_edge.sum()), 2)
        )
        counts += np.histogram(arc[on_edge].numpy(), bins=int(4 * length), range=(0, length))[0].tolist()
    assert sum(counts) == 4000
    assert len(counts) == 32
    assert chisquare(counts).pvalue > 1e-3


@every_shape
def test_grid_has_the_points_of_the_axes_that_are_inside_in_their_order(known: Known) -> None:
    shape = known.shape
    axes = shape.axes(9)
    mesh = np.stack(np.meshgrid(*(axes[name].numpy() for name in shape.coordinates), indexing="ij"), axis=-1)
    every = torch.from_numpy(mesh.reshape(-1, len(shape.coordinates)))
    assert torch.equal(shape.grid(axes), every[shape.contains(every)])
    assert 0 < len(shape.grid(axes)) <= len(every)
    ends = torch.stack([torch.stack([axes[name][0], axes[name][-1]]) for name in shape.coordinates])
    torch.testing.assert_close(ends, torch.tensor(shape.bounds, dtype=torch.float64))


@every_shape
def test_nan_is_outside_and_probes_are_inside(known: Known) -> None:
    shape = known.shape
    assert not shape.contains(torch.full((2, len(shape.coordinates)), torch.nan)).any()
    assert shape.contains(shape.probes(5, margin=0.1)).all()
    assert torch.equal(shape.probes(5), shape.probes(5))


@every_shape
def test_shapes_are_values(known: Known) -> None:
    for again in (copy.deepcopy(known.shape), pickle.loads(pickle.dumps(known.shape))):
        assert again == known.shape
        assert hash(again) == hash(known.shape)
    assert known.shape != Disc((9.0, 9.0))


@every_shape
def test_float32_points_of_the_boundary_still_count(known: Known) -> None:
    points = known.shape.sample_boundary(200, seed=3).points
    middle = torch.tensor(known.shape.bounds, dtype=torch.float64).mean(dim=1)
    if middle.abs().max() < 10 * known.shape.widths.min():  # else float32 does not know the shape
        assert near_or_inside(known.shape, points.float()).all()


@pytest.mark.parametrize("name", sorted(set(SHAPES) - {"own", "own, cut", "interval", "two intervals"}))
def test_points_of_another_shape_are_refused_and_arrays_are_taken(name: str) -> None:
    shape: Any = SHAPES[name].shape
    dimension = len(shape.coordinates)
    with pytest.raises(ConfigurationError, match=rf"have shape \(3, 9\): they must be \(N, {dimension}\), columns"):
        shape.contains(torch.zeros(3, 9))
    assert shape.contains(np.zeros((3, dimension))).shape == (3,)


def test_seams_that_nothing_is_left_of_do_not_count() -> None:
    seam = torch.tensor([[1.0, 0.5], [0.5, 1.0], [1.0, 1.0], [0.0, 0.5], [1.0, 0.0], [0.0, 0.0]])
    assert SHAPES["difference"].shape.contains(seam).tolist() == [False, False, False, True, True, True]
    assert torch.equal(
        SHAPES["difference"].shape.grid(SQUARE.axes(11)),
        Polygon(L_CORNERS).grid(SQUARE.axes(11)),
    )
