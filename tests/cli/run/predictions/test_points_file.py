from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laaf_lightning import ConfigurationError
from laaf_lightning.cli.run.predictions.points_file import read_points

XT = ("x", "t")
EXPECTED = np.array([[0.5, 1.0], [-0.25, 2.0]])


@pytest.mark.parametrize(
    "text",
    [
        "x,t\n0.5,1\n-0.25,2\n",
        "t,x\n1,0.5\n2,-0.25\n",
        '\ufeff"t", u ,x\r\n1,none,0.5\r\n\r\n2,?,-2.5e-1',
    ],
    ids=["plain", "other_order", "spreadsheet"],
)
def test_a_table_is_read_by_the_names_of_its_columns(text: str) -> None:
    Path("points.csv").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_points("points.csv", XT), EXPECTED)


@pytest.mark.parametrize(
    "arrays",
    [
        {"t": EXPECTED[:, 1], "u": np.zeros(7), "x": EXPECTED[:, 0]},
        {"x": EXPECTED[:, :1], "t": np.array([1, 2])},
        {"points": EXPECTED},
    ],
    ids=["columns", "matrices_of_one_column", "one_array"],
)
def test_arrays_are_read_by_their_names(arrays: Mapping[str, Any]) -> None:
    np.savez("points.npz", **arrays)
    np.testing.assert_array_equal(read_points("points.npz", XT), EXPECTED)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x,time\n1,2\n", "has no column 't'; it has x, time (did you mean 'time'?); the first line names the columns"),
        ("x,T\n1,2\n", "has no column 't'; it has x, T (did you mean 'T'?)"),
        ("0.5,1\n-0.25,2\n", "has no column 'x'; it has 0.5, 1; the first line names the columns"),
        ("", "has no column 'x'; it has none"),
        ("x,t\n", "holds no points"),
        ("x,t\n1,two\n", "is no table of numbers below its first line: could not convert string 'two'"),
        ("x,t\n1\n", "is no table of numbers below its first line"),
        ("x,t\n1,2\n1,nan\n", "t of point 2 is nan: not a finite number"),
        ("x,t\n1,2\ninf,1\n", "x of point 2 is inf: not a finite number"),
        (b"x,t\n\xff,2\n", "is no table of numbers below its first line"),
    ],
)
def test_a_table_of_which_no_points_can_be_made_is_refused(text: str | bytes, sentence: str) -> None:
    Path("points.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as raised:
        read_points("points.csv", XT)
    assert str(raised.value).startswith("points='points.csv'")
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x": np.zeros(3)}, "has no array 't'; it has x; give one for each of x, t, or one named points"),
        ({"points": np.zeros((3, 3))}, "points has shape (3, 3): it must be (N, 2), columns x, t"),
        ({"points": np.zeros(3)}, "points has shape (3,): it must be (N, 2), columns x, t"),
        ({"x": np.zeros(3), "t": np.zeros(4)}, "arrays of shapes x (3,), t (4,): they must all be (N,)"),
        ({"x": np.zeros((2, 3)), "t": np.zeros((2, 3))}, "arrays of shapes x (2, 3), t (2, 3): they must all be (N,)"),
        ({"x": np.array(["a"]), "t": np.zeros(1)}, "x holds no real numbers, but <U1"),
        ({"x": np.zeros(1, complex), "t": np.zeros(1)}, "x holds no real numbers, but complex128"),
        ({"x": np.array([None]), "t": np.zeros(1)}, "is no .npz file of plain arrays"),
        ({"points": np.zeros((0, 2))}, "holds no points"),
    ],
)
def test_arrays_of_which_no_points_can_be_made_are_refused(arrays: Mapping[str, Any], sentence: str) -> None:
    np.savez("points.npz", **arrays)
    with pytest.raises(ConfigurationError) as raised:
        read_points("points.npz", XT)
    assert str(raised.value).startswith("points='points.npz'")
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("points.csv", None, "there is no such file"),
        ("points.txt", b"x,t\n", "must be a .csv file whose first line is x,t, or an .npz file with arrays of these"),
        ("points.npz", b"PK nothing", "is no .npz file of plain arrays, or a damaged one"),
        ("points.npz", b"", "is no .npz file of plain arrays, or a damaged one"),
    ],
)
def test_other_files_are_refused(name: str, content: bytes | None, sentence: str) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=sentence):
        read_points(name, XT)
