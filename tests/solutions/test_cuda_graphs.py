from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning.data import CollocationBatch
from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import PDE, Burgers
from laaf_lightning.solutions.compiled_calls import Compiled
from laaf_lightning.solutions.cuda_graphs import CudaGraphs, Work
from laaf_lightning.solutions.loss_terms import mean_squares
from laaf_lightning.solutions.recorded_terms import recorded_terms
from laaf_lightning.solutions.terms.parts import HowToCompute
from tests.modules.small import burgers_data, small_pinn
from tests.solutions.equations import EQUATIONS, assert_same, loss_and_gradients, pinn_of, points_of
from tests.trainers import quiet_trainer

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def computed(
    model: PINN, batch: CollocationBatch, graphs: CudaGraphs | None = None, chunk_size: int | None = None
) -> tuple[Tensor, ...]:
    """Return the terms, recorded or not."""
    solution, how = model.solution, HowToCompute(Compiled(), chunk_size)
    at_conditions = solution.known_factors(batch.condition_points) if len(batch.condition_values) else None
    factors = solution.known_factors(batch.residual_points), at_conditions
    if graphs is None:
        return mean_squares(solution._parts, batch, *factors, how)
    return recorded_terms(solution._parts, solution.network, graphs, batch, factors, how)


def terms(
    model: PINN, batch: CollocationBatch, graphs: CudaGraphs | None = None, chunk_size: int | None = None
) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
    """Return each term that depends on parameters, with its gradients by them."""
    values = computed(model, batch, graphs, chunk_size)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    settings: dict[str, Any] = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
    return [(value, torch.autograd.grad(value, parameters, **settings)) for value in values if value.requires_grad]


@pytest.mark.parametrize("chunk_size", [None, 5])
@pytest.mark.parametrize("engine", ["taylor", "autograd"])
@pytest.mark.parametrize("name", EQUATIONS)
def test_recorded_terms_and_their_gradients_equal_new_ones(
    name: str, engine: Any, chunk_size: int | None, recordings: list[Work]
) -> None:
    problem = EQUATIONS[name]
    model, batch, graphs = pinn_of(problem, engine=engine), points_of(problem), CudaGraphs()
    others = batch._replace(residual_points=batch.residual_points * 0.9, condition_values=batch.condition_values + 1)
    for given in (batch, others, batch):
        expected = terms(model, given)
        assert_same(terms(model, given, graphs, chunk_size), expected)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.01)
    assert len(recordings) == 1


def test_points_changed_in_place_are_seen(recordings: list[Work]) -> None:
    model, batch, graphs = pinn_of(Burgers()), points_of(Burgers()), CudaGraphs()
    terms(model, batch, graphs)
    batch.residual_points.mul_(0.5)
    assert_same(terms(model, batch, graphs), terms(model, batch))
    assert len(recordings) == 1


def test_terms_of_an_earlier_call_keep_their_values_and_gradients(recordings: list[Work]) -> None:
    model, batch, graphs = pinn_of(Burgers()), points_of(Burgers()), CudaGraphs()
    expected = terms(model, batch)
    first = computed(model, batch, graphs)
    other = batch._replace(residual_points=batch.residual_points / 2)
    computed(model, other, graphs)
    for value, (number, gradients) in zip(first, expected, strict=True):
        assert_same(value, number)
        assert_same(torch.autograd.grad(value, list(model.parameters()), retain_graph=True), gradients)


def test_what_a_recording_depends_on_makes_a_new_one(recordings: list[Work]) -> None:
    model, batch, graphs = pinn_of(Burgers()), points_of(Burgers()), CudaGraphs()
    fewer = batch._replace(residual_points=batch.residual_points[:4])

    def frozen() -> CollocationBatch:
        next(model.network.parameters()).requires_grad_(False)
        return batch

    def elsewhere() -> CollocationBatch:
        last = list(model.network.parameters())[-1]
        last.data = last.data.clone()
        return batch

    def frozen_elsewhere() -> CollocationBatch:
        first = next(model.network.parameters())
        first.data = 2 * first.data
        return batch

    for count, prepare in enumerate((lambda: batch, lambda: fewer, frozen, elsewhere, frozen_elsewhere), start=1):
        given = prepare()
        assert_same(terms(model, given, graphs), terms(model, given))
        assert len(recordings) == count


def test_a_problem_without_conditions_has_one_term(recordings: list[Work]) -> None:
    batch = points_of(Burgers())
    empty = CollocationBatch(batch.residual_points, batch.residual_points[:0], batch.condition_values[:0])
    model = pinn_of(Burgers())
    (residual,) = computed(model, empty, CudaGraphs())
    assert_same(residual, terms(model, empty)[0][0])
    assert model.loss_terms(empty)["data"] == 0


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_have_recordings_of_their_own(copied: Callable[[PINN], PINN], recordings: list[Work]) -> None:
    model, batch = pinn_of(Burgers()), points_of(Burgers())
    terms(model, batch, model.solution._graphs)
    twin = copied(model)
    assert_same(terms(twin, batch, twin.solution._graphs), terms(model, batch))
    assert len(recordings) == 2


def test_without_a_gpu_nothing_is_recorded(recordings: list[Work]) -> None:
    batch = points_of(Burgers())
    assert_same(
        loss_and_gradients(pinn_of(Burgers(), cuda_graphs=True), batch), loss_and_gradients(pinn_of(Burgers()), batch)
    )
    assert not recordings


@pytest.mark.parametrize(
    ("device", "graphs", "end"),
    [
        ("cuda", False, " by Taylor mode. --model.cuda_graphs true is faster for a small network; see PINN's docum"),
        ("cuda", True, " by Taylor mode, as a CUDA graph."),
        ("cpu", True, " by Taylor mode."),
    ],
)
def test_the_first_line_of_a_run_says_whether_there_is_a_recording(
    device: str, graphs: bool, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = PINN(Burgers(), width=4, depth=1, engine="taylor", cuda_graphs=graphs)
    monkeypatch.setattr(PINN, "device", torch.device(device))
    line = model._how_derivatives_are_computed()
    assert line.startswith("PINN: u, u_x, ")
    assert end in line
    assert line.endswith("documentation." if device == "cuda" and not graphs else end)


def to_gpu(batch: CollocationBatch) -> CollocationBatch:
    points, at, values = (part.cuda() for part in batch[:3])
    return CollocationBatch(points, at, values, batch.condition_counts)


@on_gpu
@pytest.mark.parametrize("engine", ["taylor", "autograd"])
@pytest.mark.parametrize("name", EQUATIONS)
def test_a_replay_on_a_gpu_equals_the_cpu(name: str, engine: Any) -> None:
    problem: PDE = EQUATIONS[name]
    batch = points_of(problem)
    oracle, model = pinn_of(problem, engine=engine), pinn_of(problem, engine=engine, cuda_graphs=True).cuda()
    for _ in range(3):
        found = loss_and_gradients(model, to_gpu(batch))
        assert_same({name: value.cpu() for name, value in found.items()}, loss_and_gradients(oracle, batch))
        with torch.no_grad():
            for mine, theirs in zip(model.parameters(), oracle.parameters(), strict=True):
                theirs.mul_(1.1)
                mine.copy_(theirs)


@on_gpu
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of torch's own generated code
@pytest.mark.parametrize("compile", [False, True])
def test_training_on_a_gpu_with_recordings_ends_where_it_ends_without(compile: bool, tmp_path: Path) -> None:
    def fit(graphs: bool) -> Mapping[str, Tensor]:
        model = small_pinn(scope="neuron", compile=compile and graphs, cuda_graphs=graphs)
        trainer = quiet_trainer(max_steps=30, limit_val_batches=0, precision="64-true", accelerator="gpu")
        trainer.fit(model, datamodule=burgers_data())
        return model.state_dict()

    torch.testing.assert_close(fit(graphs=True), fit(graphs=False), rtol=1e-8, atol=1e-9)


@on_gpu
def test_a_residual_that_reads_a_value_back_is_an_error_that_says_so() -> None:
    class Reads(Burgers):
        def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
            if u.value.sum().item() == float("inf"):
                raise AssertionError
            return super().residual(x, u)

    model = pinn_of(Reads(), engine="taylor", cuda_graphs=True).cuda()
    with pytest.raises(ConfigurationError, match=r"cuda_graphs=True does not serve here, as the loss cannot be rec"):
        model.loss(to_gpu(points_of(Burgers())))
    torch.cuda.synchronize()
