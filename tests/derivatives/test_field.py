from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import AutogradField, ConstantField, Field
from laaf_lightning.errors import ConfigurationError

POINTS = torch.tensor([[0.5, 1.0], [1.5, -2.0], [2.5, 0.25]], dtype=torch.float64)
BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
OTHERS: dict[str, Any] = {
    "int": 3,
    "float": 1.25,
    "numpy_scalar": np.float64(1.25),
    "column": torch.tensor([[1.5], [2.0], [3.0]], dtype=torch.float64),
    "scalar_tensor": torch.tensor(2.0, dtype=torch.float64),
}


def field() -> Field:
    return AutogradField(lambda p: p[:, :1] ** 2 + 1, POINTS, ["x", "t"])


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
def test_operators_equal_tensor_arithmetic_from_both_sides(op: Callable[[Any, Any], Any], other: str) -> None:
    u, value = field(), OTHERS[other]
    for got, expected in ((op(u, value), op(u.value, value)), (op(value, u), op(value, u.value))):
        assert type(got) is Tensor
        assert torch.equal(got, expected)


@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
def test_operators_between_fields_equal_tensor_arithmetic(op: Callable[[Any, Any], Any]) -> None:
    u, v = field(), AutogradField(lambda p: p[:, 1:] + 3, POINTS, ["x", "t"])
    assert torch.equal(op(u, v), op(u.value, v.value))


@pytest.mark.parametrize("op", [operator.neg, operator.abs], ids=lambda op: op.__name__)
def test_unary_operators_equal_tensor_arithmetic(op: Callable[[Any], Any]) -> None:
    u = AutogradField(lambda p: p[:, 1:], POINTS, ["x", "t"])
    assert torch.equal(op(u), op(u.value))


@pytest.mark.parametrize("function", [torch.sin, torch.exp, torch.tanh, torch.square, torch.sum, torch.abs])
def test_torch_functions_take_the_value(function: Callable[[Any], Tensor]) -> None:
    assert torch.equal(function(field()), function(field().value))


def test_torch_functions_find_fields_among_all_their_arguments() -> None:
    u = field()
    assert torch.equal(torch.where(u.value > 2, u, 0.0), torch.where(u.value > 2, u.value, 0.0))  # type: ignore[call-overload]
    assert torch.equal(torch.mul(u, other=u), u.value**2)  # type: ignore[arg-type]
    assert torch.equal(torch.cat([u, u.d("x")], dim=1), torch.cat([u.value, u.d("x")], dim=1))  # type: ignore[list-item]
    assert torch.equal(torch.clamp(u, max=2.0), u.value.clamp(max=2.0))  # type: ignore[call-overload]


def test_gradient_flows_through_arithmetic() -> None:
    weight = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    u = AutogradField(lambda p: weight * p[:, :1] ** 2, POINTS, ["x", "t"])
    (u * u.d("x")).sum().backward()
    x = POINTS[:, 0]
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, (2 * weight * x**2 * 2 * x).sum().detach())


def test_derivative_by_an_unknown_coordinate_names_the_nearest() -> None:
    u = AutogradField(lambda p: p[:, :1], POINTS, ["space", "time"])
    with pytest.raises(
        ConfigurationError, match=r"unknown coordinate 'tme': valid are space, time; did you mean 'time'\?"
    ):
        u.d("space", "tme")


def test_derivative_by_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"u\.d\(\) needs at least one coordinate of x, t"):
        field().d()


def test_constant_field_has_its_value_everywhere_and_zero_derivatives() -> None:
    constant = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    u = ConstantField(constant, POINTS, ["x", "t"])
    assert torch.equal(u.value, torch.full((3, 1), 1.5, dtype=torch.float64))
    for by in (("x",), ("t",), ("x", "t"), ("x", "x", "x")):
        assert torch.equal(u.d(*by), torch.zeros(3, 1, dtype=torch.float64))


def test_constant_field_passes_the_gradient_of_its_constant() -> None:
    constant = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    u = ConstantField(constant, POINTS, ["x", "t"])
    (u * u + u.d("x")).mean().backward()
    assert constant.grad is not None
    assert constant.grad.item() == pytest.approx(3.0)


def test_constant_field_refuses_an_unknown_coordinate() -> None:
    with pytest.raises(ConfigurationError, match="unknown coordinate 'y': valid are x, t"):
        ConstantField(torch.tensor(1.0), POINTS, ["x", "t"]).d("y")


def test_constant_field_of_several_unknowns_has_one_constant_each() -> None:
    constants = torch.tensor([1.5, -2.0], dtype=torch.float64, requires_grad=True)
    u = ConstantField(constants, POINTS, ["x", "t"], ["v", "w"])
    assert torch.equal(u.value, constants.expand(3, 2))
    assert torch.equal(u["w"].value, torch.full((3, 1), -2.0, dtype=torch.float64))
    assert torch.equal(u.d("x", "t"), torch.zeros(3, 2, dtype=torch.float64))
    assert torch.equal(u["v"].d("x"), torch.zeros(3, 1, dtype=torch.float64))
    (gradient,) = torch.autograd.grad((u["v"] * u["w"]).mean(), constants)
    assert gradient.tolist() == [-2.0, 1.5]


def test_constant_field_has_one_constant_for_all_unknowns_too() -> None:
    u = ConstantField(torch.tensor(1.5), POINTS, ["x", "t"], ["v", "w"])
    assert torch.equal(u.value, torch.full((3, 2), 1.5))


def test_a_derivative_written_as_one_word_is_told_in_its_letters() -> None:
    with pytest.raises(ConfigurationError, match=r"^unknown coordinate 'xxt': write d\('x', 'x', 't'\)$"):
        AutogradField(lambda points: points[:, :1], torch.zeros(3, 2), ("x", "t")).d("xxt")
