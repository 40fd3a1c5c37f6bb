"""Inputs and targets as users have them: NumPy arrays, another dtype, one dimension."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import FunctionRegressor
from tests.modules.small import Batches, PolynomialPINN, Reaction, small_pinn, small_regressor
from tests.trainers import quiet_trainer

WAYS = [
    lambda x: x.numpy(),
    lambda x: x.double(),
    lambda x: x.double().numpy(),
    lambda x: x.numpy().astype(">f4"),
    lambda x: x.tolist(),
]


def rows(count: int, columns: int) -> Tensor:
    return torch.rand(count, columns, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("way", WAYS)
def test_a_pinn_takes_points_however_they_are_given(way: Any) -> None:
    pinn, x = small_pinn(), rows(5, 2)
    assert torch.equal(pinn(way(x)), pinn(x))
    assert torch.equal(pinn.residual(way(x)), pinn.residual(x))
    assert torch.equal(pinn.field(way(x)).d("x", "x"), pinn.field(x).d("x", "x"))
    inside, at = pinn.fields(way(x), way(x[:3]))
    assert torch.equal(inside.d("x"), pinn.field(x).d("x"))
    assert at.value.shape == (3, 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_pinn_with_fields_of_its_own_takes_them_too(way: Any) -> None:
    class Own(PolynomialPINN):
        def field(self, points: Any, *args: Any, **kwargs: Any) -> Any:
            return super().field(points, *args, **kwargs)

    pinn, x = Own(Reaction()), rows(5, 2)
    assert torch.equal(pinn.residual(way(x)), pinn.residual(x))


@pytest.mark.parametrize("way", WAYS)
def test_the_dtype_is_the_networks(way: Any) -> None:
    pinn = small_pinn().double()
    assert pinn(way(rows(5, 2))).dtype == pinn.residual(way(rows(5, 2))).dtype == torch.float64


@pytest.mark.parametrize("way", WAYS)
def test_a_regressor_takes_inputs_however_they_are_given(way: Any) -> None:
    for columns in (1, 3):
        regressor, x = small_regressor(in_features=columns), rows(5, columns)
        assert torch.equal(regressor(way(x)), regressor(x))
    flat = rows(5, 1)
    assert torch.equal(small_regressor()(way(flat[:, 0])), small_regressor()(flat))


def test_tensors_that_fit_reach_the_network_as_they_are() -> None:
    seen: list[Tensor] = []
    for module, x in ((small_pinn(), rows(5, 2)), (small_regressor(), rows(5, 1))):
        module.network.register_forward_pre_hook(lambda network, inputs: seen.extend(inputs))
        module(x)
        assert seen.pop() is x


def test_a_network_of_ones_own_gets_whole_numbers_and_flat_tensors_as_they_are() -> None:
    class Table(FunctionRegressor):
        def build_network(self) -> nn.Module:
            return nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 1))

    assert Table()(torch.arange(3)).shape == (3, 1)
    assert small_regressor()(torch.arange(3)).shape == (3, 1)


@pytest.mark.parametrize("given", [np.zeros((4, 3)), torch.zeros(4), "points", None])
def test_what_are_no_points_of_the_problem_is_refused(given: Any) -> None:
    for ask in (small_pinn(), small_pinn().residual, small_pinn().field):
        with pytest.raises(
            ConfigurationError, match=r"^points (of shape .* \(N, 2\), columns x, t of Burgers|is .*numbers)"
        ):
            ask(given)


@pytest.mark.parametrize("as_given", [lambda a: a, lambda a: a.double()])
def test_flat_targets_train_and_are_measured_as_a_column_of_them_is(as_given: Any) -> None:
    x = torch.linspace(-1, 1, 16)[:, None]
    u = as_given(torch.sin(3 * x))
    states, errors = [], []
    for inputs, targets in ((as_given(x), u), (as_given(x), u[:, 0]), (as_given(x)[:, 0], u[:, 0])):
        module = small_regressor()
        batches = Batches(zip(inputs.split(8), targets.split(8), strict=True))
        trainer = quiet_trainer(max_steps=4, max_epochs=-1)
        trainer.fit(module, batches, batches)
        states.append(torch.cat([p.detach().flatten() for p in module.parameters()]))
        errors.append(trainer.test(module, batches, verbose=False)[0]["test/relative_l2"])
    for state, error in zip(states, errors, strict=True):
        assert torch.equal(state, states[0])
        assert error == errors[0]


@pytest.mark.parametrize("u", [torch.zeros(4, 2), torch.zeros(1, 4), torch.zeros(1), torch.zeros(4, 1, 1)])
def test_targets_that_would_be_broadcast_are_refused_in_training_and_in_evaluation(u: Tensor) -> None:
    module, batch = small_regressor(), (torch.zeros(4, 1), u)
    with pytest.raises(
        ConfigurationError, match=r"^targets of shape .* do not fit outputs of shape \(4, 1\) and would be"
    ):
        module.loss(batch)
    for evaluate in (quiet_trainer().validate, quiet_trainer().test):
        with pytest.raises(ConfigurationError, match=r"^targets of shape .* do not fit outputs"):
            evaluate(module, Batches([batch]), verbose=False)
