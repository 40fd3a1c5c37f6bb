from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import laaf_lightning as laaf
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import Burgers
from tests.solutions.equations import (
    EQUATIONS,
    Plain,
    assert_same,
    loss_and_gradients,
    oracle_residual,
    pinn_of,
    points_of,
)


def adapt_in_place(model: Plain) -> None:
    laaf.adapt(model, "neuron", 3.0, torch.rand(2, 2), inplace=True)
    with torch.no_grad():
        for name, slope in model.named_parameters():
            if name.endswith(".a"):
                slope.add_(torch.linspace(-0.1, 0.2, slope.numel()))


def other_activation(model: Plain) -> None:
    model.network[1] = nn.SiLU()


def other_function(model: Plain) -> None:
    model.network[1] = laaf.AdaptiveActivation("tanh")
    model.residual(torch.rand(2, 2))
    setattr(model.network[1], "activation", torch.sigmoid)  # noqa: B010  # which type checkers do not foresee


def other_network(model: Plain) -> None:
    model.network = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))


def no_rule(model: Plain) -> None:
    model.network[3] = nn.Mish()


def new_hook(model: Plain) -> None:
    model.network[2].register_forward_hook(lambda module, inputs, outputs: 2 * outputs)


def pruned(model: Plain) -> None:
    prune.l1_unstructured(model.network[2], "weight", 0.5)


REPLACEMENTS: list[Callable[[Plain], None]] = [
    adapt_in_place,
    other_activation,
    other_function,
    other_network,
    no_rule,
    new_hook,
    pruned,
]


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_engine_is_chosen_anew_where_a_part_of_the_network_was_replaced(replace: Callable[[Plain], None]) -> None:
    torch.manual_seed(0)
    model = Plain(Burgers(0.1))
    points = points_of(model.problem).residual_points
    before = model.residual(points.float())
    replace(model)
    model.double()
    after = model.residual(points)
    assert_same(after, oracle_residual(model, points))
    assert (after - before).abs().max() > 1e-3
    assert model.differentiator.name == ("autograd" if replace in {no_rule, new_hook, pruned} else "taylor")


def test_a_part_without_a_rule_is_an_error_where_taylor_mode_was_asked_for() -> None:
    model = Plain(Burgers(), engine="taylor")
    model.network[1] = nn.Mish()
    with pytest.raises(ConfigurationError, match=r"engine='taylor' does not serve here: .* Mish\(\)"):
        model.loss(points_of(Burgers()))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("name", [name for name in EQUATIONS if not name.startswith("three")])
def test_copies_train_on_their_own(name: str, copied: Callable[[PINN], PINN]) -> None:
    problem = EQUATIONS[name]
    model, batch = pinn_of(problem), points_of(problem)
    expected = loss_and_gradients(model, batch)
    twin = copied(model)
    assert twin.differentiator.serves(twin.network)
    assert not twin.differentiator.serves(model.network)
    assert_same(loss_and_gradients(twin, batch), expected)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(1.5)
    changed = pinn_of(problem)
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.mul_(1.5)
    assert_same(loss_and_gradients(twin, batch), loss_and_gradients(changed, batch))
    assert_same(loss_and_gradients(model, batch), expected)


def test_a_hook_that_is_taken_away_brings_taylor_mode_back() -> None:
    model = Plain(Burgers())
    handle = model.network[2].register_forward_hook(lambda module, inputs, outputs: 2 * outputs)
    assert "Linear has a hook, which would not run" in str(model.differentiator)
    handle.remove()
    assert model.differentiator.name == "taylor"


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_fields_of_residual_and_conditions_are_those_of_the_network_as_it_is(replace: Callable[[Plain], None]) -> None:
    torch.manual_seed(0)
    model = Plain(Burgers(0.1))
    batch = points_of(model.problem)
    replace(model)
    model.double()
    u, u_at = model.fields(batch.residual_points, batch.condition_points)
    assert_same(model.residual_of(u, batch.residual_points), oracle_residual(model, batch.residual_points))
    assert_same(u_at.value, model(batch.condition_points))
