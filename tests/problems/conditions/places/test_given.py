"""Places as users give them: NumPy's numbers, several at once, masks that fail, files without rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import Box, Condition, Disc, Pair, Periodic

SQUARE = Box.of({"x": (0.0, 1.0), "y": (0.0, 1.0)})


def draw(where: Any) -> Any:
    return Condition("c", where, lambda x, u: u).draw(SQUARE, 5)


def test_a_face_may_be_at_a_number_of_numpys() -> None:
    assert draw(("x", np.float32(1))).points[:, 0].tolist() == [1.0] * 5
    faces = (np.float32(0), np.float64(1))
    partners = Periodic("around", "x", faces).draw(SQUARE, 3).partners  # type: ignore[arg-type]
    assert partners is not None
    assert partners[:, 0].tolist() == [1.0] * 3


@pytest.mark.parametrize("where", [[("x", 0.0), ("x", 1.0)], (Disc(), Disc(radius=0.5)), ["boundary", ("x", 0.0)]])
def test_several_places_are_no_place(where: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^where=.* of the condition 'c' must be one place \(several take a"):
        draw(where)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (lambda p: p[:, 5] > 0, "IndexError: index 5 is out of bounds"),
        (lambda p: p[:, 0] > 0.5 and p[:, 1] > 0.5, r"RuntimeError: Boolean value.*combine two by & and \|"),
        (lambda p: p.x > 0, "AttributeError: "),
    ],
)
def test_a_mask_that_fails_is_told_what_it_is_called_with(mask: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^a mask fails at points of shape \(\d+, 2\), {said}"):
        draw(mask)


def test_a_file_whose_first_line_is_all_that_it_has_is_refused(tmp_path: Path) -> None:
    for line in ("x,y", "0.5;0.5"):
        (tmp_path / "points.csv").write_text(f"{line}\n")
        with pytest.raises(ConfigurationError, match=r"below its first line, .*, there is no row of numbers"):
            draw(tmp_path / "points.csv")


def test_points_that_are_their_own_partners_are_refused() -> None:
    for place in (Pair(("x", 0.0), ("x", 0.0)), Pair("inside", lambda points: points)):
        with pytest.raises(
            ConfigurationError, match=r"the condition pairs each point with itself, .*: give two places"
        ):
            place.check(SQUARE, "the condition")


def test_partners_that_are_seldom_outside_are_noticed_when_they_are_drawn() -> None:
    place = Pair(("x", 0.0), lambda points: 1 - points + (points[:, 1:] > 0.97))
    with pytest.raises(ConfigurationError, match=r"where it has partners, has .* points outside the domain"):
        place.draw(SQUARE, 2000, "uniform", 0, "the condition")
