"""What a closure must do, and when the optimiser finds out that it does not."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning import SelfScaledBroyden
from laaf_lightning.errors import ConfigurationError
from tests.optimizers.objectives import closure_of, parameter, rosenbrock

START = [-1.2, 1.0, 0.5]


class Job:
    """Rosenbrock's function with something added, and how often it was evaluated."""

    def __init__(self, extra: Callable[[Tensor], Any] = lambda x: 0.0, **settings: Any) -> None:
        self.x = parameter(START)
        self.extra, self.calls = extra, 0
        self.optimizer = SelfScaledBroyden([self.x], **{"max_iter": 3, **settings})

    def objective(self) -> Tensor:
        self.calls += 1
        loss: Tensor = rosenbrock(self.x) + self.extra(self.x)
        return loss

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.optimizer.step(closure_of(self.optimizer, self.objective))


def linear(scale: float) -> Callable[[Tensor], Tensor]:
    return lambda x: scale * x.sum()


@pytest.mark.parametrize("clears", [lambda o: None, lambda o: o.zero_grad(), lambda o: o.zero_grad(set_to_none=False)])
@pytest.mark.parametrize("steps_before", [0, 2])
def test_a_closure_without_a_backward_pass_is_refused_at_any_step(clears: Any, steps_before: int) -> None:
    job = Job()
    job.step(steps_before)
    before = job.x.tolist()

    def forgetful() -> Tensor:
        clears(job.optimizer)
        return rosenbrock(job.x)

    with pytest.raises(
        ConfigurationError, match=r"^the closure of SelfScaledBroyden.step\(\) computed no gradient of any"
    ):
        job.optimizer.step(forgetful)
    assert job.x.tolist() == before


def test_a_loss_that_does_not_depend_on_the_parameters_is_refused() -> None:
    job, other = Job(), parameter([1.0])
    with pytest.raises(ConfigurationError, match="on a loss that depends on them"):
        job.optimizer.step(closure_of(job.optimizer, lambda: torch.sum(other**2)))


def test_a_gradient_that_is_zero_ends_the_step_as_before() -> None:
    x = parameter([0.0, 0.0])
    optimizer = SelfScaledBroyden([x])
    optimizer.step(closure_of(optimizer, lambda: x.square().sum()))
    assert optimizer.stop_reason == "the gradient is zero, or below tolerance_grad"


@pytest.mark.parametrize("returned", [None, "loss", torch.zeros(2)])
def test_a_closure_that_returns_no_loss_is_refused(returned: Any) -> None:
    job = Job()

    def closure() -> Any:
        job.optimizer.zero_grad()
        job.objective().backward()
        return returned

    with pytest.raises(
        ConfigurationError, match=r"^the closure of SelfScaledBroyden.step\(\) returned .* must return the"
    ):
        job.optimizer.step(closure)
    assert job.x.tolist() == START


@pytest.mark.parametrize("steps_before", [1, 2, 5])
def test_a_closure_that_becomes_random_is_noticed_at_the_next_step(steps_before: int) -> None:
    job = Job()
    job.step(steps_before)
    job.extra = lambda x: (torch.randn_like(x) * x).sum()
    before = job.x.tolist()
    with pytest.raises(
        ConfigurationError, match=r"two calls of the closure at the same parameters gave .* out what is"
    ):
        job.step()
    assert job.x.tolist() == before


def test_randomness_among_objectives_that_change_is_noticed_before_their_number_doubles() -> None:
    job = Job(max_iter=1)
    job.step()
    for scale in range(5):
        job.extra = linear(scale)
        job.step()
    job.extra = lambda x: (torch.randn_like(x) * x).sum()
    with pytest.raises(ConfigurationError, match="two calls of the closure at the same parameters"):
        job.step(6)


def test_randomness_within_a_step_is_noticed_where_no_step_length_helps() -> None:
    calls = 0

    def noise(x: Tensor) -> Any:
        nonlocal calls
        calls += 1
        return 0.0 if calls < 12 else 100.0 * calls + (torch.randn_like(x) * x).sum()

    with pytest.raises(ConfigurationError, match="two calls of the closure at the same parameters"):
        Job(noise, max_iter=50).step()


def test_the_same_objective_costs_no_call_more_at_later_steps() -> None:
    together, apart = Job(max_iter=6), Job(max_iter=2)
    together.step()
    apart.step(3)
    assert torch.equal(together.x, apart.x)
    assert apart.calls == together.calls + 2  # each step begins with one evaluation


def test_another_objective_at_each_step_costs_few_calls_and_changes_no_result() -> None:
    watched, unwatched = Job(max_iter=1), Job(max_iter=1)
    for scale in range(20):
        for job in (watched, unwatched):
            job.extra = linear(0.01 * scale)
        watched.step()
        unwatched.optimizer._values = None
        unwatched.step()
    assert torch.equal(watched.x, unwatched.x)
    assert watched.calls - unwatched.calls == 5  # at the changes 1, 2, 4, 8, 16


def test_a_copy_through_a_file_goes_on_without_the_value() -> None:
    job = Job()
    job.step()
    again: SelfScaledBroyden = pickle.loads(pickle.dumps(job.optimizer))
    (x,) = again.param_groups[0]["params"]
    again.step(closure_of(again, lambda: rosenbrock(x)))
    job.step()
    assert torch.equal(x, job.x)
