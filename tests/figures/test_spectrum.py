from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from laaf_lightning.figures.canvas import new_figure
from laaf_lightning.figures.spectrum import amplitudes, draw_spectra, is_equispaced
from tests.figures.reading import curves


@pytest.mark.parametrize("count", [1, 2, 7, 8, 33])
def test_amplitudes_are_those_of_the_sum_that_defines_them(count: int) -> None:
    u = np.random.default_rng(count).standard_normal((3, count))
    j = np.arange(count)
    expected = np.stack(
        [np.abs((u * np.exp(-2j * np.pi * j * k / count)).sum(axis=1)) / count for k in range(count // 2 + 1)], axis=1
    )
    np.testing.assert_allclose(amplitudes(u), expected, rtol=0, atol=1e-14)


def test_amplitudes_of_float32_are_computed_in_float64() -> None:
    u = np.cos(2 * np.pi * np.arange(64) / 64).astype(np.float32)
    assert amplitudes(u).dtype == np.float64
    np.testing.assert_allclose(amplitudes(u)[:3], [0, 0.5, 0], rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.linspace(-3, 3, 1000), True),
        (np.linspace(-3, 3, 1000, dtype=np.float32), True),
        (np.linspace(1, -1, 50), True),
        (np.array([0.0, 1.0]), True),
        (np.array([0.0, 1.0, 2.1]), False),
        (np.geomspace(1, 2, 50), False),
        (np.array([1.0]), False),
        (np.array([1.0, 1.0, 1.0]), False),
        (np.arange(5), True),
    ],
)
def test_equispaced_grids_are_told_from_others(x: NDArray[Any], expected: bool) -> None:
    assert is_equispaced(x) is expected


def test_spectra_show_the_low_indices_on_one_logarithmic_axis_in_all_panels() -> None:
    impulse = np.eye(64)[5]  # all indices are as loud
    loud, quiet = 64 * impulse, 0.064 * impulse
    _, axes = new_figure(columns=2, panel=(2, 2), share=True)
    draw_spectra([(axes[0], [(quiet, {"label": "u"})]), (axes[1], [(loud, {"label": "u"})])], max_frequency=8)
    for panel, u in zip(axes, (quiet, loud), strict=True):
        k, amplitude = curves(panel)["u"]
        np.testing.assert_array_equal(k, np.arange(9))
        np.testing.assert_allclose(amplitude, np.abs(np.fft.rfft(u))[:9] / 64, rtol=0, atol=1e-15)
        assert panel.get_yscale() == "log"
        assert panel.get_ylim() == pytest.approx((0.0005, 2.0))
        assert panel.get_xlim() == (0, 8)
        assert panel.get_xlabel() == "index $k$"


def test_mean_of_zero_but_for_rounding_does_not_stretch_the_axis() -> None:
    x = np.arange(64) / 64
    u = np.sin(2 * np.pi * x) + 0.1 * np.random.default_rng(0).standard_normal(64)
    _, (axes,) = new_figure(panel=(2, 2))
    draw_spectra([(axes, [(u - u.mean(), {"label": "u"})])], max_frequency=20)
    assert axes.get_ylim()[0] > 1e-5


def test_index_beyond_the_last_is_not_drawn() -> None:
    _, (axes,) = new_figure(panel=(2, 2))
    draw_spectra([(axes, [(np.arange(6.0), {"label": "u"})])], max_frequency=50)
    assert curves(axes)["u"][0].tolist() == [0, 1, 2, 3]
