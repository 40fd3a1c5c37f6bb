from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.activations.product.scaled import plain_product, plain_products, scaled
from tests.activations.cases import noise, parameter
from tests.activations.product.cases import KNOWN, WITHOUT_SIGMA, every_number, same_bits

LOW = [torch.bfloat16, torch.float16]
# torch has no nn.RReLU in float16 on the CPU while training, and draws its noise in z's dtype: here it is in eval mode
SITES = {"layer": (), "neuron": (2**16,)}


def site_in(name: str, scope: Any, dtype: torch.dtype) -> AdaptiveActivation:
    activation = copy.deepcopy(KNOWN[name])
    if isinstance(activation, nn.PReLU):
        activation = activation.to(dtype)
    return AdaptiveActivation(activation, scope, 3.0, SITES[scope] or None)


def in_float32(name: str) -> Callable[[Tensor], Tensor]:
    activation = copy.deepcopy(KNOWN[name])
    return activation.float() if isinstance(activation, nn.Module) else activation


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("scope", SITES)
@pytest.mark.parametrize("name", KNOWN)
def test_at_the_start_every_number_has_the_bits_of_the_function(name: str, scope: str, dtype: torch.dtype) -> None:
    z, site = every_number(dtype), site_in(name, scope, dtype)
    expected = site.activation(z.clone())
    for mode in (False, True):
        with torch.set_grad_enabled(mode):
            assert same_bits(site(z), expected)
    assert same_bits(plain_product(site.activation, z, site.slope), expected) or dtype == torch.float16


@pytest.mark.parametrize("name", KNOWN)
def test_so_it_has_in_few_numbers_which_torch_rounds_one_by_one(name: str) -> None:
    every = every_number(torch.bfloat16)
    some = every[(every > -6) & (every < -2)]
    site = site_in(name, "layer", torch.bfloat16)
    for z in some.split(15):
        expected = site.activation(z.clone())
        with torch.no_grad():
            assert same_bits(site(z), expected)
        assert same_bits(site(z), expected)
        assert same_bits(plain_product(site.activation, z, site.slope), expected)


@pytest.mark.parametrize("kind", [nn.Softsign, nn.GELU, nn.Hardshrink])
def test_neurons_of_maps_keep_the_order_of_channels_last(kind: type[nn.Module]) -> None:
    z = noise(2, 8, 4, 4).bfloat16().contiguous(memory_format=torch.channels_last)
    site = AdaptiveActivation(kind(), "neuron", 3.0, (8, 4, 4))
    for gradients in (True, False):
        with torch.set_grad_enabled(gradients):
            assert site(z).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("scope", SITES)
@pytest.mark.parametrize("name", KNOWN)
def test_a_small_move_of_a_slope_gives_the_float32_result_rounded_once(
    name: str, scope: str, dtype: torch.dtype
) -> None:
    z, site = every_number(dtype), site_in(name, scope, dtype)
    parameter(site).data.mul_(1 + 2**-10)
    expected = in_float32(name)(z.float() * site.slope).to(dtype)
    assert same_bits(site(z), expected)
    assert same_bits(plain_product(site.activation, z, site.slope), expected)


def test_a_small_move_is_not_lost_in_the_slope() -> None:
    site, z = AdaptiveActivation("identity"), torch.full((300,), 255.0).bfloat16()
    parameter(site).data.add_(2**-7)
    assert (site(z) != z).all()
    site, z = AdaptiveActivation("tanh"), (noise(2000) / 2).bfloat16()
    parameter(site).data.add_(2**-10)
    assert 0.05 < (site(z) != torch.tanh(z)).float().mean() < 0.5


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("name", [n for n in KNOWN if n not in WITHOUT_SIGMA])
def test_gradients_are_those_of_float32_rounded(name: str, dtype: torch.dtype) -> None:
    s = torch.full((), 0.72, requires_grad=True)
    z = noise(300).to(dtype).requires_grad_()
    g = noise(300, seed=1).to(dtype)
    y = scaled(KNOWN[name], z, s)
    of_z, of_s = torch.autograd.grad(y, [z, s], g)
    exact = z.detach().double().requires_grad_()
    t = s.detach().double().requires_grad_()
    expected_z, expected_s = torch.autograd.grad(plain_product(KNOWN[name], exact, t), [exact, t], g.double())
    eps = torch.finfo(dtype).eps
    assert (of_z.dtype, of_s.dtype) == (dtype, torch.float32)
    torch.testing.assert_close(of_z.double(), expected_z, rtol=eps, atol=eps / 2**6)
    torch.testing.assert_close(of_s.double(), expected_s, rtol=eps, atol=eps)


@pytest.mark.parametrize("dtype", LOW)
def test_an_unknown_function_gets_the_product_rounded_to_the_dtype_of_z(dtype: torch.dtype) -> None:
    seen: list[Tensor] = []
    site = AdaptiveActivation(lambda x: seen.append(x) or torch.cos(x), "neuron", 3.0, (50,))  # type: ignore[func-returns-value]
    parameter(site).data.mul_(1 + 2**-6)
    z = noise(4, 50).to(dtype).requires_grad_()
    y = site(z)
    assert seen[0].dtype == y.dtype == dtype
    assert torch.equal(seen[0], (z.float() * site.slope).to(dtype))
    (gradient,) = torch.autograd.grad(y.sum(), parameter(site))
    with plain_products():
        (expected,) = torch.autograd.grad(site(z).sum(), parameter(site))
    torch.testing.assert_close(gradient, expected, rtol=2 * torch.finfo(dtype).eps, atol=1e-3)


@pytest.mark.parametrize("name", KNOWN)
def test_autocast_changes_neither_dtype_nor_bits(name: str) -> None:
    z = noise(300).bfloat16()
    site = site_in(name, "layer", torch.bfloat16)
    parameter(site).data.mul_(1 + 2**-10)
    expected = site(z)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert same_bits(site(z), expected)


def test_prelu_gets_the_gradient_of_its_weight() -> None:
    site = AdaptiveActivation(nn.PReLU().bfloat16(), n=3.0)
    z = noise(300).bfloat16()
    site(z).sum().backward()
    gradient = site.activation.weight.grad  # type: ignore[attr-defined]
    assert gradient.dtype == torch.bfloat16
    assert gradient.item() == pytest.approx(z.double().clamp(max=0).sum().item(), rel=2**-7)
