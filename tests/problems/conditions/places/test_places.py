"""Where conditions hold: which points are drawn, and with which normals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Box, Condition, Dirichlet, Disc, Geometry, OverTime, Pair, Part, PointData, Points
from laaf_lightning.problems.conditions import Drawn

SQUARE = Box.of({"x": (-1.0, 1.0), "y": (-1.0, 1.0)})
HOLE = Disc((0.2, 0.0), 0.3)
HOLED = SQUARE - HOLE
L_SHAPE = SQUARE - Box.of({"x": (0.0, 1.0), "y": (0.0, 1.0)})
CYLINDER = OverTime(Disc() - Disc(radius=0.5), (0.0, 2.0))


def nothing(x: Any, u: Any) -> Any:
    return u


def drawn(where: Any, geometry: Geometry, count: int = 400, sampler: Any = "uniform", seed: int = 0) -> Drawn:
    return Condition("c", where, nothing).draw(geometry, count, sampler, seed)


def normals_of(place: Drawn) -> Tensor:
    assert place.normals is not None
    return place.normals


@pytest.mark.parametrize("sampler", ["uniform", "latin_hypercube", "sobol"])
@pytest.mark.parametrize(
    "where", [("x", -1.0), "boundary", "inside", HOLE, lambda p: p[:, 0] < 0, Part("inside", lambda p: p[:, 0] < 0)]
)
def test_draws_are_seeded_in_the_domain_and_as_many_as_asked_for(where: Any, sampler: Any) -> None:
    one, again, other = (drawn(where, HOLED, 50, sampler, seed) for seed in (3, 3, 4))
    assert one.points.shape == (50, 2)
    assert torch.equal(one.points, again.points)
    assert not torch.equal(one.points, other.points)
    assert bool(HOLED.contains(one.points).all())


def test_points_on_a_face_are_those_of_the_inside_moved() -> None:
    place = drawn(("y", 1.0), SQUARE, 20, "sobol", 5)
    inside = SQUARE.sample_interior(20, "sobol", 5)
    assert torch.equal(place.points, torch.stack([inside[:, 0], torch.ones(20, dtype=torch.float64)], dim=1))
    assert normals_of(place).tolist() == [[0.0, 1.0]] * 20
    assert drawn(("y", 0.5), SQUARE).normals is None


def test_a_hole_is_drawn_alone_with_normals_out_of_the_domain() -> None:
    place = drawn(HOLE, HOLED)
    spokes = place.points - torch.tensor([0.2, 0.0])
    torch.testing.assert_close(spokes.norm(dim=1), torch.full((400,), 0.3, dtype=torch.float64))
    torch.testing.assert_close(normals_of(place), -spokes / 0.3)


def test_an_interface_inside_has_the_normals_of_its_shape() -> None:
    place = drawn(HOLE, SQUARE)
    torch.testing.assert_close(normals_of(place), (place.points - torch.tensor([0.2, 0.0])) / 0.3)


def test_of_a_shape_that_reaches_out_the_part_in_the_domain_is_drawn() -> None:
    place = drawn(Disc((1.0, 0.0), 0.5), SQUARE)
    assert bool((place.points[:, 0] <= 1 + 1e-9).all())
    angle = torch.atan2(place.points[:, 1], place.points[:, 0] - 1).abs()
    assert bool((angle >= math.pi / 2 - 1e-9).all())


def test_a_mask_keeps_the_boundary_uniform_by_length() -> None:
    """The left and the lower edge of the L, both of length 2."""
    place = drawn(lambda p: (p[:, 0] == -1) | (p[:, 1] == -1), L_SHAPE, 4000)
    left = place.points[:, 0] == -1
    assert int(left.sum()) == pytest.approx(2000, abs=4 * math.sqrt(1000))
    quarters = torch.histc(place.points[left][:, 1], 4, -1, 1)
    assert bool(((quarters - left.sum() / 4).abs() < 4 * math.sqrt(500)).all())
    assert normals_of(place)[left].unique(dim=0).tolist() == [[-1.0, 0.0]]


def test_the_boundary_of_a_product_with_time_is_that_of_space_and_shapes_are_meant_at_all_times() -> None:
    for where, radius, sign in ((Disc(radius=0.5), 0.5, -1.0), (Disc(), 1.0, 1.0)):
        place = drawn(where, CYLINDER)
        space, times = place.points[:, :2], place.points[:, 2]
        torch.testing.assert_close(space.norm(dim=1), torch.full((400,), radius, dtype=torch.float64))
        torch.testing.assert_close(normals_of(place)[:, :2], sign * space / radius)
        assert not normals_of(place)[:, 2].any()
        assert times.min() < 0.1
        assert times.max() > 1.9
    rims = drawn("boundary", CYLINDER).points[:, :2].norm(dim=1)
    assert bool(((rims - 0.5).abs() < 1e-9).logical_or((rims - 1).abs() < 1e-9).all())


def test_parts_of_faces_are_drawn_by_rejection() -> None:
    place = drawn(Part(("x", -1.0), lambda p: p[:, 1].abs() < 0.25), SQUARE)
    assert bool((place.points[:, 0] == -1).all())
    assert bool((place.points[:, 1].abs() < 0.25).all())
    assert normals_of(place).unique(dim=0).tolist() == [[-1.0, 0.0]]


@pytest.mark.parametrize("given", [[[0.5, 0.0], [0.0, 0.5]], np.array([[0.5, 0], [0, 0.5]]), torch.eye(2) / 2])
def test_points_of_ones_own_are_all_taken(given: Any) -> None:
    place = drawn(given, SQUARE, 7)
    assert place.points.tolist() == [[0.5, 0.0], [0.0, 0.5]]
    assert (place.points.dtype, place.normals) == (torch.float64, None)
    assert Condition("c", given, nothing).size(SQUARE) == 2


def test_points_in_one_coordinate_may_be_flat() -> None:
    line = Box.of({"x": (0.0, 1.0)})
    assert drawn([0.25, 0.5, 0.75], line).points.tolist() == [[0.25], [0.5], [0.75]]
    assert drawn(np.array([0.25, 0.5]), SQUARE).points.tolist() == [[0.25, 0.5]]


def test_normals_of_given_points_become_unit_vectors_and_a_mask_selects_both() -> None:
    rim = Points([[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 5.0]])
    assert normals_of(drawn(rim, SQUARE)).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    part = Part(rim, lambda p: p[:, 0] > 0.5)
    assert normals_of(drawn(part, SQUARE)).tolist() == [[1.0, 0.0]]
    assert Condition("c", part, nothing).size(SQUARE) == 1
    boundary = Disc().sample_boundary(5)
    torch.testing.assert_close(normals_of(drawn(boundary, SQUARE)), boundary.normals)


def test_pairs_go_by_a_face_a_map_or_row_by_row() -> None:
    by_face = drawn(Pair(("x", -1.0), ("x", 1.0)), SQUARE, 5)
    assert by_face.partners is not None
    assert by_face.partners[:, 0].tolist() == [1.0] * 5
    assert torch.equal(by_face.partners[:, 1], by_face.points[:, 1])
    assert normals_of(by_face).tolist() == [[-1.0, 0.0]] * 5
    by_map = drawn(Pair(Part(("x", -1.0), lambda p: p[:, 1] > 0), lambda p: -p), SQUARE, 5)
    assert torch.equal(by_map.partners, -by_map.points)  # type: ignore[arg-type]
    by_rows = drawn(Pair([[0.5, 0.0]], [[0.0, 0.5]]), SQUARE)
    assert by_rows.partners is not None
    assert by_rows.partners.tolist() == [[0.0, 0.5]]


def write(folder: Path) -> dict[str, Path]:
    points, normals = np.array([[0.5, 0.25]]), np.array([[0.0, 2.0]])
    files = {name: folder / name for name in ("a.npy", "b.npy", "c.npz", "d.npz", "e.csv", "f.csv", "g.txt", "h.CSV")}
    np.save(files["a.npy"], points)
    np.save(files["b.npy"], np.concatenate([points, normals], axis=1))
    np.savez(files["c.npz"], points=points, normals=normals)
    np.savez(files["d.npz"], y=points[:, 1], x=points[:, 0])
    files["e.csv"].write_text("0.5,0.25\n")
    files["f.csv"].write_text("y,u,x,normal_x,normal_y\n0.25,7,0.5,0,2\n")
    files["g.txt"].write_text("# x y\n0.5 0.25\n")
    files["h.CSV"].write_text('"x","y"\n0.5,0.25\n\n')
    return files


def test_points_may_come_from_files(tmp_path: Path) -> None:
    for name, file in write(tmp_path).items():
        for given in (file, str(file)):
            place = drawn(given, SQUARE)
            assert place.points.tolist() == [[0.5, 0.25]], name
            with_normals = name in {"b.npy", "c.npz", "f.csv"}
            assert (None if place.normals is None else place.normals.tolist()) == ([[0, 1]] if with_normals else None)
    data = PointData("measured", tmp_path / "f.csv", [3.0])
    assert data.draw(SQUARE, 1).points.tolist() == [[0.5, 0.25]]
    assert data.prescribed(data.draw(SQUARE, 1).points).tolist() == [[3.0]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, "^the file of points '.*gone.csv' does not exist$"),
        ("few.csv", "1\n2\n", "has 1 columns: expected 2, for x, y, or 4 with normals$"),
        ("three.txt", "1 2 3\n", "has 3 columns: expected 2, for x, y, or 4 with normals$"),
        ("names.csv", "x,z\n1,2\n", "has the columns x, z, and lacks y$"),
        ("ragged.csv", "1,2\n3\n", "holds no table of numbers: its rows have 1 and 2 columns$"),
        ("words.csv", "x,y\n1,one\n", "holds no table of numbers: could not convert"),
        ("empty.csv", "", "holds no table of numbers: it is empty$"),
        ("broken.npy", "x", "holds no table of numbers: it is no file of plain arrays"),
        ("broken.npz", "x", "holds no table of numbers: it is no file of plain arrays"),
    ],
)
def test_files_that_hold_something_else_are_refused(
    tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigurationError, match=message) as raised:
        drawn(str(tmp_path / name), SQUARE)
    assert name in str(raised.value)


@pytest.mark.parametrize(
    "where", [3, "bound", ("x",), ("x", "1"), {"x": 0.0}, torch.nn.Tanh, (0.5, 0.5), [], ["x", "y"]]
)
def test_what_is_no_place_is_refused(where: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^where=.* of the condition 'c' must be a place: 'boundary', .*0\.0\)$"
    ):
        Condition("c", where, nothing)


def test_a_class_of_shapes_is_no_place_but_its_instance_is() -> None:
    with pytest.raises(ConfigurationError, match=r"must be an instance, Disc\(…\), or a place"):
        Condition("c", Disc, nothing)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (Disc((5.0, 5.0)), "^the condition 'c' lies outside the domain: none of a million points"),
        (lambda p: p[:, 0] > 2, "^the condition 'c' has a mask that selects none of a million points of its place"),
        (Part([[0.5, 0.5]], lambda p: p[:, 0] > 2), "^the condition 'c' has a mask that selects none of its 1 points"),
        ([[0.5, 0.5, 0.5]], r"has points of shape \(1, 3\): expected \(M, 2\) for x, y"),
        (Points([[0.5, 0.5]], [[1.0]]), r"has normals of shape \(1, 1\) at points of shape \(1, 2\): give each point"),
        (
            Points([[0.5, 0.5]], [[0.0, 0.0]]),
            "normals of Points has a vector of length 0 in row 0, which points nowhere",
        ),
        (lambda p: p[:, 0], "^a mask gives shape .*float64 at .* points: it must give one truth value for each"),
        (lambda p: p[:5, 0] > 0, r"^a mask gives shape \(5,\), torch.bool at"),
        (lambda p: True, "^a mask gives a bool at"),
        (Pair(("x", -1.0), lambda p: p[:3]), r"has partners of shape \(3, 2\) for points of shape"),
    ],
)
def test_places_that_give_no_points_are_refused(where: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        drawn(where, SQUARE)


@pytest.mark.parametrize("mask", [3, None, torch.nn.Tanh, lambda p, on_boundary: p, lambda: True])
def test_what_is_no_mask_is_refused(mask: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^mask=.* must .*a function of the points \(N, d\) that gives truth v"
    ):
        Part("boundary", mask)


def test_what_cannot_be_paired_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^other=.* of a Pair must be a face"):
        Pair(("x", -1.0), "boundary")
    with pytest.raises(ConfigurationError, match=r"^other=.* of a Pair must be a face"):
        Pair(("x", -1.0), [[0.0, 0.0]])
    with pytest.raises(ConfigurationError, match="is paired already"):
        Pair(Pair(("x", -1.0), ("x", 1.0)), ("x", 1.0))
    with pytest.raises(ConfigurationError, match="pair the parts instead"):
        Part(Pair(("x", -1.0), ("x", 1.0)), lambda p: p[:, 0] > 0)


def test_measured_data_are_at_points_of_their_own() -> None:
    with pytest.raises(ConfigurationError, match=r"drawn anew: take Dirichlet\('d', where, value\)"):
        PointData("d", Disc(), [1.0])  # type: ignore[arg-type]
    assert Dirichlet("d", [[0.5, 0.5]], 1.0).size(SQUARE) == 1
