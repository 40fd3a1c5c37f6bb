from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from laaf_lightning.derivatives import InputScale, OutputScale
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP
from laaf_lightning.problems import Burgers
from laaf_lightning.solutions import Solution, best_constant_loss
from laaf_lightning.solutions.scales.probe import ProbeField
from laaf_lightning.solutions.scales.term_units import TermUnits
from tests.solutions.scales.rod import Rod, batch_of


def network_of(problem: Rod, *, scaled: bool = True) -> MLP:
    torch.manual_seed(0)
    half = problem.length / 2
    scales: Any = {
        "input_scale": InputScale([half], [half]),
        "output_scale": OutputScale([problem.base], [problem.rise]),
    }
    return MLP(1, 1, width=4, depth=1, **(scales if scaled else {})).double()


def test_units_follow_length_and_rise_as_the_terms_do() -> None:
    small, large = (TermUnits.of(problem, network_of(problem)) for problem in (Rod(), Rod(1e6, 300.0, 20.0)))
    assert small.residual is not None
    assert small.conditions is not None
    assert large.residual is not None
    assert large.conditions is not None
    # 1/U of u″ goes as L² / rise, of u as 1 / rise, of u′ as L / rise.
    torch.testing.assert_close(large.residual / small.residual, torch.tensor([1e12 / 300]), rtol=1e-3, atol=0)
    torch.testing.assert_close(
        large.conditions / small.conditions, torch.tensor([1 / 300, 1e6 / 300]), rtol=1e-3, atol=0
    )


def test_the_loss_is_the_same_number_in_all_units() -> None:
    problems = Rod(), Rod(1e6, 300.0, 20.0), Rod(1e-6, 1e-3, -5.0)
    terms = [Solution(problem, network_of(problem)).loss_terms(batch_of(problem)) for problem in problems]
    for other in terms[1:]:
        assert list(other) == ["residual", "left", "right"]
        for name, term in other.items():
            torch.testing.assert_close(term, terms[0][name], rtol=1e-3, atol=1e-12)


def test_terms_are_those_without_units_over_their_squares() -> None:
    problem = Rod(1e3, 20.0)
    with_units, without = (
        Solution(problem, network_of(problem), units=units)
        for units in (None, TermUnits.of(problem, network_of(problem), False))
    )
    batch = batch_of(problem)
    found, plain = with_units.loss_terms(batch), without.loss_terms(batch)
    units = with_units.units
    assert units.residual is not None
    assert units.conditions is not None
    over = dict(zip(("residual", "left", "right"), [*units.residual, *units.conditions], strict=True))
    for name, factor in over.items():
        torch.testing.assert_close(found[name], plain[name] * factor.double() ** 2, rtol=1e-6, atol=0)
    assert torch.equal(with_units.residual(batch.residual_points), without.residual(batch.residual_points))


def test_without_scales_there_are_none_and_terms_are_untouched() -> None:
    units = TermUnits.of(Rod(), network_of(Rod(), scaled=False))
    values = torch.rand(3, 1)
    assert not units.are_there
    assert units.of_residual(values) is values
    assert units.of_misfit(values, {"left": 3}) is values
    assert not units.state_dict()


def test_units_do_not_hang_on_chance_nor_on_the_network_s_weights() -> None:
    first = TermUnits.of(Rod(1e3), network_of(Rod(1e3)))
    torch.manual_seed(7)
    other = MLP(1, 1, width=9, depth=3, input_scale=InputScale([500.0], [500.0])).double()
    other.output_scale = OutputScale([0.0], [1.0])
    second = TermUnits.of(Rod(1e3), other)
    assert torch.equal(first.residual, second.residual)  # type: ignore[arg-type]


def test_asked_for_without_scales_they_are_those_that_would_be_taken() -> None:
    problem = Rod(1e6, 300.0, 300.0)
    units = TermUnits.of(problem, network_of(problem, scaled=False), True)
    torch.testing.assert_close(units.residual, TermUnits.of(problem, network_of(problem)).residual)


def test_a_term_that_does_not_depend_on_u_has_the_unit_one() -> None:
    class Given(Rod):
        def residual(self, x: Any, u: Any, **coefficients: Any) -> Any:
            return torch.cat([u.d("x"), 0 * u.value + 7], dim=1)

    units = TermUnits.of(Given(1e3), network_of(Rod(1e3)))
    assert units.residual is not None
    assert units.residual[1] == 1
    assert units.residual[0] > 100


def test_another_setting_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="scale_terms='no' must be 'auto', True or False"):
        TermUnits.of(Rod(), network_of(Rod()), "no")  # type: ignore[arg-type]


def test_the_best_constant_is_found_in_any_units() -> None:
    losses = []
    for problem in (Rod(1.0, 1.0, 2.0), Rod(1e6, 1e-7, 2e-7), Rod(1e6, 1e5, 2e5)):
        loss = best_constant_loss(Solution(problem, network_of(problem)), batch_of(problem), 1.0, 1.0)
        assert loss is not None
        losses.append(loss.item())
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-3)
    assert losses[0] > 0


def test_derivatives_of_a_probe_are_those_of_its_values() -> None:
    points = torch.rand(20, 2, dtype=torch.float64)

    def u(points: torch.Tensor) -> torch.Tensor:
        return ProbeField(Burgers(), points, InputScale([0.0, 1.0], [3.0, 0.5]), OutputScale([4.0], [5.0]), 1).value

    field = ProbeField(Burgers(), points, InputScale([0.0, 1.0], [3.0, 0.5]), OutputScale([4.0], [5.0]), 1)
    step = torch.tensor([1e-5, 0.0], dtype=torch.float64)
    by_x = (u(points + step) - u(points - step)) / 2e-5
    torch.testing.assert_close(field.d("x"), by_x, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(field.d("t", "t"), -((math.pi / 2 / 0.5) ** 2) * (field.value - 4), rtol=1e-9, atol=1e-9)
