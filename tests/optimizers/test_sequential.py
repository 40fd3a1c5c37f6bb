"""One optimiser after another, against the same optimisers run by hand."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import StepLR

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.optimizers.self_scaled_broyden import SelfScaledBroyden
from laaf_lightning.optimizers.sequential import SequentialOptimizer
from tests.optimizers.objectives import closure_of, parameter, rosenbrock

Factory = Callable[[Iterable[Any]], Optimizer]
ADAM: Factory = partial(Adam, lr=0.05)
LAST: dict[str, Factory] = {
    "LBFGS": partial(LBFGS, lr=0.1, max_iter=3),
    "SelfScaledBroyden": partial(SelfScaledBroyden, max_iter=3),
    "SGD": partial(SGD, lr=1e-4, momentum=0.9),
}
START = [-1.2, 1.0, 0.5]
HAND_OVER = 4
TOTAL = 8


class Job:
    """Rosenbrock's function of two parameters in two groups."""

    def __init__(self, last: Factory = LAST["LBFGS"]) -> None:
        self.x, self.y = parameter(START[:1]), parameter(START[1:])
        groups = [{"params": [self.x]}, {"params": [self.y], "weight_decay": 0.0}]
        self.optimizer = SequentialOptimizer(groups, [ADAM, last], steps=[HAND_OVER])

    def train(self, steps: int) -> list[float]:
        closure = closure_of(self.optimizer, self.objective)
        return [self.optimizer.step(closure).item() for _ in range(steps)]

    def objective(self) -> Tensor:
        return rosenbrock(torch.cat([self.x, self.y]))

    def values(self) -> list[float]:
        return torch.cat([self.x, self.y]).tolist()


@pytest.mark.parametrize("name", LAST)
def test_it_equals_the_optimisers_run_by_hand_one_after_the_other(name: str) -> None:
    job = Job(LAST[name])
    losses = job.train(TOTAL)
    x, y = parameter(START[:1]), parameter(START[1:])
    first, last = ADAM([x, y]), LAST[name]([x, y])
    expected = []
    for step in range(TOTAL):
        optimizer = first if step < HAND_OVER else last
        closure = closure_of(optimizer, lambda: rosenbrock(torch.cat([x, y])))
        expected.append(optimizer.step(closure).item())  # type: ignore[attr-defined, arg-type]
    assert losses == expected
    assert job.values() == torch.cat([x, y]).tolist()


def test_three_optimisers_take_over_after_their_own_numbers_of_steps() -> None:
    x = parameter(START)
    optimizer = SequentialOptimizer([x], [ADAM, LAST["SGD"], LAST["LBFGS"]], steps=[2, 3])
    closure = closure_of(optimizer, lambda: rosenbrock(x))
    seen = []
    for step in range(7):
        assert optimizer.steps_taken == step
        seen.append(type(optimizer.current).__name__)
        optimizer.step(closure)
    assert seen == ["Adam", "Adam", "SGD", "SGD", "SGD", "LBFGS", "LBFGS"]


def test_groups_reach_an_optimiser_that_has_groups_and_others_get_one_list() -> None:
    x, y = parameter(START), parameter([1.0])
    groups = [{"params": (p for p in [x])}, {"params": y, "weight_decay": 0.0}]
    built: list[Optimizer] = []

    def noting(factory: Factory) -> Factory:
        def build(params: Iterable[Any]) -> Optimizer:
            built.append(factory(params))
            return built[-1]

        return build

    SequentialOptimizer(groups, [noting(kind) for kind in (AdamW, LBFGS, SGD, SelfScaledBroyden)], steps=[1, 1, 1])
    adamw, lbfgs, sgd, broyden = built
    assert [(group["params"], group["weight_decay"]) for group in adamw.param_groups] == [([x], 0.01), ([y], 0.0)]
    assert [group["params"] for group in sgd.param_groups] == [[x], [y]]
    assert [group["params"] for group in lbfgs.param_groups] == [[x, y]]
    assert [group["params"] for group in broyden.param_groups] == [[x, y]]


@pytest.mark.parametrize(("kind", "count"), [(SGD, 1), (LBFGS, 3), (SelfScaledBroyden, 3)])
def test_a_factory_is_called_once_unless_it_refuses_the_groups(kind: Factory, count: int) -> None:
    calls: list[Optimizer | None] = []

    def counted(params: Iterable[Any]) -> Optimizer:
        calls.append(None)
        calls[-1] = optimizer = kind(params)
        return optimizer

    groups = [{"params": [parameter(START)]}, {"params": [parameter([1.0])]}]
    optimizer = SequentialOptimizer(groups, [Adam, counted], steps=[1])
    assert optimizer.stages[1] is calls[-1]
    assert len(calls) == count


def test_named_parameters_reach_every_optimiser() -> None:
    network = nn.Linear(2, 1)
    optimizer = SequentialOptimizer(network.named_parameters(), [SGD, LBFGS], steps=[1])
    held = optimizer.param_groups[0]["params"]
    assert [id(p) for p in held] == [id(p) for p in network.parameters()]


def test_a_parameter_in_two_groups_is_the_first_optimisers_error() -> None:
    x = parameter(START)
    with pytest.raises(ValueError, match="more than one parameter group"):
        SequentialOptimizer([{"params": [x]}, {"params": [x]}], [Adam, LBFGS], steps=[1])


def test_a_scheduler_sets_the_first_ones_learning_rate_and_the_others_keep_theirs() -> None:
    job = Job(LAST["SGD"])
    scheduler = StepLR(job.optimizer, step_size=1, gamma=0.5)
    first = job.optimizer.current
    for step in range(HAND_OVER):
        assert [group["lr"] for group in first.param_groups] == [0.05 * 0.5**step] * 2
        job.train(1)
        scheduler.step()
    job.train(1)
    scheduler.step()
    assert [group["lr"] for group in job.optimizer.current.param_groups] == [1e-4] * 2
    assert all(a is b for a, b in zip(job.optimizer.param_groups, first.param_groups, strict=True))


@pytest.mark.parametrize("name", LAST)
@pytest.mark.parametrize("stop", [0, 2, HAND_OVER - 1, HAND_OVER, HAND_OVER + 1, TOTAL - 1])
def test_resuming_through_a_file_equals_never_stopping(name: str, stop: int) -> None:
    whole, half, resumed = Job(LAST[name]), Job(LAST[name]), Job(LAST[name])
    losses = whole.train(TOTAL)
    seen = half.train(stop)
    file = io.BytesIO()
    torch.save({"optimizer": half.optimizer.state_dict(), "x": half.x.data, "y": half.y.data}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed.x.data, resumed.y.data = saved["x"], saved["y"]
    resumed.optimizer.load_state_dict(saved["optimizer"])
    assert resumed.optimizer.steps_taken == stop
    seen += resumed.train(TOTAL - stop)
    assert seen == losses
    assert resumed.values() == whole.values()


def test_a_scheduler_still_reaches_the_first_optimiser_after_loading() -> None:
    job, fresh = Job(), Job()
    job.train(2)
    fresh.optimizer.load_state_dict(copy.deepcopy(job.optimizer.state_dict()))
    fresh.optimizer.param_groups[0]["lr"] = 0.125
    assert fresh.optimizer.current.param_groups[0]["lr"] == 0.125


@pytest.mark.parametrize("stop", [2, HAND_OVER, HAND_OVER + 2])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda job: pickle.loads(pickle.dumps(job))])
def test_a_copy_trains_as_the_original_does(duplicate: Callable[[Job], Job], stop: int) -> None:
    job = Job(LAST["SGD"])
    job.train(stop)
    twin = duplicate(job)
    assert twin.optimizer.param_groups[0]["params"][0] is twin.x
    before = job.values()
    twin.train(3)
    assert job.values() == before
    job.train(3)
    assert twin.values() == job.values() != before


def test_a_finished_optimisers_state_is_dropped_at_the_hand_over() -> None:
    job = Job()
    first = job.optimizer.current
    job.train(HAND_OVER - 1)
    assert len(first.state) == 2
    assert job.optimizer.state_dict()["stages"][0]["state"].keys() == {0, 1}
    job.train(1)
    assert not first.state
    assert [stage["state"] for stage in job.optimizer.state_dict()["stages"]] == [{}, {}]
    job.train(1)
    assert job.optimizer.current.state
    assert not job.optimizer.state


def test_gradients_are_cleared_of_all_parameters() -> None:
    job = Job()
    job.train(1)
    assert [parameter.grad is None for parameter in (job.x, job.y)] == [False, False]
    job.optimizer.zero_grad()
    assert [parameter.grad is None for parameter in (job.x, job.y)] == [True, True]


def test_a_step_that_fails_does_not_count() -> None:
    job = Job()

    def fails() -> Tensor:
        raise FloatingPointError("no loss")

    with pytest.raises(FloatingPointError, match="no loss"):
        job.optimizer.step(fails)
    assert job.optimizer.steps_taken == 0


@pytest.mark.parametrize("name", ["LBFGS", "SelfScaledBroyden"])
def test_a_step_without_a_closure_is_an_error_from_the_first_one_on(name: str) -> None:
    job = Job(LAST[name])
    sentence = rf"closure .* for {name}\. .*'16-mixed'.*'64-true' \(recommended\), '32-true' or 'bf16-mixed'"
    with pytest.raises(TypeError, match=sentence):
        job.optimizer.step()
    assert job.optimizer.steps_taken == 0


def test_optimisers_that_need_no_closure_step_without_one() -> None:
    x = parameter(START)
    optimizer = SequentialOptimizer([x], [partial(SGD, lr=0.5), partial(SGD, lr=0.25)], steps=[1])
    x.grad = torch.ones_like(x)
    for _ in range(2):
        assert optimizer.step() is None
    torch.testing.assert_close(x.detach(), torch.tensor(START, dtype=torch.float64) - 0.75)


@pytest.mark.parametrize(
    ("optimizers", "steps", "sentence"),
    [
        ([], [], "optimizers of SequentialOptimizer has 0, .*at least two; take a single one"),
        ([Adam], [], "optimizers of SequentialOptimizer has 1, .*at least two; take a single one"),
        ([Adam, SGD], [], r"steps=\[\] .*must have length 1 for 2 optimisers: one for each but the last"),
        ([Adam, SGD], [1, 2], r"steps=\[1, 2\] .*must have length 1 for 2 optimisers: one for each but the last"),
        ([Adam, SGD], [0], r"steps=\[0\] .*>= 1; leave out an optimiser that does nothing"),
        ([Adam, SGD, SGD], [3, -1], r"steps=\[3, -1\] .*>= 1; leave out an optimiser that does nothing"),
        ([Adam, SGD], [1.5], r"steps=\[1.5\] .*whole numbers"),
    ],
)
def test_optimisers_and_steps_that_do_not_fit_are_errors(
    optimizers: list[Factory], steps: list[int], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        SequentialOptimizer([parameter(START)], optimizers, steps)


def test_an_optimisers_own_refusal_is_passed_on() -> None:
    with pytest.raises(ValueError, match="Invalid learning rate: -1"):
        SequentialOptimizer([parameter(START)], [Adam, partial(SGD, lr=-1)], [1])


def test_another_refusal_is_no_reason_to_drop_the_options_of_the_groups() -> None:
    def refuses_options(params: Iterable[Any]) -> Optimizer:
        if any(isinstance(entry, dict) for entry in params):
            raise ValueError("no options here")
        return SGD(params)

    with pytest.raises(ValueError, match="no options here"):
        SequentialOptimizer([{"params": [parameter(START)], "weight_decay": 0.0}], [Adam, refuses_options], [1])


def test_a_state_of_other_optimisers_is_refused() -> None:
    x = parameter(START)
    optimizer = SequentialOptimizer([x], [Adam, LBFGS], [1])
    longer = SequentialOptimizer([x], [Adam, Adam, LBFGS], [1, 1])
    with pytest.raises(ConfigurationError, match="is of Adam, Adam, LBFGS, and this one has Adam, LBFGS: resume with"):
        optimizer.load_state_dict(longer.state_dict())
    with pytest.raises(ConfigurationError, match="is of Adam, SelfScaledBroyden, and this one has Adam, LBFGS"):
        optimizer.load_state_dict(SequentialOptimizer([x], [Adam, SelfScaledBroyden], [1]).state_dict())
    with pytest.raises(ConfigurationError, match="is of another kind of optimiser, and this one has Adam, LBFGS"):
        optimizer.load_state_dict(Adam([x]).state_dict())


def test_a_later_parameter_group_is_refused() -> None:
    with pytest.raises(ValueError, match=r"takes no parameter group once it is built.*build it with all groups"):
        Job().optimizer.add_param_group({"params": [parameter([1.0])]})
