from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import Burgers
from laaf_lightning.solutions.compiled_calls import Compiled, can_trace_grad
from tests.modules.small import burgers_data, small_pinn
from tests.solutions.equations import EQUATIONS, assert_same, loss_and_gradients, pinn_of, points_of
from tests.trainers import quiet_trainer

# torch 2.14's inductor calls a function of its own by a deprecated name.
generates_code = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
traces_grad = pytest.mark.skipif(not can_trace_grad(), reason="this torch cannot trace torch.autograd.grad")
FUNCTIONS = {"taylor": 1, "autograd": 2}  # residual and misfit are one, or, where points are made leaves, two
engines = pytest.mark.parametrize("engine", ["taylor", pytest.param("autograd", marks=traces_grad)])


@pytest.fixture(autouse=True)
def _forget_compiled_code() -> Iterator[None]:
    yield
    torch.compiler.reset()


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Compile whole functions without generating code; count how often each compilation was run."""
    runs: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Callable[..., Any]:
        index = len(runs)
        runs.append(0)

        def run(*arguments: Any) -> Any:
            runs[index] += 1
            return graph.forward(*arguments)

        return run

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend, fullgraph=True))
    return runs


def _sum(module: object, points: Tensor) -> Tensor:
    return points.square().sum()


def _slope(module: object, points: Tensor) -> Tensor:
    return torch.autograd.grad(points.sin().sum(), points, create_graph=True)[0]


def test_without_compiling_a_function_is_called_as_it_is() -> None:
    arguments = object(), torch.rand(3)
    assert Compiled()(lambda *given: given, *arguments) == arguments


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("enabled", [False, True])
def test_copies_keep_what_was_asked_for(enabled: bool, copied: Callable[[Compiled], Compiled]) -> None:
    twin = copied(Compiled(enabled=enabled, differentiates=False))
    assert (twin.enabled, twin.differentiates) == (enabled, False)


def test_nested_autograd_is_refused_where_torch_cannot_trace_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laaf_lightning.solutions.compiled_calls.can_trace_grad", lambda: False)
    with pytest.raises(
        ConfigurationError, match=r"compile=True with nested autograd needs a torch .* \(2\.14; this is"
    ):
        PINN(Burgers(), compile=True, engine="autograd")
    PINN(Burgers(), compile=True, engine="taylor")
    PINN(Burgers(), engine="autograd")


@pytest.mark.slow
@pytest.mark.usefixtures("compilations")
@engines
@pytest.mark.parametrize("name", EQUATIONS)
def test_compiled_loss_equals_eager_without_a_graph_break(name: str, engine: Any) -> None:
    problem = EQUATIONS[name]
    batch = points_of(problem)
    expected = loss_and_gradients(pinn_of(problem, engine=engine), batch)
    model = pinn_of(problem, engine=engine, compile=True)
    for _ in range(2):
        assert_same(loss_and_gradients(model, batch), expected)


@pytest.mark.slow
@engines
@pytest.mark.parametrize("name", ["burgers", "burgers hard"])
def test_compiled_chunks_equal_eager(name: str, engine: Any, compilations: list[int]) -> None:
    problem = EQUATIONS[name]
    batch = points_of(problem)
    expected = loss_and_gradients(pinn_of(problem), batch)
    assert_same(loss_and_gradients(pinn_of(problem, engine=engine, compile=True, chunk_size=5), batch), expected)
    assert compilations


@pytest.mark.long
@pytest.mark.slow
@generates_code
@pytest.mark.parametrize(
    ("name", "engine"), [("inverse burgers", "taylor"), pytest.param("allen-cahn", "autograd", marks=traces_grad)]
)
def test_generated_code_equals_eager_and_follows_the_parameters(name: str, engine: Any) -> None:
    problem = EQUATIONS[name]
    batch = points_of(problem)
    eager, compiled = pinn_of(problem), pinn_of(problem, engine=engine, compile=True)
    for _ in range(2):
        assert_same(loss_and_gradients(compiled, batch), loss_and_gradients(eager, batch))
        for model in (eager, compiled):
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.mul_(1.1)


@pytest.mark.slow
def test_ten_models_in_one_process_all_stay_compiled(compilations: list[int]) -> None:
    models = [pinn_of(Burgers(0.1), compile=True, n=1.0 + k) for k in range(10)]
    batch = points_of(Burgers())
    steps = 3
    for _ in range(steps):
        for model in models:
            model.loss(batch)
    assert compilations == [steps] * 10


@pytest.mark.slow
@engines
def test_training_compiles_once_and_ends_where_eager_training_does(engine: Any, compilations: list[int]) -> None:
    def fit(compile: bool) -> dict[str, Tensor]:
        model = small_pinn(scope="neuron", engine=engine, compile=compile)
        quiet_trainer(max_steps=4, limit_val_batches=0, precision="64-true").fit(model, datamodule=burgers_data())
        return dict(model.state_dict())

    expected = fit(compile=False)
    assert compilations == []
    torch.testing.assert_close(fit(compile=True), expected, rtol=1e-9, atol=1e-10)
    assert compilations == [4] * FUNCTIONS[engine]


@pytest.mark.slow
@engines
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_a_copy_of_a_model_that_ran_compiles_and_trains_on_its_own(
    copied: Callable[[PINN], PINN], engine: Any, compilations: list[int]
) -> None:
    model, batch = pinn_of(Burgers(0.1), engine=engine, compile=True), points_of(Burgers())
    expected = loss_and_gradients(model, batch)
    twin = copied(model)
    assert_same(loss_and_gradients(twin, batch), expected)
    assert compilations == [1] * 2 * FUNCTIONS[engine]
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(1.5)
    changed = pinn_of(Burgers(0.1))
    changed.load_state_dict(twin.state_dict())
    assert_same(loss_and_gradients(twin, batch), loss_and_gradients(changed, batch))
    assert_same(loss_and_gradients(model, batch), expected)


@pytest.mark.slow
@generates_code
@traces_grad
def test_points_of_nested_autograd_are_made_leaves_and_left_as_they_were() -> None:
    points = torch.rand(4, 2, dtype=torch.float64)
    slope = Compiled(enabled=True, differentiates=True)(_slope, None, points)
    assert_same(slope, points.cos())
    assert not points.requires_grad
    assert_same(Compiled(enabled=True)(_sum, None, points), points.square().sum())
