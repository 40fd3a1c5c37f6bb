from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field, JetField, RecordingField
from laaf_lightning.errors import ConfigurationError

VALUE = torch.tensor([[-1.0, 2.0], [0.0, 0.5], [3.0, -0.25]])


def field() -> Field:
    return JetField({(): VALUE, (0,): 2 * VALUE}, [(), (0,)], ["x", "t", "time"], ["p", "q"])


OPERATORS: list[Callable[[Any, Any], Any]] = [
    operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
]  # fmt: skip


@pytest.mark.parametrize("of", OPERATORS)
@pytest.mark.parametrize("other", [2.0, torch.tensor([[2.0, 3.0]]), field()], ids=["number", "tensor", "field"])
def test_operators_are_those_of_the_value_from_both_sides(of: Callable[[Any, Any], Any], other: Any) -> None:
    plain = other.value if isinstance(other, Field) else other
    for found, expected in ((of(field(), other), of(VALUE, plain)), (of(other, field()), of(plain, VALUE))):
        assert type(found) is Tensor
        torch.testing.assert_close(found, expected, equal_nan=True)


def test_a_comparison_with_zero_tells_every_point() -> None:
    assert (field() == 0).tolist() == [[False, False], [True, False], [False, False]]
    chosen = torch.where(field() > 0, +field(), 0.0)
    assert torch.equal(chosen, VALUE.clamp(min=0))


@pytest.mark.parametrize(
    "of",
    [
        operator.pos, operator.neg, abs, len, torch.sin,
        lambda u: u.square(), lambda u: u.exp(), lambda u: u.clamp(min=0), lambda u: u.mean(dim=0, keepdim=True),
        lambda u: u[:, 0:1], lambda u: u[0], lambda u: u[VALUE > 0], lambda u: u[..., -1],
        lambda u: u @ torch.ones(2, 1), lambda u: u.shape, lambda u: u.dtype, lambda u: u.device, lambda u: u.T,
        lambda u: u.detach(), lambda u: u.sum(),
        lambda u: torch.cat([torch.as_tensor(u[:, :1]), u[:, 1:]], dim=1), lambda u: u.new_zeros(2),
    ],
)  # fmt: skip
def test_methods_and_indices_are_those_of_the_value(of: Callable[[Any], Any]) -> None:
    found, expected = of(field()), of(VALUE)
    assert type(found) is type(expected)
    assert torch.equal(found, expected) if isinstance(expected, Tensor) else found == expected


def test_a_single_value_is_a_number_and_several_are_no_truth() -> None:
    assert float(JetField({(): torch.tensor([[2.5]])}, [()], ["x"])) == 2.5
    with pytest.raises(RuntimeError, match="more than one value is ambiguous"):
        bool(field())


def test_an_index_by_name_is_an_unknown_with_its_derivatives() -> None:
    assert torch.equal(field()["q"].d("x"), 2 * VALUE[:, 1:])
    with pytest.raises(ConfigurationError, match="unknown of the equation 'r'"):
        field()["r"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("u_x", r"u has no attribute 'u_x': its derivatives are u\.d\('x'\)"),
        ("u_xt", r"u has no attribute 'u_xt': its derivatives are u\.d\('x', 't'\)"),
        ("u_time", r"u has no attribute 'u_time': its derivatives are u\.d\('time'\)"),
        ("x", r"its derivatives are u\.d\('x'\)"),
        ("sqare", r"'JetField' has no attribute 'sqare': it has d\(…\) and what a tensor has"),
        ("mul_", r"u\.mul_\(\) would change u in place: write u\.mul\(\), which does not"),
    ],
)
def test_what_there_is_not_is_told_with_what_to_write(name: str, sentence: str) -> None:
    with pytest.raises(AttributeError, match=sentence):
        getattr(field(), name)
    assert not hasattr(field(), "__array__")


def test_messages_name_the_unknown_that_was_asked() -> None:
    for part in (field(), field()["p"]):
        with pytest.raises(ConfigurationError, match=r"^the derivative by 't' of p, q was not asked for"):
            part.d("t")
    with pytest.raises(ConfigurationError, match=r"^p\.d\('x'\) was not asked for"):
        JetField({(): VALUE[:, :1]}, [()], ["x"], ["p"]).d("x")
    with pytest.raises(ConfigurationError, match=r"^q\.d\(\) needs at least one coordinate of x, t, time"):
        field()["q"].d()


def test_fields_are_told_apart_by_identity_where_they_are_keys() -> None:
    one, other = field(), field()
    assert len({one: 1, other: 2}) == 2


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda u: pickle.loads(pickle.dumps(u))])
def test_copies_are_fields_with_the_same_values(copied: Callable[[Field], Field]) -> None:
    twin = copied(field())
    assert torch.equal(twin.value, VALUE)
    assert torch.equal(twin.d("x"), 2 * VALUE)


def test_a_dry_run_sees_derivatives_through_all_of_it() -> None:
    u = RecordingField(torch.rand(4, 1), ["x", "t"])
    _ = (u.square() + u.d("x").exp() > 0) * u[:, 0:1] + (+u) * u.d("t", "t")
    assert u.asked == {(0,), (1, 1)}


@pytest.mark.slow
def test_it_traces_without_a_graph_break() -> None:
    def residual(value: Tensor, slope: Tensor) -> Tensor:
        u = JetField({(): value, (0,): slope}, [(), (0,)], ["x"])
        return torch.where(u > 0, u.square(), u.exp()) + (+u) * u.d("x") - u[:, 0:1]

    arguments = torch.randn(6, 1), torch.randn(6, 1)
    compiled = torch.compile(residual, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*arguments), residual(*arguments))
    torch.compiler.reset()
