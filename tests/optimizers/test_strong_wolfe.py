"""The line search ends at a point that meets the conditions, or says why not."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from laaf_lightning.optimizers.strong_wolfe import Found, StrongWolfe, Trial

C1, C2 = 1e-4, 0.1


def _search(
    f: Callable[[torch.Tensor], torch.Tensor], first: float = 1.0, c2: float = C2, max_evaluations: int = 25
) -> tuple[Found, Trial, list[float]]:
    tried: list[float] = []

    def evaluate(length: float) -> Trial:
        tried.append(length)
        alpha = torch.tensor(length, dtype=torch.float64, requires_grad=True)
        value = f(alpha)
        (slope,) = torch.autograd.grad(value, alpha)
        finite = value.item() if math.isfinite(value.item()) else math.inf
        return Trial(length, finite, slope.item(), slope.reshape(1))

    start = evaluate(0.0)
    tried.clear()
    found = StrongWolfe(evaluate, start, c1=C1, c2=c2, max_evaluations=max_evaluations).search(first)
    return found, start, tried


def _meets_wolfe(found: Found, start: Trial, c2: float = C2) -> bool:
    trial = found.trial
    decreases = trial.value <= start.value + C1 * trial.length * start.slope
    return decreases and abs(trial.slope) <= -c2 * start.slope


@settings(deadline=None)
@given(
    minimum=st.floats(1e-3, 1e3), first=st.floats(1e-2, 1e2), wiggle=st.floats(0.0, 0.9), frequency=st.floats(0.1, 5.0)
)
def test_the_conditions_hold_where_no_failure_is_named(
    minimum: float, first: float, wiggle: float, frequency: float
) -> None:
    def f(alpha: torch.Tensor) -> torch.Tensor:
        return (alpha / minimum - 1) ** 2 - wiggle * torch.sin(frequency * alpha / minimum) / frequency

    found, start, tried = _search(f, first, max_evaluations=40)
    assert found.failure is None
    assert _meets_wolfe(found, start)
    assert found.trial.length in tried


def test_a_first_trial_that_serves_is_taken_with_one_evaluation() -> None:
    found, _, tried = _search(lambda alpha: (alpha - 1.05) ** 2)
    assert (found.trial.length, tried) == (1.0, [1.0])


def test_a_quadratic_is_minimised_exactly_once_it_is_bracketed() -> None:
    found, _, tried = _search(lambda alpha: (alpha - 0.3) ** 2, c2=1.1e-4)
    assert found.trial.length == pytest.approx(0.3, abs=1e-9)
    assert len(tried) == 2


def test_values_that_are_not_finite_count_as_too_long() -> None:
    found, start, tried = _search(lambda alpha: (0.1 - alpha).log().mul(-1) - 30 * alpha)
    assert _meets_wolfe(found, start)
    assert 0 < found.trial.length < 0.1 < max(tried)


def test_an_objective_without_a_minimum_ends_at_the_lowest_point_seen() -> None:
    found, _, tried = _search(lambda alpha: -alpha, max_evaluations=6)
    assert tried == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert found.trial.length == 32.0
    assert "unbounded" in str(found.failure)


def test_the_start_is_kept_where_nothing_is_lower() -> None:
    # The slope lies: the values only rise.
    found, start, tried = _search(lambda alpha: alpha.detach() - (alpha - alpha.detach()), max_evaluations=7)
    assert found.trial is start
    assert len(tried) == 7
    assert "within the evaluations" in str(found.failure)


def test_a_bracket_of_rounding_width_ends_the_search() -> None:
    # Never flat: the slope is −1 or 1.
    found, _, tried = _search(lambda alpha: torch.where(alpha < 0.3, 0.3 - alpha, alpha - 0.3), max_evaluations=5000)
    assert found.trial.length == pytest.approx(0.3, rel=1e-15)
    assert "rounding" in str(found.failure)
    assert len(tried) < 500
