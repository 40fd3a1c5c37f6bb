from __future__ import annotations

from typing import Any

import pytest

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import AllenCahn, Burgers, Heat, Helmholtz, InverseBurgers
from laaf_lightning.solutions.scales.inputs import input_scale
from laaf_lightning.solutions.scales.outputs import output_scale
from tests.solutions.scales.rod import Rod


@pytest.mark.parametrize("problem", [AllenCahn(), Burgers(), Heat(), Helmholtz(), InverseBurgers()], ids=type)
def test_the_paper_s_problems_stay_as_they_are(problem: Any) -> None:
    assert input_scale(problem, "auto") is None
    assert output_scale(problem) is None


@pytest.mark.parametrize(
    ("length", "mapped"), [(2.0, False), (2.1, True), (1.0, False), (0.2, False), (0.19, True), (1e6, True)]
)
def test_a_coordinate_is_mapped_where_it_is_long_or_short(length: float, mapped: bool) -> None:
    scale = input_scale(Rod(length), "auto")
    assert (scale is not None) == mapped
    if scale is not None:
        assert scale.center.item() == pytest.approx(length / 2)
        assert scale.half_range.item() == pytest.approx(length / 2)


def test_only_the_coordinates_that_need_it_are_mapped() -> None:
    class Long(Burgers):
        domain = {"x": (-1.0, 1.0), "t": (0.0, 600.0)}  # noqa: RUF012

    scale = input_scale(Long(), "auto")
    assert scale is not None
    assert (scale.center.tolist(), scale.half_range.tolist()) == ([0.0, 300.0], [1.0, 300.0])


def test_all_are_mapped_and_none_where_that_is_asked_for() -> None:
    scale = input_scale(Burgers(), True)
    assert scale is not None
    assert (scale.center.tolist(), scale.half_range.tolist()) == ([0.0, 0.5], [1.0, 0.5])
    assert input_scale(Rod(1e6), False) is None


@pytest.mark.parametrize("setting", ["yes", 1, None])
def test_another_setting_is_refused(setting: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"scale_inputs=.* must be 'auto', True or False"):
        input_scale(Rod(), setting)
