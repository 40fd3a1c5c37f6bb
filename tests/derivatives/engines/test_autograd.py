from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import AutogradField

ORDERS = [by for order in (1, 2, 3) for by in itertools.combinations_with_replacement(("x", "t"), order)]


def points(count: int = 7, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(count, 2, dtype=dtype, generator=torch.Generator().manual_seed(0)) * 2 - 1


def network(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)).to(dtype)


def polynomial(p: Tensor) -> Tensor:
    x, t = p[:, :1], p[:, 1:]
    return 2 * x**3 * t**2 - 5 * x * t + x**2 + 3


def falling(power: int, order: int) -> int:
    return math.perm(power, order) if order <= power else 0


def polynomial_derivative(p: Tensor, m: int, n: int) -> Tensor:
    x, t = p[:, :1], p[:, 1:]
    result = torch.zeros_like(x)
    for coefficient, a, b in ((2, 3, 2), (-5, 1, 1), (1, 2, 0), (3, 0, 0)):
        factor = coefficient * falling(a, m) * falling(b, n)
        if factor:
            result = result + factor * x ** (a - m) * t ** (b - n)
    return result


def wave(p: Tensor) -> Tensor:
    return torch.sin(2 * p[:, :1]) * torch.exp(-3 * p[:, 1:])


def wave_derivative(p: Tensor, m: int, n: int) -> Tensor:
    factor = 2.0**m * (-3.0) ** n
    return factor * torch.sin(2 * p[:, :1] + m * math.pi / 2) * torch.exp(-3 * p[:, 1:])


@pytest.mark.parametrize("by", ORDERS, ids="".join)
@pytest.mark.parametrize(
    ("function", "derivative"),
    [(polynomial, polynomial_derivative), (wave, wave_derivative)],
    ids=["polynomial", "sine_times_exponential"],
)
def test_derivatives_equal_the_closed_form(
    function: Callable[[Tensor], Tensor], derivative: Callable[[Tensor, int, int], Tensor], by: tuple[str, ...]
) -> None:
    p = points()
    got = AutogradField(function, p, ["x", "t"]).d(*by)
    assert got.shape == (7, 1)
    torch.testing.assert_close(got, derivative(p, by.count("x"), by.count("t")), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("by", ORDERS, ids="".join)
def test_derivatives_of_a_network_equal_central_differences_of_the_order_below(by: tuple[str, ...]) -> None:
    p, net, step = points(), network(), 1e-5
    *lower, last = by
    shift = step * torch.eye(2, dtype=torch.float64)["xt".index(last)]

    def below(at: Tensor) -> Tensor:
        field = AutogradField(net, at, ["x", "t"])
        return field.d(*lower) if lower else field.value

    difference = (below(p + shift) - below(p - shift)) / (2 * step)
    torch.testing.assert_close(AutogradField(net, p, ["x", "t"]).d(*by), difference, rtol=1e-7, atol=1e-9)


def test_order_of_the_names_does_not_matter() -> None:
    field = AutogradField(network(), points(), ["x", "t"])
    for by in itertools.permutations(("x", "x", "t")):
        assert torch.equal(field.d(*by), field.d("x", "x", "t"))


def test_mixed_partials_taken_in_either_order_agree() -> None:
    net, p = network(), points()
    forwards = AutogradField(net, p, ["x", "t"]).d("x", "t")
    backwards = AutogradField(lambda q: net(q.flip(1)), p.flip(1), ["t", "x"]).d("x", "t")
    torch.testing.assert_close(forwards, backwards, rtol=1e-12, atol=1e-14)


def test_one_reverse_pass_serves_all_derivatives_that_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    grad = torch.autograd.grad

    def counting(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return grad(*args, **kwargs)

    monkeypatch.setattr(torch.autograd, "grad", counting)
    field = AutogradField(network(), points(), ["x", "t"])
    assert calls == 0
    for by, passes in ((("x",), 1), (("t",), 1), (("x",), 1), (("x", "x"), 2), (("t", "x"), 2), (("t", "t"), 3)):
        field.d(*by)
        assert calls == passes, by


@pytest.mark.parametrize("by", [("x",), ("x", "x"), ("x", "t")], ids="".join)
def test_parameter_gradients_of_a_derivative_equal_finite_differences(by: tuple[str, ...]) -> None:
    net, p, step = network(), points(), 1e-6

    def loss() -> Tensor:
        return AutogradField(net, p, ["x", "t"]).d(*by).square().mean()

    gradients = torch.autograd.grad(loss(), list(net.parameters()), allow_unused=True, materialize_grads=True)
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        flat, index = parameter.data.view(-1), 0
        original = flat[index].item()
        flat[index] = original + step
        above = loss().item()
        flat[index] = original - step
        below = loss().item()
        flat[index] = original
        assert gradient.view(-1)[index].item() == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-9)


def test_residual_passes_gradgradcheck() -> None:
    net, p = network(), points(3)

    def second_derivative(at: Tensor) -> Tensor:
        with torch.enable_grad():
            value = net(at)
            return torch.autograd.grad(value.sum(), at, create_graph=True)[0]

    assert torch.autograd.gradcheck(second_derivative, p.requires_grad_())
    first = AutogradField(net, p, ["x", "t"])
    torch.testing.assert_close(second_derivative(p), torch.cat([first.d("x"), first.d("t")], 1))


@pytest.mark.parametrize("by", ORDERS, ids="".join)
@pytest.mark.parametrize(
    "constant",
    [
        lambda p: torch.full((len(p), 1), 3.0, dtype=p.dtype),
        lambda p: torch.full((len(p), 1), 3.0, dtype=p.dtype).requires_grad_(),
        lambda p: p[:, :1].detach() ** 2,
    ],
    ids=["no_gradient", "only_parameters", "detached"],
)
def test_network_without_gradient_by_the_points_has_zero_derivatives(
    constant: Callable[[Tensor], Tensor], by: tuple[str, ...]
) -> None:
    assert torch.equal(AutogradField(constant, points(), ["x", "t"]).d(*by), torch.zeros(7, 1, dtype=torch.float64))


def test_derivatives_beyond_the_degree_of_a_polynomial_are_zero() -> None:
    field = AutogradField(lambda p: 2 * p[:, :1] + 1, points(), ["x", "t"])
    assert torch.equal(field.d("x"), torch.full((7, 1), 2.0, dtype=torch.float64))
    for by in (("t",), ("x", "x"), ("x", "t"), ("x", "x", "x")):
        assert torch.equal(field.d(*by), torch.zeros(7, 1, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_of_the_points_is_kept(dtype: torch.dtype) -> None:
    field = AutogradField(network(dtype), points(dtype=dtype), ["x", "t"])
    assert field.value.dtype == field.d("x").dtype == field.d("x", "x", "t").dtype == dtype


def test_points_of_the_caller_stay_out_of_the_graph() -> None:
    p = points()
    field = AutogradField(network(), p, ["x", "t"])
    field.d("x").sum().backward()
    assert not p.requires_grad
    assert p.grad is None


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_derivatives_are_right_where_gradients_are_switched_off(mode: Callable[[], torch.no_grad]) -> None:
    net, p = network(), points()
    expected = AutogradField(net, p, ["x", "t"]).d("x", "x").detach()
    with mode():
        assert torch.equal(AutogradField(net, p, ["x", "t"]).d("x", "x"), expected)
        assert torch.equal(AutogradField(net, p.clone(), ["x", "t"]).d("x", "x"), expected)
