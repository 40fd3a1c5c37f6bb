from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import ClassificationData
from tests.figures.reading import colour_bar, panels, titles

COUNTS = np.array([[90, 10, 0], [5, 45, 0], [0, 0, 0]])
NAMES = ("cat", "dog", "$\\bad$")


def images(count: int, channels: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, channels, 4, 4), dtype=np.uint8)


def mistakes(shown: NDArray[Any], **settings: Any) -> Any:
    labels = np.arange(len(shown)) % 3
    return ClassificationData(COUNTS, None, shown, labels, (labels + 1) % 3, **settings).figures()["mistakes"]


def pictures(figure: Any) -> list[NDArray[Any]]:
    return [np.asarray(image.get_array()) for axes in panels(figure) for image in axes.images]


def test_confusion_is_coloured_by_the_share_of_the_true_class_and_tells_counts() -> None:
    (axes,) = panels(ClassificationData(COUNTS, NAMES).figures()["confusion"])
    shares = np.array([[0.9, 0.1, 0], [0.1, 0.9, 0], [0, 0, 0]])
    np.testing.assert_allclose(np.asarray(axes.images[0].get_array()), shares)
    written = {tuple(text.get_position()): text.get_text() for text in axes.texts}
    assert written == {(j, i): str(COUNTS[i, j]) for i in range(3) for j in range(3)}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert colour_bar(axes).ax.get_ylabel() == "share of the true class"
    assert axes.images[0].get_clim() == (0, 1)


def test_classes_are_named_on_both_axes_as_they_are() -> None:
    figure = ClassificationData(COUNTS, NAMES).figures()["confusion"]
    figure.draw_without_rendering()
    (axes,) = panels(figure)
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == list(NAMES)


def test_classes_without_names_are_numbered_from_zero() -> None:
    (axes,) = panels(ClassificationData(COUNTS).figures()["confusion"])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "2"]


def test_counts_of_a_large_set_are_written_in_full() -> None:
    (axes,) = panels(ClassificationData(np.array([[1234567, 1], [2, 600000]])).figures()["confusion"])
    assert [text.get_text() for text in axes.texts] == ["1234567", "1", "2", "600000"]


def test_numbers_stand_out_from_their_cells() -> None:
    (axes,) = panels(ClassificationData(np.array([[9, 1], [0, 10]])).figures()["confusion"])
    assert [text.get_color() for text in axes.texts] == ["white", "black", "0.75", "white"]


def test_many_classes_are_coloured_without_numbers() -> None:
    (axes,) = panels(ClassificationData(np.eye(100)).figures()["confusion"])
    assert len(axes.texts) == 0
    np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), np.eye(100))


def test_mistakes_show_each_image_under_true_and_predicted_class() -> None:
    shown = images(3)
    figure = ClassificationData(COUNTS, NAMES, shown, np.array([0, 1, 2]), np.array([1, 2, 0])).figures()["mistakes"]
    assert titles(figure)[:3] == ["dog → cat", "$\\bad$ → dog", "cat → $\\bad$"]
    for picture, image in zip(pictures(figure), shown, strict=True):
        np.testing.assert_allclose(picture, image[0] / 255, rtol=0, atol=1e-12)
    figure.draw_without_rendering()


def test_long_names_are_broken_into_two_lines() -> None:
    names = ("Ankle boot", "T-shirt/top", "Bag")
    figure = ClassificationData(COUNTS, names, images(1), np.array([0]), np.array([1])).figures()["mistakes"]
    assert titles(figure)[0] == "T-shirt/top\n→ Ankle boot"


def test_three_channels_are_colours_and_any_other_number_is_grey() -> None:
    coloured, two = images(1, channels=3), images(1, channels=2)
    (picture,) = pictures(mistakes(coloured))
    np.testing.assert_allclose(picture, np.moveaxis(coloured[0], 0, -1) / 255, rtol=0, atol=1e-12)
    (picture,) = pictures(mistakes(two))
    np.testing.assert_allclose(picture, two[0].mean(axis=0) / 255, rtol=0, atol=1e-12)


def test_floats_are_shown_as_they_are_within_zero_and_one_and_over_their_range_outside() -> None:
    inside = np.linspace(0.2, 0.6, 16).reshape(1, 1, 4, 4)
    (picture,) = pictures(mistakes(inside))
    np.testing.assert_allclose(picture, inside[0, 0])
    (picture,) = pictures(mistakes(10 * inside - 4))
    np.testing.assert_allclose(picture, np.linspace(0, 1, 16).reshape(4, 4), atol=1e-12)


@pytest.mark.parametrize(("count", "panels_in_grid"), [(1, 1), (2, 2), (5, 6), (30, 25)])
def test_grid_holds_all_images_up_to_the_largest_number(count: int, panels_in_grid: int) -> None:
    figure = mistakes(images(count))
    assert len(pictures(figure)) == min(count, 25)
    assert len(panels(figure)) == panels_in_grid
    assert len(pictures(mistakes(images(count), max_images=3))) == min(count, 3)


def test_a_classifier_without_mistakes_gets_a_sentence() -> None:
    (axes,) = panels(mistakes(images(0)))
    assert [text.get_text() for text in axes.texts] == ["no wrongly classified images"]


def test_without_images_there_is_only_the_confusion() -> None:
    assert list(ClassificationData(COUNTS).figures()) == ["confusion"]


LABELS = np.array([0, 1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"counts": COUNTS[:2]}, r"counts has shape \(2, 3\): expected \(C, C'\) with C = 2, C' = 2"),
        ({"counts": -COUNTS}, "counts has values from -90 to 0: expected"),
        ({"counts": COUNTS * np.nan}, "counts has values from nan to nan: expected"),
        ({"class_names": ("a", "b")}, "class_names has 2 entries: expected C = 3"),
        ({"max_images": 0}, "max_images=0 must be >= 1"),
        (
            {"images": images(2)[:, 0]},
            r"images has shape \(2, 4, 4\): expected \(M, channels, height, width\) with M = 2",
        ),
        ({"predicted": None}, r"predicted is a NoneType: expected a numpy array of shape \(M,\) with M = 2"),
        ({"true": LABELS[:1]}, r"true has shape \(1,\): expected \(M,\) with M = 2"),
        ({"true": LABELS + 2}, "true has int64 values from 2 to 3: expected integers from 0 to 2"),
        ({"predicted": LABELS - 1}, "predicted has int64 values from -1 to 0: expected integers from 0 to 2"),
        ({"predicted": LABELS / 2}, r"predicted has float64 values from 0\.0 to 0\.5: expected integers"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments: dict[str, Any], message: str) -> None:
    valid: dict[str, Any] = {"counts": COUNTS, "images": images(2), "predicted": LABELS, "true": LABELS}
    with pytest.raises(ConfigurationError, match=message):
        ClassificationData(**{**valid, **arguments})
