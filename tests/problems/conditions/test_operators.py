"""What operators of conditions are called with, however their arguments stand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.operators import Columns, NoNormals, asked_by

COEFFICIENTS: dict[str, Any] = {"h": 1.0, "k": 2.0}
GIVEN: dict[str, Any] = {"x": "x", "u": "u", "normal": "n", "x_partner": "xp", "u_partner": "up"}


def call(function: Callable[..., Any], *, paired: bool = False, **changed: Any) -> Any:
    return asked_by(function, ("h", "k"), "the condition", paired=paired)(GIVEN | changed, COEFFICIENTS)


def positional(x: Any, u: Any, /, h: Any, normal: Any) -> Any:
    return x, u, normal, h


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda x, u, h, normal: (x, u, normal, h), ("x", "u", "n", 1.0)),
        (lambda x, h, u, normal: (x, u, normal, h), ("x", "u", "n", 1.0)),
        (lambda h, x, u, n: (x, u, n, h), ("x", "u", "n", 1.0)),
        (lambda x, u, scale=3.0, normal=None: (x, u, normal, scale), ("x", "u", "n", 3.0)),
        (positional, ("x", "u", "n", 1.0)),
        (partial(lambda x, u, q, normal: (x, u, normal, q), q=5.0), ("x", "u", "n", 5.0)),
        (lambda x, u, *, normal, h: (x, u, normal, h), ("x", "u", "n", 1.0)),
    ],
)
def test_coefficients_and_defaults_may_stand_between(function: Callable[..., Any], got: tuple[Any, ...]) -> None:
    assert call(function) == got


def test_of_paired_places_too() -> None:
    def operator(x: Any, u: Any, k: Any, x_partner: Any, u_partner: Any, normal: Any) -> Any:
        return x, u, x_partner, u_partner, normal, k

    assert call(operator, paired=True) == ("x", "u", "xp", "up", "n", 2.0)


def test_a_default_for_normals_holds_where_a_place_has_none() -> None:
    none = NoNormals("the condition")
    assert call(lambda x, u, normal=None: normal, normal=none) is None
    assert call(lambda x, u, h, normal=7: (normal, h), normal=none) == (7, 1.0)
    assert call(lambda x, u, normal: normal, normal=none) is none


def test_u_before_x_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"the condition takes u before x: it is called as operator\(x, u, …\)"
    ):
        call(lambda u, x: u)


def test_columns_are_looked_up_by_names_alone() -> None:
    columns = Columns({"x": torch.zeros(1, 1)}, "the operator")
    for index in (0, (slice(None), slice(0, 1)), "y"):
        with pytest.raises(ConfigurationError, match=r"unknown coordinate in the operator .*: valid are x"):
            columns[index]  # type: ignore[index]
