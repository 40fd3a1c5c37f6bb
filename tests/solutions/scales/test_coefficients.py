from __future__ import annotations

import copy
import pickle
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam
from torch.optim.lr_scheduler import OneCycleLR

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.modules.optimization.optimizer import build_optimizer, configure
from laaf_lightning.optimizers import SelfScaledBroyden
from laaf_lightning.problems import Coefficient
from laaf_lightning.solutions import first_guesses
from laaf_lightning.solutions.scales.coefficients import LearntCoefficients
from tests.solutions.scales.rod import UnknownRod, batch_of

TINY: Any = {"width": 3, "depth": 1}


def rod(**settings: Any) -> UnknownRod:
    return UnknownRod(conductivity=Coefficient(2e-6, **settings))


def test_plain_numbers_are_what_they_were() -> None:
    plain = first_guesses(UnknownRod(conductivity=0.7))
    assert type(plain) is nn.ParameterDict
    assert list(plain.state_dict()) == ["conductivity", "source"]
    assert [p.item() for p in plain.parameters()] == [pytest.approx(0.7), 0.5]


@pytest.mark.parametrize("positive", [False, True])
def test_the_physical_value_is_seen_and_another_number_is_trained(positive: bool) -> None:
    pinn = PINN(rod(scale=1e-6, positive=positive), **TINY)
    assert pinn.coefficients["conductivity"].item() == pytest.approx(2e-6)
    values = pinn.solution.coefficient_values()
    assert {name: value.item() for name, value in values.items()} == pytest.approx(
        {"conductivity": 2e-6, "source": 0.5}
    )
    trained = dict(pinn.named_parameters())["coefficients.conductivity"]
    assert trained.item() == pytest.approx(torch.tensor(2.0).expm1().log().item() if positive else 2.0)
    assert trained.shape == ()


def test_the_residual_and_its_gradient_go_through_the_transform() -> None:
    torch.manual_seed(0)
    problem = UnknownRod(conductivity=Coefficient(2.0, scale=1.5, positive=True))
    pinn, batch = PINN(problem, **TINY).double(), batch_of(problem)
    trained, h = dict(pinn.named_parameters())["coefficients.conductivity"], 1e-5
    (gradient,) = torch.autograd.grad(pinn.loss(batch), trained)
    losses = []
    for sign in (1, -1):
        with torch.no_grad():
            trained.add_(sign * h)
        losses.append(pinn.loss(batch).item())
        with torch.no_grad():
            trained.sub_(sign * h)
    assert gradient.item() == pytest.approx((losses[0] - losses[1]) / (2 * h), rel=1e-5)


def test_state_dicts_of_other_scales_and_of_plain_numbers_give_the_same_values() -> None:
    kinds = [UnknownRod(conductivity=3e-6), rod(), rod(scale=1e-6), rod(scale=5e-6, positive=True)]
    for before in kinds:
        source = first_guesses(before)
        for after in kinds:
            target = first_guesses(after)
            target.load_state_dict(source.state_dict())
            assert target["conductivity"].item() == pytest.approx(source["conductivity"].item(), rel=1e-6)
            assert target["source"].item() == 0.5


def test_a_value_of_the_wrong_sign_in_a_state_dict_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="which is positive"):
        first_guesses(rod(positive=True)).load_state_dict(first_guesses(UnknownRod(conductivity=-1.0)).state_dict())


def test_copies_and_pickles_have_the_transform() -> None:
    learnt = first_guesses(rod(scale=1e-6, positive=True))
    for twin in (copy.deepcopy(learnt), pickle.loads(pickle.dumps(learnt))):
        assert twin["conductivity"].item() == learnt["conductivity"].item()
        assert isinstance(twin, LearntCoefficients)


@pytest.mark.parametrize("optimizer", [partial(Adam, lr=1e-3), partial(SGD, lr=1e-3)])
def test_a_learning_rate_of_its_own_is_a_group_before_that_of_the_slopes(optimizer: Any) -> None:
    pinn = PINN(rod(lr=0.1), **TINY, optimizer=optimizer, slope_lr=0.01)
    groups = pinn.configure_optimizers().param_groups
    assert [(len(group["params"]), group["lr"]) for group in groups] == [(5, 1e-3), (1, 0.1), (1, 0.01)]
    assert groups[1]["params"][0] is dict(pinn.named_parameters())["coefficients.conductivity"]


def test_a_schedule_keeps_the_ratios() -> None:
    pinn = PINN(rod(lr=0.1), **TINY)
    optimizer = build_optimizer(pinn, partial(Adam, lr=1e-3), 0.01)
    schedule, _ = configure(pinn, optimizer, partial(OneCycleLR, max_lr=1e-2, total_steps=20), 0.01, "step")
    assert schedule is not None
    for _ in range(5):
        weights, coefficient, slopes = (group["lr"] for group in optimizer.param_groups)
        assert (coefficient / weights, slopes / weights) == pytest.approx((100, 10))
        optimizer.step()
        with schedule.step():
            schedule.scheduler.step()


@pytest.mark.parametrize("optimizer", [LBFGS, SelfScaledBroyden])
def test_an_optimiser_of_one_group_refuses_it(optimizer: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"a coefficient's lr=0.1 needs an optimiser with parameter groups"):
        PINN(rod(lr=0.1), **TINY, optimizer=optimizer).configure_optimizers()
    assert len(PINN(rod(scale=1e-6), **TINY, optimizer=optimizer).configure_optimizers().param_groups) == 1
