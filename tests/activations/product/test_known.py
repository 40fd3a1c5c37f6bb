from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations.product.known import is_known, rounds_otherwise, sigma_of
from tests.activations.cases import noise
from tests.activations.product.cases import KNOWN, WITHOUT_SIGMA


@pytest.mark.parametrize("name", KNOWN)
def test_value_in_place_and_gradient_are_those_of_the_function(name: str) -> None:
    function, sigma = KNOWN[name], sigma_of(KNOWN[name])
    if name in WITHOUT_SIGMA:
        assert sigma is None
        return
    assert sigma is not None
    x = (3 * noise(200)).requires_grad_()
    y = function(x.clone())
    assert torch.equal(sigma.value(x), y)
    assert torch.equal(sigma.in_place(x.detach().clone()), y)
    g = noise(200, seed=1)
    (expected,) = torch.autograd.grad(y, x, g)
    of = y.detach() if sigma.keeps_result else x.detach()
    for mode in (False, True):
        with torch.set_grad_enabled(mode):
            torch.testing.assert_close(sigma.gradient(g, of), expected, rtol=1e-12, atol=1e-14)
    assert rounds_otherwise(function, x) == (sigma.rounds_within or sigma.rounds_at_ends)
    assert rounds_otherwise(function, x.to("meta")) == sigma.rounds_within


class Doubled(nn.Tanh):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


def with_hook(module: nn.Module) -> nn.Module:
    module.register_forward_hook(lambda _module, _arguments, output: 2 * output)
    return module


def with_forward(module: Any) -> nn.Module:
    module.forward = torch.cos
    result: nn.Module = module
    return result


@pytest.mark.parametrize(
    "activation",
    [
        torch.cos,
        lambda z: z**3,
        Doubled(),
        with_hook(nn.ReLU()),
        with_forward(nn.ReLU()),
        functools.partial(torch.pow, exponent=3),
        functools.partial(nn.functional.gelu, nonsense=1),  # type: ignore[call-arg]
        nn.Sequential(nn.ReLU()),
    ],
)
def test_another_function_is_not_taken_for_a_known_one(activation: Any) -> None:
    assert sigma_of(activation) is None


def test_a_callable_without_a_hash_is_not_known() -> None:
    class Unhashable(list[int]):
        def __call__(self, z: Tensor) -> Tensor:
            return z

    assert not is_known(Unhashable())
    assert sigma_of(Unhashable()) is None


def test_settings_that_change_are_followed() -> None:
    module = nn.LeakyReLU(0.1)
    module.negative_slope = 0.5
    sigma = sigma_of(module)
    assert sigma is not None
    assert sigma.value(torch.tensor(-1.0)).item() == -0.5
