from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from torch import Tensor

from laaf_lightning import PDE, Burgers, ConfigurationError
from laaf_lightning.derivatives import Field
from laaf_lightning.problems import Condition
from laaf_lightning.solutions.evaluated import parse_names


class Named(PDE):
    """Whatever its coordinates and unknowns are called."""

    def __init__(self, coordinates: Sequence[str], unknowns: Sequence[str]) -> None:
        self.coordinates = tuple(coordinates)  # type: ignore[misc]  # of the instance, so that one class serves all
        self.domain = dict.fromkeys(coordinates, (0.0, 1.0))  # type: ignore[misc]
        self.unknowns = tuple(unknowns)  # type: ignore[misc]

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.value

    def conditions(self) -> Sequence[Condition]:
        return ()


def parts(name: Any, problem: PDE) -> tuple[str, ...]:
    (derivative,) = parse_names([name], problem)
    assert derivative.name == name
    return derivative.unknown, *derivative.by


LONG = Named(("x1", "x10", "a_b", "t"), ("temperature", "temperature_old", "w"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("temperature_x1", ("temperature", "x1")),
        ("temperature_x10", ("temperature", "x10")),
        ("temperature_x1x10t", ("temperature", "x1", "x10", "t")),
        ("temperature_a_b", ("temperature", "a_b")),
        ("temperature_a_b_x1", ("temperature", "a_b", "x1")),
        ("temperature_old", ("temperature_old",)),
        ("temperature_old_t_a_b", ("temperature_old", "t", "a_b")),
        (("w", "t", "a_b"), ("w", "t", "a_b")),
        (("w",), ("w",)),
        ("w", ("w",)),
    ],
)
def test_names_with_long_parts_mean_one_thing(name: Any, expected: tuple[str, ...]) -> None:
    assert parts(name, LONG) == expected


def test_orders_of_the_same_coordinates_are_the_same_derivative() -> None:
    assert [each.order(Burgers()) for each in parse_names("u_xt, u_tx,u_t_x", Burgers())] == [(0, 1)] * 3


@pytest.mark.parametrize(
    ("coordinates", "unknowns", "name", "meanings"),
    [
        (("x", "xx"), ("u",), "u_xx", "('u', 'x', 'x') or ('u', 'xx')"),
        (("x",), ("u", "u_x"), "u_x", "('u_x',) or ('u', 'x')"),
        (("x", "y", "x_y"), ("u",), "u_x_y", "('u', 'x', 'y') or ('u', 'x_y')"),
    ],
)
def test_a_name_of_several_meanings_is_refused_with_all_of_them(
    coordinates: Sequence[str], unknowns: Sequence[str], name: str, meanings: str
) -> None:
    problem = Named(coordinates, unknowns)
    with pytest.raises(ConfigurationError) as raised:
        parse_names([name], problem)
    assert str(raised.value) == f"{name!r} among the names may mean {meanings} in Named: give the tuple that is meant"


@pytest.mark.parametrize("name", ["v", "u_y", "u_", "u_x_", "", ("u", "y"), ("x",), ()])
def test_a_name_that_means_nothing_is_refused_with_what_there_is(name: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"there are u_x, u_t, u_xx, u_xt, u_tt, and so on: an unknown \(u\)"):
        parse_names([name, "q"], Burgers())


@pytest.mark.parametrize("names", [3, None, [1], {"u"}, [["u"], None]])
def test_what_is_no_name_is_refused(names: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"names .* are no names: give a list of strings, such as \['u_x'"):
        parse_names(names, Burgers())
