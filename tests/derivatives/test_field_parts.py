from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from laaf_lightning.derivatives import AutogradField, Field, RecordingField, TaylorField
from laaf_lightning.errors import ConfigurationError

POINTS = torch.tensor([[0.5, 1.0], [1.5, -2.0], [2.5, 0.25]], dtype=torch.float64)
ENGINES: dict[str, Callable[[], Field]] = {
    "autograd": lambda: AutogradField(network(), POINTS, ["x", "t"], ["u", "v", "w"]),
    "taylor": lambda: TaylorField(network(), POINTS, ["x", "t"], [(0, 1), (0, 0)], ["u", "v", "w"]),
    "recording": lambda: RecordingField(POINTS @ POINTS.t(), ["x", "t"], ["u", "v", "w"]),
}
DERIVATIVES = [("x",), ("t",), ("x", "x"), ("t", "x")]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3)).double()


@pytest.mark.parametrize("engine", ["autograd", "taylor"])
def test_one_of_several_unknowns_is_its_column(engine: str) -> None:
    fields = ENGINES[engine]()
    for column, name in enumerate(["u", "v", "w"]):
        one = fields[name]
        assert one.unknowns == (name,)
        assert torch.equal(one.value, fields.value[:, column : column + 1])
        assert torch.equal(one[name].value, one.value)
        for by in DERIVATIVES:
            assert torch.equal(one.d(*by), fields.d(*by)[:, column : column + 1])
            assert torch.equal(one[name].d(*by), one.d(*by))


@pytest.mark.parametrize("engine", ["autograd", "taylor"])
def test_unpacking_gives_the_unknowns_in_their_order(engine: str) -> None:
    fields = ENGINES[engine]()
    u, v, w = fields
    assert [field.unknowns for field in (u, v, w)] == [("u",), ("v",), ("w",)]
    assert torch.equal(torch.cat([u * v, w.d("x")], 1), torch.cat([u.value * v.value, fields.d("x")[:, 2:]], 1))


@pytest.mark.parametrize("engine", ["autograd", "taylor"])
def test_rows_are_the_field_at_some_points(engine: str) -> None:
    fields = ENGINES[engine]()
    rows = fields.rows(1, 3)
    assert rows.coordinates == ("x", "t")
    assert rows.unknowns == ("u", "v", "w")
    assert torch.equal(rows.value, fields.value[1:3])
    assert torch.equal(rows.rows(1, 2).value, fields.value[2:3])
    for by in DERIVATIVES:
        assert torch.equal(rows.d(*by), fields.d(*by)[1:3])
        assert torch.equal(rows["v"].d(*by), fields.d(*by)[1:3, 1:2])
        assert torch.equal(fields["v"].rows(1, 3).d(*by), fields.d(*by)[1:3, 1:2])
        assert torch.equal(rows.rows(1, 2)["w"].d(*by), fields.d(*by)[2:3, 2:])


@pytest.mark.parametrize("engine", ENGINES)
def test_an_unknown_that_is_not_sought_names_the_nearest(engine: str) -> None:
    text = r"unknown unknown of the equation 'vv': valid are u, v, w; did you mean 'v'\?"
    fields = ENGINES[engine]()
    for field in (fields, fields.rows(0, 2)):
        with pytest.raises(ConfigurationError, match=text):
            field["vv"]
    with pytest.raises(ConfigurationError, match="unknown unknown of the equation 'u': valid are v"):
        fields["v"]["u"]


@pytest.mark.parametrize("engine", ENGINES)
def test_parts_refuse_unknown_coordinates_too(engine: str) -> None:
    for name, part in (("v", ENGINES[engine]()["v"]), ("u", ENGINES[engine]().rows(0, 2))):
        with pytest.raises(ConfigurationError, match="unknown coordinate 'y': valid are x, t"):
            part.d("x", "y")
        with pytest.raises(ConfigurationError, match=rf"{name}\.d\(\) needs at least one coordinate of x, t"):
            part.d()


def test_gradient_of_one_unknown_by_autograd_takes_no_pass_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    grad = torch.autograd.grad

    def counting(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return grad(*args, **kwargs)

    monkeypatch.setattr(torch.autograd, "grad", counting)
    fields = ENGINES["autograd"]()
    fields.rows(0, 2)["v"].d("x", "x")
    assert calls == 2


def test_recording_field_notes_what_is_asked_of_it_and_of_its_parts() -> None:
    fields = RecordingField(torch.rand(4, 2), ["x", "t"], ["v", "w"])
    assert fields.asked == set()
    v, w = fields
    v.d("t", "x")
    assert fields.asked == {(0, 1)}
    w.rows(0, 2).d("x", "x", "t")
    fields.rows(1, 3)["v"].d("t")
    fields.d("x", "t")
    assert fields.asked == {(0, 1), (0, 0, 1), (1,)}


def test_recording_field_answers_with_numbers_of_the_right_shape() -> None:
    fields = RecordingField(torch.rand(4, 2), ["x", "t"], ["v", "w"])
    assert fields.d("x").shape == (4, 2)
    assert fields["w"].d("x", "t").shape == (4, 1)
    assert fields.rows(1, 3).d("t").shape == (2, 2)
    assert not torch.equal(fields.d("x"), fields.value)
