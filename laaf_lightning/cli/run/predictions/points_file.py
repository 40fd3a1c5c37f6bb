"""Points from a file, by the names of their coordinates."""

from __future__ import annotations

import csv
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from laaf_lightning.errors import ConfigurationError, nearest

Array: TypeAlias = npt.NDArray[np.float64]
SETTING = "points"
POINTS = "points"
_NUMBERS = "biuf"  # kinds of NumPy: truth values, whole numbers, floating-point numbers


def read_points(path: str, coordinates: Sequence[str]) -> Array:
    """Read points.

    Args:
        path: a ``.csv`` file whose first line names the columns, or an ``.npz`` file with an array for each
            coordinate, or one array ``points``. The order of columns is free, and others may be there too.
        coordinates: their names.

    Returns:
        Shape (N, d), float64, in the file's order.

    Raises:
        ConfigurationError: for a missing file, another kind of file, missing columns, other shapes, no points, and what
            is no finite number.
    """
    file, what = Path(path), f"{SETTING}={str(path)!r}"
    readers = {".csv": _from_csv, ".npz": _from_npz}
    if file.suffix.lower() not in readers:
        raise ConfigurationError(
            f"{what} must be a .csv file whose first line is {','.join(coordinates)}, or an .npz file with arrays of "
            "these names"
        )
    if not file.is_file():
        raise ConfigurationError(f"{what}: there is no such file")
    points = readers[file.suffix.lower()](file, coordinates, what)
    if not len(points):
        raise ConfigurationError(f"{what} holds no points")
    rows, columns = np.nonzero(~np.isfinite(points))
    if len(rows):
        raise ConfigurationError(
            f"{what}: {coordinates[columns[0]]} of point {rows[0] + 1} is {points[rows[0], columns[0]]}: not a "
            "finite number"
        )
    return points


def _from_csv(file: Path, coordinates: Sequence[str], what: str) -> Array:
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            header = [name.strip() for name in next(csv.reader(lines), [])]
            columns = [_position(name, header, what) for name in coordinates]
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*input contained no data", category=UserWarning)
                return np.loadtxt(lines, delimiter=",", comments=None, quotechar='"', usecols=columns, ndmin=2)
    except ConfigurationError:
        raise
    except (ValueError, csv.Error) as error:  # of numbers, columns and characters
        raise ConfigurationError(f"{what} is no table of numbers below its first line: {error}") from error


def _position(name: str, header: Sequence[str], what: str) -> int:
    if name in header:
        return header.index(name)
    raise ConfigurationError(_lacks(name, header, what, "column", "the first line names the columns"))


def _from_npz(file: Path, coordinates: Sequence[str], what: str) -> Array:
    try:
        with np.load(file, allow_pickle=False) as content:
            names = [POINTS] if POINTS in content and not set(coordinates) <= {*content} else coordinates
            arrays = {name: content[name] for name in names if name in content}
            lacking = next((name for name in names if name not in arrays), None)
            if lacking is not None:
                instead = f"give one for each of {', '.join(coordinates)}, or one named {POINTS}"
                raise ConfigurationError(_lacks(lacking, [*content], what, "array", instead))
    except ConfigurationError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigurationError(f"{what} is no .npz file of plain arrays, or a damaged one: {error}") from error
    for name, array in arrays.items():
        if array.dtype.kind not in _NUMBERS:
            raise ConfigurationError(f"{what}: {name} holds no real numbers, but {array.dtype}")
    return _matrix(arrays[POINTS], coordinates, what) if names == [POINTS] else _columns(arrays, what)


def _matrix(points: npt.NDArray[Any], coordinates: Sequence[str], what: str) -> Array:
    if points.ndim != 2 or points.shape[1] != len(coordinates):
        raise ConfigurationError(
            f"{what}: {POINTS} has shape {points.shape}: it must be (N, {len(coordinates)}), columns "
            f"{', '.join(coordinates)}"
        )
    return points.astype(np.float64)


def _columns(arrays: Mapping[str, npt.NDArray[Any]], what: str) -> Array:
    flat = [array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array for array in arrays.values()]
    if any(array.ndim != 1 for array in flat) or len({len(array) for array in flat}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ConfigurationError(f"{what} has arrays of shapes {shapes}: they must all be (N,), with the same N")
    return np.stack([array.astype(np.float64) for array in flat], axis=1)


def _lacks(name: str, there_are: Sequence[str], what: str, kind: str, way_out: str) -> str:
    near = nearest(name, there_are)
    hint = f" (did you mean {near!r}?)" if near else ""
    return f"{what} has no {kind} {name!r}; it has {', '.join(there_are) or 'none'}{hint}; {way_out}"
