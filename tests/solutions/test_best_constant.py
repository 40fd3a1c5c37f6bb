from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from laaf_lightning.solutions.best_constant import smallest_value


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(0.01, 100), st.floats(-5, 5))
def test_bottom_of_a_parabola_is_found_inside_and_outside_the_interval(at: float, width: float, floor: float) -> None:
    value = smallest_value(lambda c: width * (c - at) ** 2 + floor, number(-1.0), number(0.5))
    assert value.item() == pytest.approx(floor, abs=1e-9)


@pytest.mark.parametrize("tilt", [-0.1, 0.1])
def test_the_deeper_of_two_valleys_is_found(tilt: float) -> None:
    def loss(c: Tensor) -> Tensor:
        return (c**2 - 1) ** 2 + tilt * c

    scan = loss(torch.linspace(-2, 2, 400_001, dtype=torch.float64)).min()
    assert smallest_value(loss, number(-1.2), number(1.2)).item() == pytest.approx(scan.item(), abs=1e-9)


def test_values_that_are_not_finite_are_passed_over() -> None:
    value = smallest_value(lambda c: c - c.log(), number(-1.0), number(2.0))
    assert value.item() == pytest.approx(1.0, abs=1e-9)


def test_search_that_leaves_the_domain_does_not_lose_what_the_scan_found() -> None:
    value = smallest_value(torch.sqrt, number(-1.0), number(2.1))
    step = 3 * 3.1 / 128
    assert 0 <= value.item() <= step**0.5


def test_equal_ends_still_leave_room_to_search() -> None:
    assert smallest_value(lambda c: (c - 0.7) ** 2, number(0.0), number(0.0)).item() == pytest.approx(0, abs=1e-12)


def test_it_works_where_gradients_are_switched_off() -> None:
    with torch.no_grad():
        assert smallest_value(lambda c: (c - 0.3) ** 2, number(0.0), number(1.0)).item() < 1e-12
    with torch.inference_mode():
        assert smallest_value(lambda c: (c - 0.3) ** 2, number(0.0), number(1.0)).item() < 1e-12
