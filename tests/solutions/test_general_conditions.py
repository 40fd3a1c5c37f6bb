"""Conditions that take coordinates, normals, partners and coefficients, in every engine."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning.data import CollocationBatch, CollocationDataModule
from laaf_lightning.derivatives import AutogradField, Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE, Condition, Disc, Neumann, Pair, Part, Points, Robin
from laaf_lightning.solutions.compiled_calls import Compiled
from laaf_lightning.solutions.cuda_graphs import CudaGraphs, Work
from laaf_lightning.solutions.loss_terms import mean_squares
from laaf_lightning.solutions.recorded_terms import recorded_terms
from laaf_lightning.solutions.terms.parts import HowToCompute
from tests.solutions.equations import assert_same, pinn_of

Columns = Mapping[str, Tensor]
HOLE = Disc(radius=0.5)
RING = Disc() - HOLE


def radiation(x: Columns, u: Field, normal: Columns, emissivity: Tensor) -> Tensor:
    return normal["x"] * u.d("x") + normal["y"] * u.d("y") + emissivity * u**2 - x["x"]


def two_at_once(x: Columns, u: Field) -> Tensor:
    return torch.cat([u - x["y"], u.d("x", "y")], dim=1)


def turned(points: Tensor) -> Tensor:
    return -points


def like_its_partner(x: Columns, u: Field, x_partner: Columns, u_partner: Field, normal: Columns) -> Tensor:
    return u - u_partner * (1 + x_partner["x"]) + normal["y"] * u_partner.d("y")


def upper(points: Tensor) -> Tensor:
    return points[:, 1] > 0


class Plate(PDE):
    """Δu = c on a ring."""

    geometry = RING

    def residual(self, x: Columns, u: Field, source: Tensor) -> Tensor:
        return u.d("x", "x") + u.d("y", "y") - source

    def conditions(self) -> Sequence[Condition]:
        return (
            Condition("rim", Disc(), radiation),
            Neumann("hole", Part(HOLE, upper), lambda p: p[:, :1]),
            Condition("both", upper, two_at_once),
            Condition("turned", Pair("boundary", turned), like_its_partner),
            Robin("probe", Points([[0.6, 0.0], [0.0, 0.7]], [[2.0, 0.0], [3.0, 4.0]]), 1.0, of_value=2.0),
        )

    def coefficients(self) -> Mapping[str, float]:
        return {"source": 1.0, "emissivity": 0.5}


def batch_of(world: int = 1, rank: int = 0) -> CollocationBatch:
    data = CollocationDataModule(Plate(), 12, 4, seed=1)
    data.trainer = SimpleNamespace(precision="64-true", world_size=world, global_rank=rank)  # type: ignore[assignment]
    return data.train_dataloader().batch


def expected_terms(forward: Callable[[Tensor], Tensor], batch: CollocationBatch) -> dict[str, Tensor]:
    """The conditions' terms, written out, by nested autograd."""
    sizes = [*batch.condition_counts.values()]
    total, squares = sum(sizes), {}
    points, partners = batch.condition_points[:total].split(sizes), batch.condition_points[total:]
    assert batch.condition_normals is not None
    normals = dict(zip(batch.condition_counts, batch.condition_normals.split(sizes), strict=True))
    x = dict(zip(batch.condition_counts, points, strict=True))
    u = {name: AutogradField(forward, each, ("x", "y")) for name, each in x.items()}
    across = {name: normals[name][:, :1] * each.d("x") + normals[name][:, 1:] * each.d("y") for name, each in u.items()}
    v = AutogradField(forward, partners, ("x", "y"))
    squares["rim"] = across["rim"] + 0.5 * u["rim"].value ** 2 - x["rim"][:, :1]
    squares["hole"] = across["hole"] - x["hole"][:, :1]
    squares["both"] = torch.cat([u["both"].value - x["both"][:, 1:], u["both"].d("x", "y")], dim=1)
    squares["turned"] = u["turned"].value - v.value * (1 + partners[:, :1]) + normals["turned"][:, 1:] * v.d("y")
    squares["probe"] = 2 * u["probe"].value + across["probe"] - 1
    return {name: each.square().sum() / total for name, each in squares.items()}


@pytest.mark.parametrize("chunk_size", [None, 5])
@pytest.mark.parametrize("engine", ["taylor", "autograd"])
def test_terms_are_the_mean_squares_of_what_shall_vanish(engine: Any, chunk_size: int | None) -> None:
    batch, model = batch_of(), pinn_of(Plate(), engine=engine, chunk_size=chunk_size)
    terms = model.solution.loss_terms(batch)
    assert list(terms) == ["residual", "rim", "hole", "both", "turned", "probe"]
    for name, term in expected_terms(model.forward, batch).items():
        assert_same(terms[name], term)
    assert_same(sum(list(terms.values())[1:]), model.loss_terms(batch)["data"])


def test_points_carry_their_outward_normals() -> None:
    batch = batch_of()
    assert batch.condition_normals is not None
    points = batch.condition_points[: len(batch.condition_values)]
    rim, hole = slice(0, 4), slice(4, 8)
    assert_same(batch.condition_normals[rim], points[rim])
    assert_same(batch.condition_normals[hole], -2 * points[hole])
    assert bool((points[hole][:, 1] > 0).all())
    assert_same(batch.condition_normals[-2:], torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64))
    assert_same(batch.condition_points[-4:], -points[12:16])


def test_shares_of_ranks_keep_points_partners_and_normals_together() -> None:
    model = pinn_of(Plate(), engine="taylor")
    alone = model.loss_terms(batch_of())
    shares = [model.loss_terms(batch_of(2, rank)) for rank in range(2)]
    for name, term in alone.items():
        assert_same(sum(share[name] for share in shares) / 2, term)


@pytest.mark.parametrize("engine", ["taylor", "autograd"])
def test_coefficients_that_stand_in_a_condition_alone_are_trained(engine: Any) -> None:
    model = pinn_of(Plate(), engine=engine)
    model.loss(batch_of()).backward()
    for name in ("source", "emissivity"):
        gradient = model.coefficients[name].grad
        assert gradient is not None
        assert gradient.abs() > 1e-3
    assert set(model.solution.coefficient_values()) == {"source", "emissivity"}


def test_a_recording_reads_the_normals_of_its_batch(recordings: list[Work]) -> None:
    solution, graphs, batch = pinn_of(Plate(), engine="taylor").solution, CudaGraphs(), batch_of()
    assert batch.condition_normals is not None
    for normals in (batch.condition_normals, -batch.condition_normals):
        again, how = batch._replace(condition_normals=normals), HowToCompute(Compiled(), by_name=True)
        expected = mean_squares(solution._parts, again, None, None, how)
        found = recorded_terms(solution._parts, solution.network, graphs, again, (None, None), how)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    assert len(recordings) == 1


def test_the_best_constant_meets_the_same_conditions() -> None:
    model, batch = pinn_of(Plate()), batch_of()
    found = model.constant_network_loss(batch)
    assert found is not None
    constants = torch.linspace(-1.0, 1.0, 2001, dtype=torch.float64)
    total = len(batch.condition_values)
    x = batch.condition_points

    def loss(c: Tensor) -> Tensor:
        rows = [
            0.5 * c**2 - x[:4, 0],
            0 - x[4:8, 0],
            c - x[8:12, 1],
            c - c * (1 - x[12:16, 0]),
            (2 * c - 1).expand(2),
        ]
        return 1 + torch.cat([row.expand(4) if row.ndim == 0 else row for row in rows]).square().sum() / total

    assert found.item() == pytest.approx(min(loss(c).item() for c in constants), rel=1e-5)


def test_a_batch_without_normals_is_refused_where_they_are_needed() -> None:
    batch = batch_of()._replace(condition_normals=None)
    with pytest.raises(ConfigurationError, match=r"^the operator of the condition 'rim' takes normals, and the batch"):
        pinn_of(Plate()).loss(batch)


def test_copies_of_a_model_compute_the_same() -> None:
    model, batch = pinn_of(Plate(), engine="taylor"), batch_of()
    assert_same(copy.deepcopy(model).loss(batch), model.loss(batch))
    assert_same(pickle.loads(pickle.dumps(batch))[:3], batch[:3])


@pytest.mark.slow
def test_compiled_terms_are_those_of_before() -> None:
    batch = batch_of()
    plain, compiled = (pinn_of(Plate(), engine="taylor", compile=compile) for compile in (False, True))
    terms = plain.solution.loss_terms(batch)
    for name, term in compiled.solution.loss_terms(batch).items():
        torch.testing.assert_close(term, terms[name], rtol=1e-8, atol=1e-8)
