"""A value that a forward hands to somebody outside the model is read later, so its slope stays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.activations.folding.models import Net, adapted, check, folded

X = torch.linspace(-2, 2, 24, dtype=torch.float64).reshape(6, 4)
HELD: list[Any] = []
REASON = "a value before it is held outside the model after a forward"


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    yield
    HELD.clear()


def handed(as_what: Callable[[Tensor], Any], net: Any, x: Tensor) -> Tensor:
    h = net.a(x)
    HELD.append(as_what(h))
    return net.act(h)  # type: ignore[no-any-return]


HANDED: dict[str, Callable[[Tensor], Any]] = {
    "itself": lambda h: h,
    "in a dict": lambda h: {"h": [h]},
    "detached": lambda h: h.detach(),
    "a part": lambda h: h[:, :1],
    "as an array": lambda h: h.detach().numpy(),
    "in a closure": lambda h: lambda: h,
}


@pytest.mark.parametrize("name", HANDED)
def test_a_value_that_is_held_elsewhere_keeps_its_slope(name: str) -> None:
    model = adapted(Net(functools.partial(handed, HANDED[name])).double(), X)
    assert check(model, X) == {"act": REASON}


def test_a_value_that_is_held_in_training_alone_keeps_its_slope() -> None:
    model = adapted(Net(lambda net, x: handed(lambda h: h if net.training else None, net, x)).double(), X)
    assert check(model, X) == {"act": REASON}


def test_what_is_held_elsewhere_is_what_it_was_before() -> None:
    model = adapted(Net(functools.partial(handed, HANDED["itself"])).double(), X)
    result, _ = folded(model, X)
    HELD.clear()
    model(X), result(X)
    torch.testing.assert_close(HELD[1], HELD[0])


def with_a_cache(net: Any, x: Tensor) -> Tensor:
    """Makes other operations at the first call than at all others."""
    if not hasattr(net, "table"):
        net.table = torch.ones(4).double().cumsum(0)
    return handed(lambda h: h, net, x + net.table)


def test_a_value_held_by_a_forward_whose_first_call_differs() -> None:
    assert check(adapted(Net(with_a_cache).double(), X), X) == {"act": REASON}
    model: Any = adapted(Net(with_a_cache).double(), X)
    model(X)
    assert "table" in vars(model)
    assert check(model, X) == {"act": REASON}


def in_a_circle(net: Any, x: Tensor) -> Tensor:
    circle: list[Any] = [net.a(x)]
    circle.append(circle)
    return net.act(circle[0])  # type: ignore[no-any-return]


def others_held(net: Any, x: Tensor) -> Tensor:
    y = net.act(net.a(x))
    HELD.append((x, y, net.a.weight))
    return net.b(y)  # type: ignore[no-any-return]


def running(net: Any, x: Tensor) -> Tensor:
    return net.act(net.norm(net.a(x)))  # type: ignore[no-any-return]


@pytest.mark.parametrize("forward", [in_a_circle, others_held, running])
def test_what_is_not_held_or_not_before_a_site_lets_its_slope_fold(forward: Callable[[Any, Tensor], Any]) -> None:
    model = adapted(Net(forward, norm=nn.BatchNorm1d(4)).double(), X)
    assert check(model, X) == {"act": None}
