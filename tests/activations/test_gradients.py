from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, jvp, stack_module_state, vmap

from laaf_lightning.activations import AdaptiveActivation
from tests.activations.cases import CASES, FORMULAS, SMOOTH, TRAINED, noise, parameter

N = 3.0

# Forward-mode AD of torch 2.14 still loads its decompositions through torch.jit.script, which it deprecates itself.
forward_mode = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")


def function_of(site: AdaptiveActivation) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda z, a: functional_call(site, {"a": a}, z)


def arguments(case: str) -> tuple[Tensor, Tensor]:
    a = parameter(CASES[case].moved_site(n=N)).detach().requires_grad_()
    return CASES[case].z().requires_grad_(), a


@forward_mode
@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("case", ["layer", "features"])
def test_gradients_of_smooth_functions_equal_finite_differences(case: str, name: str) -> None:
    function = function_of(CASES[case].moved_site(name, N))
    assert torch.autograd.gradcheck(function, arguments(case), check_forward_ad=True, check_batched_grad=True)


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("case", ["layer", "features"])
def test_second_gradients_of_smooth_functions_equal_finite_differences(case: str, name: str) -> None:
    function = function_of(CASES[case].moved_site(name, N))
    assert torch.autograd.gradgradcheck(function, arguments(case))


@pytest.mark.parametrize("case", ["channels", "features_of_a_sequence", "neurons_of_maps"])
def test_gradients_at_maps_and_sequences_equal_finite_differences(case: str) -> None:
    function = function_of(CASES[case].moved_site("tanh", N))
    assert torch.autograd.gradcheck(function, arguments(case), fast_mode=True)
    assert torch.autograd.gradgradcheck(function, arguments(case), fast_mode=True)


@pytest.mark.parametrize("name", sorted(set(FORMULAS) - set(SMOOTH)))
def test_gradients_of_functions_with_a_kink_equal_finite_differences_away_from_it(name: str) -> None:
    function = function_of(CASES["features"].moved_site(name, N))
    z, a = arguments("features")
    assert (z * N * a).abs().min() > 1e-3
    assert torch.autograd.gradcheck(function, (z, a))


@pytest.mark.parametrize("case", TRAINED)
def test_gradient_of_a_slope_is_n_sum_of_z_times_sigma_prime(case: str) -> None:
    z, a = arguments(case)
    (got,) = torch.autograd.grad(function_of(CASES[case].moved_site(n=N))(z, a).sum(), a)
    full = N * z * (1 - torch.tanh(N * a * z) ** 2)
    torch.testing.assert_close(got, full.detach().sum_to_size(a.shape))


def test_derivatives_of_a_derivative_reach_the_slope() -> None:
    site = CASES["layer"].moved_site("tanh", N)
    a, z = parameter(site), noise(5).requires_grad_()
    (first,) = torch.autograd.grad(site(z).sum(), z, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), z, create_graph=True)
    slope = N * a.detach()
    t = torch.tanh(slope * z.detach())
    torch.testing.assert_close(second.detach(), -2 * slope**2 * t * (1 - t**2))
    (by_a,) = torch.autograd.grad(second.sum(), a)
    step = 1e-6

    def second_at(moved: Tensor) -> Tensor:
        t = torch.tanh(N * moved * z.detach())
        return (-2 * (N * moved) ** 2 * t * (1 - t**2)).sum()

    torch.testing.assert_close(by_a, (second_at(a.detach() + step) - second_at(a.detach() - step)) / (2 * step))


@pytest.mark.parametrize("case", CASES)
def test_vmap_over_samples_equals_the_batch(case: str) -> None:
    site, z = CASES[case].moved_site(), CASES[case].z(batch=4)
    torch.testing.assert_close(vmap(site)(z), site(z), rtol=1e-14, atol=0)


@pytest.mark.parametrize("case", TRAINED)
def test_gradients_of_each_sample_by_vmap_equal_a_loop(case: str) -> None:
    site, z = CASES[case].moved_site(), CASES[case].z(batch=4)
    a = parameter(site).detach()

    def loss(a: Tensor, sample: Tensor) -> Tensor:
        result: Tensor = functional_call(site, {"a": a}, sample)
        return result.square().sum()

    gradient: Any = torch.func.grad(loss)
    torch.testing.assert_close(
        vmap(gradient, in_dims=(None, 0))(a, z), torch.stack([gradient(a, sample) for sample in z])
    )


@pytest.mark.parametrize("case", TRAINED)
def test_vmap_over_an_ensemble_of_slopes_equals_a_loop(case: str) -> None:
    sites = [CASES[case].site("tanh", N).double() for _ in range(3)]
    for k, site in enumerate(sites):
        parameter(site).data.copy_(noise(*parameter(site).shape, seed=k))
    parameters, buffers = stack_module_state(list(sites))
    z = CASES[case].z()
    together = vmap(lambda state: functional_call(sites[0], state, z))(parameters)
    assert buffers == {}
    torch.testing.assert_close(together, torch.stack([site(z) for site in sites]), rtol=1e-14, atol=0)


@forward_mode
def test_forward_mode_equals_the_closed_form() -> None:
    site, z = CASES["features"].moved_site("tanh", N), CASES["features"].z()
    slope, tangent = N * parameter(site).detach(), noise(*z.shape, seed=5)
    got = jvp(site, (z,), (tangent,))[1]
    torch.testing.assert_close(got.detach(), (1 - torch.tanh(slope * z) ** 2) * slope * tangent)
