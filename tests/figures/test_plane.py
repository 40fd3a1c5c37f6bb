from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import Drawable, PlaneData, image_of
from tests.figures.reading import colour_bar, curve, panels, suptitle, titles
from tests.figures.test_bad_values import FILLS

X, Y = np.linspace(-1, 1, 32), np.linspace(0, 2, 10)
U = np.sin(np.pi * X) * (Y[:, None] - 0.8)
U_HAT = U + 0.01 * (1 + Y[:, None]) * np.ones(32)


def mesh_of(axes: Axes) -> tuple[NDArray[Any], Any]:
    mesh: Any = axes.collections[0]
    return np.asarray(mesh.get_array()).reshape(10, 32), mesh


def test_field_maps_both_solutions_side_by_side_on_one_scale_with_zero_in_the_middle() -> None:
    figure = PlaneData(X, Y, U_HAT, U).figures()["field"]
    assert titles(figure) == ["exact", "prediction"]
    reach = max(np.abs(U_HAT).max(), np.abs(U).max())
    for axes, expected in zip(panels(figure), (U, U_HAT), strict=True):
        values, mesh = mesh_of(axes)
        np.testing.assert_array_equal(values, expected)
        assert (mesh.norm.vmin, mesh.norm.vmax) == (-reach, reach)
        assert axes.get_xlabel() == "$x$"
    assert panels(figure)[0].get_ylabel() == "$y$"
    assert colour_bar(panels(figure)[1]).ax.get_ylabel() == "$u$"


def test_each_value_stands_at_its_point_and_both_axes_have_one_scale() -> None:
    axes = panels(PlaneData(X, Y, U_HAT, U).figures()["field"])[1]
    corners = np.asarray(mesh_of(axes)[1].get_coordinates())
    centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    np.testing.assert_allclose(centres[..., 0], np.broadcast_to(X, (10, 32)), atol=1e-12)
    np.testing.assert_allclose(centres[..., 1], np.broadcast_to(Y[:, None], (10, 32)), atol=1e-12)
    assert axes.get_aspect() == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_field_of_one_sign_uses_the_whole_range_of_its_values(sign: int) -> None:
    u = sign * (2 + U**2)
    (axes,) = panels(PlaneData(X, Y, u).figures()["field"])
    _, mesh = mesh_of(axes)
    assert (mesh.norm.vmin, mesh.norm.vmax) == (u.min(), u.max())


def test_error_maps_the_absolute_difference_on_logarithmic_colours() -> None:
    (axes,) = panels(PlaneData(X, Y, U_HAT, U).figures()["error"])
    values, mesh = mesh_of(axes)
    np.testing.assert_allclose(values, np.abs(U_HAT - U), rtol=1e-12)
    assert isinstance(mesh.norm, LogNorm)
    assert mesh.norm.vmin is not None
    assert mesh.norm.vmax is not None
    assert 0 < mesh.norm.vmin <= np.abs(U_HAT - U).min()
    assert mesh.norm.vmax >= np.abs(U_HAT - U).max()
    assert colour_bar(axes).ax.get_ylabel() == r"$|u - u_\mathrm{exact}|$"


def test_without_exact_solution_there_is_the_prediction_alone() -> None:
    figures = PlaneData(X, Y, U_HAT).figures()
    assert sorted(figures) == ["field"]
    assert titles(figures["field"]) == ["prediction"]
    np.testing.assert_array_equal(mesh_of(panels(figures["field"])[0])[0], U_HAT)


def test_every_figure_has_the_title_or_none() -> None:
    for title in (None, "step 1, $n$ = 2"):
        figures = PlaneData(X, Y, U_HAT, U, title=title).figures()
        assert [suptitle(figure) for figure in figures.values()] == [title or ""] * 2


def test_training_points_are_dots_at_their_place() -> None:
    points = np.array([[-0.5, 0.2], [0.75, 1.9]])
    figures = PlaneData(X, Y, U_HAT, U, points=points).figures()
    for name in ("field", "error"):
        (line,) = panels(figures[name])[-1].get_lines()
        np.testing.assert_array_equal(np.stack(curve(line), axis=1), points)


def test_coordinates_have_the_names_they_are_given() -> None:
    (axes,) = panels(PlaneData(X, Y, U_HAT, coordinates=("depth", "s")).figures()["field"])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("depth", "$s$")


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_left_out_of_picture_and_scale(broken: float) -> None:
    prediction = U_HAT.copy()
    prediction[3, 4] = broken
    field, error = (panels(PlaneData(X, Y, prediction, U).figures()[name])[-1] for name in ("field", "error"))
    for axes in (field, error):
        mesh: Any = axes.collections[0]
        shown = np.ma.masked_invalid(mesh.get_array()).reshape(10, 32)
        assert np.argwhere(np.ma.getmaskarray(shown)).tolist() == [[3, 4]]
        assert np.isfinite([mesh.norm.vmin, mesh.norm.vmax]).all()


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("fill", FILLS)
def test_any_values_are_drawn(fill: str, known: bool) -> None:
    u = FILLS[fill]((10, 32))
    for figure in PlaneData(X, Y, u, u if known else None).figures().values():
        figure.set_layout_engine("none")  # it draws several times over
        assert len(np.unique(image_of(figure))) > 1


def test_it_draws_itself_anew_each_time() -> None:
    data = PlaneData(X, Y, U_HAT, U)
    assert isinstance(data, Drawable)
    first, second = data.figures(), data.figures()
    assert list(first) == list(second) == ["field", "error"]
    assert all(first[name] is not second[name] for name in first)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prediction": U.T}, r"prediction has shape \(32, 10\): expected \(Ny, Nx\) with Ny = 10, Nx = 32"),
        ({"exact": U[:3]}, r"exact has shape \(3, 32\): expected \(Ny, Nx\) with Ny = 10, Nx = 32"),
        ({"x": X[None]}, r"x has shape \(1, 32\): expected \(Nx,\) with Nx >= 1"),
        ({"points": X[:, None]}, r"points has shape \(32, 1\): expected \(M, d\) with M >= 1, d = 2"),
        ({"y": Y[:0]}, r"y has shape \(0,\): expected \(Ny,\) with Ny >= 1"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        PlaneData(**{"x": X, "y": Y, "prediction": U, "exact": U, **arguments})
