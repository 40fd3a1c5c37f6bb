from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import AutogradField, ConstrainedField, Field, KnownFactors, Order, TaylorField
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP
from tests.derivatives.cases import NAMES, UNKNOWNS, derivatives, gradients, nonlinear_loss, points, randomised, up_to

Function = Callable[[Tensor], Tensor]


def one_column(p: Tensor) -> Tensor:
    """cos(2x + 3y) + x³y², for any number of coordinates."""
    x, y = p[:, :1], p[:, -1:]
    return torch.cos(2 * x + 3 * y) + x**3 * y**2


def many_columns(p: Tensor) -> Tensor:
    return torch.cat([one_column(p), torch.exp(p.sum(1, keepdim=True)), p[:, :1] ** 4], dim=1)


def constant(p: Tensor) -> Tensor:
    return torch.full((len(p), 1), 0.5, dtype=p.dtype)


def detached(p: Tensor) -> Tensor:
    return p[:, :1].detach() ** 2


def linear(p: Tensor) -> Tensor:
    return 1 - 2 * p[:, :1]


FACTORS: dict[str, tuple[Function, Function]] = {
    "one_column_each": (one_column, lambda p: torch.sin(one_column(p))),
    "offset_of_many_columns": (many_columns, one_column),
    "factor_of_many_columns": (one_column, many_columns),
    "many_columns_each": (many_columns, lambda p: torch.sin(many_columns(p))),
    "constant_offset": (constant, one_column),
    "detached_offset": (detached, many_columns),
    "linear_offset": (linear, one_column),
    "linear_factor": (one_column, linear),
    "constant_factor": (many_columns, constant),
}


def taylor(network: nn.Module, at: Tensor, names: Any, orders: Any, unknowns: Any) -> Field:
    return TaylorField(network, at, names, orders, unknowns)


def autograd(network: nn.Module, at: Tensor, names: Any, orders: Any, unknowns: Any) -> Field:
    return AutogradField(network, at, names, unknowns)


@pytest.mark.parametrize("orders", [up_to(4, 1), up_to(2, 3), ((0, 0, 1), (0, 1, 1, 2), (2, 2, 2, 2))], ids=str)
@pytest.mark.parametrize("engine", [taylor, autograd])
@pytest.mark.parametrize("name", FACTORS)
def test_derivatives_equal_those_of_the_composed_function(
    name: str, engine: Callable[..., Field], orders: tuple[Order, ...]
) -> None:
    offset, factor = FACTORS[name]
    coordinates = 1 + max(itertools.chain(*orders))
    network = randomised(MLP(coordinates, 3, width=4, depth=2, scope="neuron", n=5))
    at, names = points(coordinates), NAMES[:coordinates]
    known = KnownFactors.at(at, names, orders, offset=offset, factor=factor)
    constrained = ConstrainedField(engine(network, at, names, orders, UNKNOWNS), known)
    oracle = AutogradField(lambda p: offset(p) + factor(p) * network(p), at, names, UNKNOWNS)
    found, expected = derivatives(constrained, orders), derivatives(oracle, orders)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    found_gradients = gradients(nonlinear_loss(found), network)
    for got, value in zip(found_gradients, gradients(nonlinear_loss(expected), network), strict=True):
        assert (got - value).abs().max() <= 1e-10 * max(1.0, value.abs().max().item())


@pytest.mark.parametrize("engine", [taylor, autograd])
def test_conditions_hold_whatever_the_network_is(engine: Callable[..., Field]) -> None:
    network = randomised(MLP(2, 1, width=4, depth=1))
    boundary = torch.tensor([[-1.0, 0.3], [1.0, 0.7]], dtype=torch.float64)
    known = KnownFactors.at(
        boundary, ["x", "t"], [(1,)], offset=lambda p: p[:, 1:] ** 2, factor=lambda p: 1 - p[:, :1] ** 2
    )
    u = ConstrainedField(engine(network, boundary, ["x", "t"], [(1,)], ["u"]), known)
    assert torch.equal(u.value, boundary[:, 1:] ** 2)
    assert torch.equal(u.d("t"), 2 * boundary[:, 1:])


def test_tables_hold_the_closed_form_of_every_lower_order() -> None:
    at = points(2)
    x, t = at[:, :1], at[:, 1:]
    known = KnownFactors.at(
        at, ["x", "t"], [(0, 0, 1)], offset=constant, factor=lambda p: p[:, :1] ** 3 * p[:, 1:] ** 2
    )
    assert known.orders == ((), (0,), (1,), (0, 0), (0, 1), (0, 0, 1))
    expected = (x**3 * t**2, 3 * x**2 * t**2, 2 * x**3 * t, 6 * x * t**2, 6 * x**2 * t, 12 * x * t)
    torch.testing.assert_close(known.factor, expected, rtol=1e-12, atol=1e-14)
    assert torch.equal(known.offset[0], constant(at))
    assert all(torch.equal(table, torch.zeros(6, 1, dtype=torch.float64)) for table in known.offset[1:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tables_have_the_dtype_of_the_points_and_no_graph(dtype: torch.dtype) -> None:
    weight = nn.Parameter(torch.ones(1, dtype=dtype))
    known = KnownFactors.at(
        points(2, dtype=dtype), ["x", "t"], [(0,)], offset=lambda p: weight * many_columns(p), factor=one_column
    )
    for table in (*known.offset, *known.factor):
        assert table.dtype == dtype
        assert not table.requires_grad


def test_rows_of_the_tables_are_the_tables_at_these_points() -> None:
    at, orders = points(2), [(0, 1)]
    known, part = (
        KnownFactors.at(p, ["x", "t"], orders, offset=many_columns, factor=one_column) for p in (at, at[2:5])
    )
    assert known.rows(2, 5).orders == known.orders
    for got, expected in ((known.rows(2, 5).offset, part.offset), (known.rows(2, 5).factor, part.factor)):
        torch.testing.assert_close(got, expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_tables_made_where_gradients_are_switched_off_serve_in_training(mode: Any) -> None:
    network, at, orders = randomised(MLP(2, 3, width=4, depth=1)), points(2), [(0, 0)]
    with mode():
        known = KnownFactors.at(at, ["x", "t"], orders, offset=many_columns, factor=many_columns)
    u = ConstrainedField(TaylorField(network, at, ["x", "t"], orders, UNKNOWNS), known)
    u.d("x", "x").square().sum().backward()
    assert all(p.grad is not None for p in network.parameters() if p.ndim == 2)


def test_one_of_several_unknowns_and_some_rows_are_parts_of_the_whole() -> None:
    network, at, orders = randomised(MLP(2, 3, width=4, depth=1)), points(2), [(0, 1)]
    known = KnownFactors.at(at, ["x", "t"], orders, offset=many_columns, factor=one_column)
    u = ConstrainedField(TaylorField(network, at, ["x", "t"], orders, UNKNOWNS), known)
    assert torch.equal(u["v"].d("x", "t"), u.d("x", "t")[:, 1:2])
    assert torch.equal(u.rows(1, 4)["w"].d("t"), u.d("t")[1:4, 2:])


@pytest.mark.parametrize("engine", [taylor, autograd])
def test_a_derivative_that_was_not_asked_for_is_refused_by_name(engine: Callable[..., Field]) -> None:
    network, at = randomised(MLP(2, 1, width=4, depth=1)), points(2)
    known = KnownFactors.at(at, ["x", "t"], [(0, 0)], offset=constant, factor=one_column)
    u = ConstrainedField(engine(network, at, ["x", "t"], [(0, 0)], ["u"]), known)
    with pytest.raises(ConfigurationError, match=r"u\.d\('x', 't'\) was not asked for when the residual was first run"):
        u.d("t", "x")
