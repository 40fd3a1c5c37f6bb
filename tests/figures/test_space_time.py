from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import SpaceTimeData
from tests.figures.reading import colour_bar, curve, curves, legend_texts, panels, suptitle, titles

X, T = np.linspace(-1, 1, 32), np.arange(10) / 10
U = np.sin(np.pi * (X - T[:, None]))
U_HAT = U + 0.01 * (1 + T[:, None]) * np.ones(32)


def test_slices_show_both_solutions_at_the_nearest_times() -> None:
    figure = SpaceTimeData(X, T, U_HAT, U, slice_times=(0.21, 0.5, 5.0)).figures()["slices"]
    assert titles(figure) == ["$t$ = 0.2", "$t$ = 0.5", "$t$ = 0.9"]
    for axes, i in zip(panels(figure), (2, 5, 9), strict=True):
        np.testing.assert_array_equal(curves(axes)["exact"], (X, U[i]))
        np.testing.assert_array_equal(curves(axes)["prediction"], (X, U_HAT[i]))
        assert axes.get_xlabel() == "$x$"
    assert panels(figure)[0].get_ylabel() == "$u$"
    assert legend_texts(figure) == ["exact", "prediction"]


def test_by_default_slices_are_taken_at_the_papers_times() -> None:
    t = np.arange(100) / 100
    figure = SpaceTimeData(X, t, np.ones((100, 32))).figures()["slices"]
    assert titles(figure) == ["$t$ = 0.25", "$t$ = 0.5", "$t$ = 0.75"]


def test_times_that_share_a_grid_line_give_one_slice() -> None:
    assert SpaceTimeData(X, T, U, slice_times=(0.5, 0.51, 0.1, 0.5)).slice_indices() == [5, 1]


def test_spectra_are_those_of_the_slices_on_one_scale() -> None:
    figure = SpaceTimeData(X, T, U_HAT, U, slice_times=(0.0, 0.9), max_frequency=7).figures()["spectrum"]
    assert titles(figure) == ["$t$ = 0", "$t$ = 0.9"]
    for axes, i in zip(panels(figure), (0, 9), strict=True):
        for label, u in (("exact", U), ("prediction", U_HAT)):
            k, amplitude = curves(axes)[label]
            np.testing.assert_array_equal(k, np.arange(8))
            np.testing.assert_allclose(amplitude, np.abs(np.fft.fft(u[i]))[:8] / 32, rtol=1e-9, atol=1e-14)
        assert axes.get_yscale() == "log"
    assert len({axes.get_ylim() for axes in panels(figure)}) == 1


def mesh_of(axes: Any) -> tuple[NDArray[Any], Any]:
    mesh = axes.collections[0]
    return np.asarray(mesh.get_array()), mesh


def test_field_maps_both_over_time_and_space_on_one_scale_with_zero_in_the_middle_of_the_colours() -> None:
    figure = SpaceTimeData(X, T, U_HAT, U, slice_times=(0.2, 0.7)).figures()["field"]
    assert titles(figure) == ["exact", "prediction"]
    reach = max(np.abs(U_HAT).max(), np.abs(U).max())
    for axes, expected in zip(panels(figure), (U, U_HAT), strict=True):
        values, mesh = mesh_of(axes)
        np.testing.assert_array_equal(values.reshape(32, 10), expected.T)
        assert (mesh.get_cmap().name, mesh.norm.vmin, mesh.norm.vmax) == ("RdBu_r", -reach, reach)
        assert axes.get_xlabel() == "$t$"
        assert [curve(line)[0][0] for line in axes.get_lines()] == pytest.approx([0.2, 0.7])
        assert axes.get_xlim()[0] == pytest.approx(-0.05)
        assert axes.get_ylim()[1] == pytest.approx(1 + 1 / 31)
    assert panels(figure)[0].get_ylabel() == "$x$"
    assert [axes.get_ylabel() for axes in figure.axes[2:]] == ["$u$"]


def test_positive_solution_stays_on_a_sequential_map_where_its_prediction_overshoots() -> None:
    for axes in panels(SpaceTimeData(X, T, U**2 - 0.05, U**2).figures()["field"]):
        _, mesh = mesh_of(axes)
        assert mesh.get_cmap().name == "viridis"
        assert mesh.norm.vmin == (U**2 - 0.05).min()


def test_field_of_one_sign_uses_the_whole_range_of_its_values() -> None:
    (axes,) = panels(SpaceTimeData(X, T, 2 + U**2).figures()["field"])
    _, mesh = mesh_of(axes)
    assert (mesh.norm.vmin, mesh.norm.vmax) == ((2 + U**2).min(), (2 + U**2).max())


def test_error_maps_the_absolute_difference_on_logarithmic_colours() -> None:
    (axes,) = panels(SpaceTimeData(X, T, U_HAT, U).figures()["error"])
    values, mesh = mesh_of(axes)
    np.testing.assert_allclose(values.reshape(32, 10), np.abs(U_HAT - U).T, rtol=1e-12)
    assert isinstance(mesh.norm, LogNorm)
    assert (mesh.norm.vmin, mesh.norm.vmax) == pytest.approx((0.005, 0.038))
    assert colour_bar(axes).ax.get_ylabel() == r"$|u - u_\mathrm{exact}|$"


def test_without_exact_solution_there_is_no_error_and_no_line_for_it() -> None:
    figures = SpaceTimeData(X, T, U_HAT).figures()
    assert sorted(figures) == ["field", "slices", "spectrum"]
    for name in ("slices", "spectrum"):
        assert legend_texts(figures[name]) == ["prediction"]
    assert titles(figures["field"]) == ["prediction"]


def test_every_figure_has_the_title_or_none() -> None:
    for title in (None, "step 1, $n$ = 2"):
        figures = SpaceTimeData(X, T, U_HAT, U, title=title).figures()
        assert [suptitle(figure) for figure in figures.values()] == [title or ""] * 4


def test_training_points_are_dots_at_their_time_and_place() -> None:
    points = np.array([[-0.5, 0.2], [0.75, 0.9]])
    figures = SpaceTimeData(X, T, U_HAT, U, points=points).figures()
    for name in ("field", "error"):
        drawn = curve(panels(figures[name])[-1].get_lines()[-1])
        np.testing.assert_array_equal(np.stack(drawn[::-1], axis=1), points)


def test_there_is_no_spectrum_on_an_uneven_grid() -> None:
    assert "spectrum" not in SpaceTimeData(X**3, T, U_HAT).figures()


def test_coordinates_have_the_names_they_are_given() -> None:
    figures = SpaceTimeData(X, T, U_HAT, coordinates=("depth", "s")).figures()
    assert panels(figures["slices"])[0].get_xlabel() == "depth"
    assert titles(figures["slices"])[0].startswith("$s$ = ")
    (axes,) = panels(figures["field"])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$s$", "depth")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prediction": U.T}, r"prediction has shape \(32, 10\): expected \(Nt, Nx\) with Nt = 10, Nx = 32"),
        ({"exact": U[:3]}, r"exact has shape \(3, 32\): expected \(Nt, Nx\) with Nt = 10, Nx = 32"),
        ({"x": X[None]}, r"x has shape \(1, 32\): expected \(Nx,\) with Nx >= 1"),
        ({"t": T[:0]}, r"t has shape \(0,\): expected \(Nt,\) with Nt >= 1"),
        ({"slice_times": ()}, "slice_times is empty: expected at least one time"),
        ({"max_frequency": 0}, "max_frequency=0 must be >= 1"),
        ({"points": X[:, None]}, r"points has shape \(32, 1\): expected \(M, d\) with M >= 1, d = 2"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SpaceTimeData(**{"x": X, "t": T, "prediction": U, "exact": U, **arguments})
