"""The optimiser on objectives with known minima, and its state."""

from __future__ import annotations

import copy
import io
import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, rosen, rosen_der
from torch import Tensor

from laaf_lightning import SelfScaledBroyden
from laaf_lightning.optimizers.broyden_update import Method
from tests.optimizers.objectives import closure_of, parameter, quadratic, rosenbrock

METHODS: tuple[Method, ...] = ("ssbroyden", "ssbfgs", "bfgs")
LONG_START = [-1.2, 1.0, 0.5]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("initial_scaling", [False, True])
def test_a_quadratic_is_minimised_in_n_steps_of_exact_line_searches(method: Method, initial_scaling: bool) -> None:
    size = 12
    matrix, minimum = quadratic(size, condition=30.0)
    x = parameter(torch.zeros(size))
    optimizer = SelfScaledBroyden([x], method=method, max_iter=1, initial_scaling=initial_scaling, c1=1e-9, c2=1e-8)
    closure = closure_of(optimizer, lambda: 0.5 * (x - minimum) @ matrix @ (x - minimum))
    errors = []
    for _ in range(size):
        optimizer.step(closure)
        errors.append((x.detach() - minimum).norm().item())
    assert errors[-1] < 1e-6 * minimum.norm()
    assert errors[-2] > 1e-4 * minimum.norm()


@pytest.mark.parametrize("method", METHODS)
def test_rosenbrocks_valley_is_followed_to_its_end(method: Method) -> None:
    x = parameter(LONG_START)
    optimizer = SelfScaledBroyden([x], method=method, max_iter=300, tolerance_grad=1e-10)
    optimizer.step(closure_of(optimizer, lambda: rosenbrock(x)))
    torch.testing.assert_close(x.detach(), torch.ones_like(x), rtol=0, atol=1e-9)
    assert "tolerance_grad" in str(optimizer.stop_reason)
    assert optimizer.state[x]["iterations"] < 100


def test_plain_bfgs_ends_where_scipys_does_from_the_same_start_with_as_many_iterations() -> None:
    expected = minimize(rosen, np.array(LONG_START), jac=rosen_der, method="BFGS", options={"gtol": 1e-9})
    x = parameter(LONG_START)
    optimizer = SelfScaledBroyden([x], method="bfgs", max_iter=300, initial_scaling=False, tolerance_grad=1e-9)
    optimizer.step(closure_of(optimizer, lambda: rosenbrock(x)))
    np.testing.assert_allclose(x.detach(), expected.x, rtol=0, atol=1e-7)
    assert abs(optimizer.state[x]["iterations"] - expected.nit) < 0.4 * expected.nit


def test_the_loss_never_rises_and_on_a_smooth_valley_a_step_ends_at_the_lowest_point_seen() -> None:
    x = parameter(LONG_START)
    optimizer = SelfScaledBroyden([x], max_iter=1)
    lowest = torch.inf

    def objective() -> Tensor:
        nonlocal lowest
        loss = rosenbrock(x)
        lowest = min(lowest, loss.item())
        return loss

    values = []
    for _ in range(40):
        values.append(optimizer.step(closure_of(optimizer, objective)).item())
        assert rosenbrock(x).item() == lowest
    assert all(after <= before for before, after in pairwise(values))
    assert rosenbrock(x).item() <= values[-1]


def test_steps_of_one_iteration_are_one_step_of_many() -> None:
    one, many = parameter(LONG_START), parameter(LONG_START)
    single, whole = SelfScaledBroyden([one], max_iter=1), SelfScaledBroyden([many], max_iter=15)
    for _ in range(15):
        single.step(closure_of(single, lambda: rosenbrock(one)))
    whole.step(closure_of(whole, lambda: rosenbrock(many)))
    assert torch.equal(one, many)


def test_parameters_of_several_shapes_train_as_one_vector() -> None:
    parts = [
        parameter(LONG_START[:1]),
        torch.nn.Parameter(torch.tensor([LONG_START[1:3]]).double()),
        parameter(LONG_START[3:]),
    ]
    x = parameter(LONG_START)
    optimizer, whole = SelfScaledBroyden(parts), SelfScaledBroyden([x])
    optimizer.step(closure_of(optimizer, lambda: rosenbrock(torch.cat([p.flatten() for p in parts]))))
    whole.step(closure_of(whole, lambda: rosenbrock(x)))
    torch.testing.assert_close(torch.cat([p.flatten() for p in parts]), x, rtol=1e-12, atol=1e-12)


def test_a_parameter_without_a_gradient_stays() -> None:
    x, unused = parameter(LONG_START), parameter([3.0])
    optimizer = SelfScaledBroyden([x, unused], max_iter=5)
    optimizer.step(closure_of(optimizer, lambda: rosenbrock(x)))
    assert unused.item() == 3.0
    assert not torch.equal(x, parameter(LONG_START))


def _run(steps: int, state: dict[str, Any] | None = None, start: Tensor | None = None) -> tuple[Tensor, dict[str, Any]]:
    x = parameter(LONG_START if start is None else start)
    optimizer = SelfScaledBroyden([x], max_iter=3)
    if state is not None:
        optimizer.load_state_dict(state)
    for _ in range(steps):
        optimizer.step(closure_of(optimizer, lambda: rosenbrock(x)))
    return x.detach(), optimizer.state_dict()


@pytest.mark.parametrize("stop", [1, 4, 7])
def test_a_run_resumed_from_a_file_is_the_uninterrupted_one(stop: int) -> None:
    whole, _ = _run(8)
    middle, state = _run(stop)
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    resumed, _ = _run(8 - stop, torch.load(file, weights_only=True), middle)
    assert torch.equal(resumed, whole)
    assert not torch.equal(middle, whole)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
def test_a_copy_goes_on_alone(copied: Any) -> None:
    x = parameter(LONG_START)
    optimizer = SelfScaledBroyden([x], max_iter=3)
    optimizer.step(closure_of(optimizer, lambda: rosenbrock(x)))
    before = x.detach().clone()
    twin = copied(optimizer)
    (y,) = twin.param_groups[0]["params"]
    twin.step(closure_of(twin, lambda: rosenbrock(y)))
    assert torch.equal(x, before)
    optimizer.step(closure_of(optimizer, lambda: rosenbrock(x)))
    assert torch.equal(x, y)


def test_an_objective_may_change_between_steps() -> None:
    x, target = parameter([5.0, -3.0]), torch.tensor([1.0, 1.0]).double()
    optimizer = SelfScaledBroyden([x], max_iter=10)
    closure = closure_of(optimizer, lambda: torch.sum((x - target) ** 2))
    optimizer.step(closure)
    target += 1.0
    optimizer.step(closure)
    torch.testing.assert_close(x.detach(), target, rtol=0, atol=1e-9)


def test_a_zero_gradient_ends_the_step_and_moves_nothing() -> None:
    x = parameter([1.0, 1.0])
    optimizer = SelfScaledBroyden([x])
    assert optimizer.stop_reason is None
    assert optimizer.step(closure_of(optimizer, lambda: rosenbrock(x))).item() == 0.0
    assert x.tolist() == [1.0, 1.0]
    assert "gradient is zero" in str(optimizer.stop_reason)
    resumed = SelfScaledBroyden([x])
    resumed.load_state_dict(optimizer.state_dict())
    assert resumed.stop_reason is None
    assert all(isinstance(value, (int, float, bool, Tensor)) for value in resumed.state[x].values())


def test_where_nothing_helps_the_step_ends_with_one_warning_and_the_start_is_kept() -> None:
    x = parameter([2.0])
    optimizer = SelfScaledBroyden([x], max_evaluations=5)
    # The gradient points the wrong way.
    closure = closure_of(optimizer, lambda: torch.sum(x.detach() - 3 * (x - x.detach())))
    with pytest.warns(RuntimeWarning, match="no step length along the negative gradient lowers the loss 2"):
        optimizer.step(closure)
    assert x.item() == 2.0
    assert "Wolfe" in str(optimizer.stop_reason)
    optimizer.step(closure)  # no second warning, which would be an error
    assert x.item() == 2.0


def test_an_inverse_hessian_that_misleads_becomes_the_identity_again() -> None:
    x = parameter(LONG_START)
    optimizer = SelfScaledBroyden([x], max_iter=1)
    closure = closure_of(optimizer, lambda: rosenbrock(x))
    for _ in range(3):
        before = optimizer.step(closure).item()
    optimizer.state[x]["inverse_hessian"].neg_()
    optimizer.step(closure)
    assert rosenbrock(x).item() < before
    assert torch.linalg.eigvalsh(optimizer.state[x]["inverse_hessian"]).min() > 0
    assert optimizer.stop_reason is None


def test_a_search_that_finds_nothing_lower_leaves_its_start_for_the_next_one() -> None:
    x = parameter([2.0, -1.0])
    optimizer = SelfScaledBroyden([x], max_iter=1, max_evaluations=4)
    visited: list[Tensor] = []

    def objective() -> Tensor:
        visited.append(x.detach().clone())
        return torch.sum(x**2 * torch.tensor([1.0, 3.0]))

    optimizer.step(closure_of(optimizer, objective))
    start = x.detach().clone()
    gradient = 2 * start * torch.tensor([1.0, 3.0])
    # Steps so long that no trial is lower, though the direction is one of descent.
    optimizer.state[x]["inverse_hessian"].copy_(1e9 * torch.eye(2))
    visited.clear()
    optimizer.step(closure_of(optimizer, objective))
    along_gradient = visited[1 + 4 :]  # after the start and the trials of the search that failed
    assert along_gradient
    for point in along_gradient:
        direction = (point - start) / (point - start).norm()
        torch.testing.assert_close(direction, -gradient / gradient.norm(), rtol=0, atol=1e-9)


def test_a_gradient_whose_square_underflows_ends_the_step_where_it_is() -> None:
    x = parameter([1.0])
    optimizer = SelfScaledBroyden([x], lr=0.8, max_iter=3)
    closure = closure_of(optimizer, lambda: torch.sum(torch.where(x > 0.5, x**2, 1e-200 * x**2)))
    with pytest.warns(RuntimeWarning, match="the gradient's square is too small for float64"):
        optimizer.step(closure)
    assert x.item() == pytest.approx(0.2, rel=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_trial_that_is_not_finite_is_too_long(bad: float) -> None:
    x = parameter([0.0])
    optimizer = SelfScaledBroyden([x], lr=10.0)
    optimizer.step(closure_of(optimizer, lambda: torch.sum((x - 0.5) ** 2 + torch.where(x > 1, bad, 0.0))))
    assert x.item() == pytest.approx(0.5, abs=1e-8)
