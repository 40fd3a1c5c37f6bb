"""What the optimiser refuses, with parameters left as they were."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning import SelfScaledBroyden
from laaf_lightning.errors import ConfigurationError
from tests.optimizers.objectives import closure_of, parameter, rosenbrock

LONG_START = [-1.2, 1.0, 0.5]


@pytest.mark.parametrize(
    ("objective", "named"),
    [
        (lambda x: x.sum() * torch.nan, "the loss nan"),
        (lambda x: x.sum() + torch.inf, "the loss inf"),
        (lambda x: (x - x.detach()).abs().sqrt().sum(), "the loss's gradient"),
    ],
)
def test_a_start_that_is_not_finite_is_an_error_and_loses_nothing(objective: Any, named: str) -> None:
    x = parameter([1.0, 2.0])
    optimizer = SelfScaledBroyden([x])
    with pytest.raises(FloatingPointError, match=f"{named} is not finite where SelfScaledBroyden's step begins"):
        optimizer.step(closure_of(optimizer, lambda: objective(x)))
    assert x.tolist() == [1.0, 2.0]


def test_a_step_without_a_closure_names_the_precisions_that_work() -> None:
    with pytest.raises(TypeError, match=r"needs a closure.*'16-mixed'.*'64-true'.*'bf16-mixed'"):
        SelfScaledBroyden([parameter([1.0])]).step()


def test_a_random_closure_is_detected() -> None:
    x = parameter(LONG_START)
    optimizer = SelfScaledBroyden([x])
    with pytest.raises(ConfigurationError, match="two calls of the closure at the same parameters gave the losses"):
        optimizer.step(closure_of(optimizer, lambda: rosenbrock(x + torch.randn_like(x))))
    assert x.tolist() == LONG_START


def test_gradients_that_accumulate_are_detected() -> None:
    x = parameter(LONG_START)
    optimizer = SelfScaledBroyden([x])

    def closure() -> Tensor:
        loss = rosenbrock(x)
        loss.backward()
        return loss

    with pytest.raises(ConfigurationError, match="let the closure clear the gradients"):
        optimizer.step(closure)


def test_more_parameters_than_fit_name_the_memory() -> None:
    with pytest.raises(ConfigurationError, match=r"20000 parameters need an inverse Hessian of 2.98 GiB.*LBFGS"):
        SelfScaledBroyden([torch.nn.Parameter(torch.zeros(20_000, dtype=torch.float64))])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: [parameter([1.0]), torch.ones(2, dtype=torch.float64)], "1 of 2 parameters require no gradient"),
        (lambda: [parameter([1.0]), torch.nn.Parameter(torch.ones(2))], r"torch.float32 and torch.float64.*double\(\)"),
        (lambda: [torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))], "complex64.*real floating-point"),
        (lambda: [parameter([1.0]), torch.nn.Parameter(torch.ones(2, device="meta").double())], "cpu and meta"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(make: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        SelfScaledBroyden(make())


def test_a_parameter_frozen_later_is_refused() -> None:
    x, other = parameter([1.0]), parameter([2.0])
    optimizer = SelfScaledBroyden([x, other])
    other.requires_grad_(False)
    with pytest.raises(ConfigurationError, match="1 of 2 parameters require no gradient"):
        optimizer.step(closure_of(optimizer, lambda: torch.sum(x**2)))


def test_a_second_parameter_group_is_refused() -> None:
    x, y = parameter([1.0]), parameter([2.0])
    with pytest.raises(ValueError, match="one parameter group"):
        SelfScaledBroyden([{"params": [x]}, {"params": [y]}])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda x: SelfScaledBroyden(x, method="ssbroyden2"),  # type: ignore[arg-type]
            "unknown method 'ssbroyden2'.*did you mean 'ssbroyden'",
        ),
        (partial(SelfScaledBroyden, lr=0.0), "lr=0.0"),
        (partial(SelfScaledBroyden, lr=float("nan")), "lr=nan"),
        (partial(SelfScaledBroyden, c1=0.5, c2=0.4), "c1=0.5 and c2=0.4"),
        (partial(SelfScaledBroyden, tolerance_grad=-1.0), "tolerance_grad=-1.0"),
        (partial(SelfScaledBroyden, max_iter=0), "max_iter=0"),
        (partial(SelfScaledBroyden, max_evaluations=0), "max_evaluations=0"),
        (partial(SelfScaledBroyden, max_parameters=0), "max_parameters=0"),
    ],
)
def test_settings_out_of_range_are_named(make: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        make([parameter([1.0])])
