from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Condition, Dirichlet, FaceCondition, Neumann, Periodic, Robin

KINDS = [Dirichlet, Neumann, Robin]


def points(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], dtype=dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), np.array(2.0), torch.tensor(2.0)])
def test_a_number_is_prescribed_everywhere(kind: type[FaceCondition], value: Any) -> None:
    for dtype in (torch.float32, torch.float64):
        prescribed = kind("face", ("x", 0.0), value).target(points(dtype))
        assert (prescribed.tolist(), prescribed.dtype) == ([[2.0]] * 3, dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "value",
    [
        lambda p: p[:, :1],
        lambda p: p[:, 0],
        lambda p: p.numpy()[:, 0],
        lambda p: p.numpy()[:, :1].astype(np.float32),
        lambda p: p[:, 0].tolist(),
    ],
)
def test_a_function_may_give_a_column_or_a_row_of_numbers(kind: type[FaceCondition], value: Callable[..., Any]) -> None:
    assert kind("face", ("x", 0.0), value).target(points()).tolist() == [[0.0], [2.0], [4.0]]


def test_a_column_that_a_function_gives_is_left_as_it_is() -> None:
    column = torch.zeros(3, 1)
    assert Dirichlet("face", ("x", 0.0), lambda p: column).target(points()) is column


@pytest.mark.parametrize("given", [3.0, np.full(3, 3.0), [3, 3, 3], torch.full((3,), 3.0), torch.full((3, 1), 3.0)])
def test_a_condition_of_ones_own_may_give_them_too(given: Any) -> None:
    class Own(Dirichlet):
        def target(self, points: Tensor) -> Tensor:
            values: Tensor = given
            return values

    condition: Condition = Own("own", ("x", 0.0), 0.0)
    assert condition.prescribed(points()).tolist() == [[3.0]] * 3


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda p: p, r"^the value of the condition 'face' has shape \(3, 2\) at 3 points: it must be a number, or of"),
        (lambda p: p[:2, 0], r"'face' has shape \(2,\) at 3 points: .* of shape \(3, 1\) or \(3,\)$"),
        (lambda p: np.zeros((1, 3)), r"'face' has shape \(1, 3\) at 3 points"),
        (
            lambda p: None,
            r"^the value of the condition 'face' is None \(a function without return gives None\): it must",
        ),
        (lambda p: "0", r"^the value of the condition 'face' is '0': it must be real numbers"),
    ],
)
def test_what_a_function_cannot_mean_is_refused(value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Dirichlet("face", ("x", 0.0), value).target(points())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0", r"^the value of the condition 'face' is '0': it must be real numbers"),
        (None, r"^the value of the condition 'face' is None"),
        (
            np.zeros(4),
            r"has shape \(4,\), and its points are drawn anew: give a number, or a function of the points .*Poi",
        ),
        ([0.0, 1.0], r"has shape \(2,\), and its points are drawn anew"),
        (
            torch.nn.Tanh,
            "^the value of the condition 'face' is the class Tanh: give a number, or a function of the poin",
        ),
    ],
)
def test_values_that_are_neither_numbers_nor_functions_are_refused_where_they_are_given(
    kind: type[FaceCondition], value: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        kind("face", ("x", 0.0), value)


@pytest.mark.parametrize("at", ["t", "t0", ("t",), ("t", "0"), ("t", None), (0, 0.0), {"t": 0.0}, 0.0, ("t", 0.0, 1.0)])
@pytest.mark.parametrize("kind", KINDS)
def test_places_that_are_no_pair_are_refused(kind: type[FaceCondition], at: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^at=.* of the condition 'face' must be .*, such as at=\('t', 0.0\)$"
    ):
        kind("face", at, 0.0)


@pytest.mark.parametrize("at", [["t", 0], ("t", np.float64(0)), ("t", np.int32(0))])
def test_places_may_be_lists_and_numpys_numbers(at: Any) -> None:
    assert Dirichlet("face", at, 0.0).place(points(), ("x", "t"))[:, 1].tolist() == [0.0] * 3


@pytest.mark.parametrize("faces", ["01", "x", (0.0,), (0.0, "1"), 1.0, None, (0.0, 1.0, 2.0)])
def test_faces_that_are_no_pair_of_numbers_are_refused(faces: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^faces=.* of the condition 'ring' must be the two values of its coor"
    ):
        Periodic("ring", "x", faces)


@pytest.mark.parametrize("order", [-1, 1.5, "1", True, None])
def test_an_order_that_is_none_is_refused(order: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^order=.* of the condition 'around' must be a whole number >= 0"):
        Periodic("around", "x", (0.0, 1.0), order=order)


@pytest.mark.parametrize("factors", [{"of_value": "1"}, {"of_derivative": lambda points: points}, {"of_value": None}])
def test_a_factor_that_is_no_number_is_refused_with_the_general_form(factors: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^of_.* of the condition 'side' must be a number; .* write Cond"):
        Robin("side", ("x", 0.0), 0.0, **factors)


def test_a_value_that_fails_is_told_what_it_is_called_with() -> None:
    side = Dirichlet("side", ("x", 0.0), lambda points: points["x"])  # type: ignore[index]
    with pytest.raises(
        ConfigurationError, match=r"of the condition 'side' fails at points of shape \(3, 2\), \w+Error"
    ):
        side.target(torch.zeros(3, 2))
