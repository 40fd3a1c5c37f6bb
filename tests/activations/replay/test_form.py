from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest
import torch
from torch import nn

from laaf_lightning.activations.recording.example import Example
from laaf_lightning.activations.replay.form import check_form, examples_like, form_of

Pair = namedtuple("Pair", "x y")
LINEAR = nn.Linear(2, 2)
NESTED = Example(
    (torch.ones(5, 2), [torch.arange(5), (None, True, 2)]), {"scale": 0.5, "more": {1: torch.ones(5, 1) > 0, "s": "x"}}
)


def made(example: Example, model: nn.Module = LINEAR) -> list[Example]:
    form = form_of(example)
    assert form is not None
    return [*examples_like(form, model)]


def test_an_example_has_the_nest_the_shapes_and_the_plain_values() -> None:
    few, whole = made(NESTED)
    (x, (places, rest)), named = whole
    assert x.shape == (5, 2)
    assert x.dtype == torch.float32
    assert abs(float(x.mean())) < 1.5 and float(x.std()) > 0.3  # noqa: PT018
    assert torch.equal(places, torch.zeros(5, dtype=torch.int64))
    assert rest == (None, True, 2)
    assert named["scale"] == 0.5
    assert torch.equal(named["more"][1], torch.ones(5, 1, dtype=torch.bool))
    assert named["more"]["s"] == "x"
    assert [len(few.positional[0]), len(few.positional[1][0]), len(few.named["more"][1])] == [2, 2, 2]


@pytest.mark.parametrize("shapes", [[(2, 3)], [(4, 3), (5, 3)], [(4, 3), ()], []])
def test_only_batches_of_one_size_are_cut_to_few_samples(shapes: list[tuple[int, ...]]) -> None:
    (whole,) = made(Example(tuple(torch.ones(shape) for shape in shapes), {}))
    assert [tuple(each.shape) for each in whole.positional] == shapes


def test_the_numbers_are_always_the_same_and_move_no_random_state() -> None:
    before = torch.get_rng_state()
    one, other = made(NESTED), made(NESTED)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one[1].positional[0], other[1].positional[0])


def test_floating_tensors_get_the_precision_of_the_model() -> None:
    (example,) = made(Example((torch.ones(2).half(), torch.ones(2).to(torch.complex64)), {}), nn.Linear(1, 1).double())
    assert [each.dtype for each in example.positional] == [torch.float64, torch.complex64]
    (example,) = made(Example((torch.ones(2).half(),), {}), nn.ReLU())
    assert example.positional[0].dtype == torch.float16


def deep(depth: int) -> Any:
    return [deep(depth - 1)] if depth else None


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Pair(1, 2),
        {1: [b"x"]},
        {(1, 2): 3},
        torch.eye(2).to_sparse(),
        torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
        torch.ones(1).expand(2**15, 2**15),
        "x" * 5000,
        [0] * 5000,
        deep(40),
    ],
)
def test_anything_else_and_too_much_has_no_form(value: Any) -> None:
    assert form_of(Example((torch.ones(1), value), {})) is None
    assert form_of(Example((), {"value": value})) is None


DAMAGED: list[Any] = [
    {"tensor": ["float32", 10**12]},
    {"tensor": ["float32", 0, 10**30]},
    {"tensor": ["float32", 2**20, 2**20, 2**24]},
    {"tensor": ["float32", -1]},
    {"tensor": ["float32", 2.0]},
    {"tensor": ["float32", *[1] * 99]},
    {"tensor": ["exec", 1]},
    {"tensor": []},
    {"tensor": 3},
    {"set": [1]},
    {"list": [], "tuple": []},
    {"list": [{"tensor": ["bool", 2**27]}] * 3},
    {"dict": [[{"list": []}, 1]]},
    {"dict": [1]},
]


@pytest.mark.parametrize(
    "form",
    [
        7,
        "tuple",
        {"tuple": []},
        {"tuple": [{"tuple": []}, {"dict": [[1, 2]]}]},
        {"tuple": [{"tuple": [object()]}, {"dict": []}]},
        *({"tuple": [{"tuple": [each]}, {"dict": []}]} for each in DAMAGED),
    ],
)
def test_a_damaged_or_absurd_form_is_refused(form: Any) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        check_form(form)
    assert len(str(refused.value)) < 200


def test_parts_that_stand_in_one_another_many_times_are_refused_soon() -> None:
    part: Any = None
    for _ in range(15):
        part = {"list": [part] * 50}
    with pytest.raises(ValueError, match="too many parts"):
        check_form({"tuple": [{"tuple": [part]}, {"dict": []}]})
