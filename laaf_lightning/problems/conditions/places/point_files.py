"""Files of points, with or without normals."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import as_tensor

SUFFIXES = (".npy", ".npz", ".csv", ".txt")
_POINTS, _NORMALS = "points", "normals"


@dataclass(frozen=True, eq=False)
class PointFile:
    """What a file held.

    Attributes:
        path: of the file, for errors.
        numbers: all columns, shape (M, K), float64.
        names: of the columns, if the file tells them.
    """

    path: str
    numbers: Tensor
    names: tuple[str, ...] | None = None

    @classmethod
    def read(cls, path: str | Path) -> PointFile:
        """Read a file.

        Args:
            path: of a ``.npy``, ``.npz``, ``.csv`` or ``.txt`` file.

        Returns:
            Its numbers.

        Raises:
            ConfigurationError: for a file that does not exist, or holds no table of numbers.
        """
        file, shown = Path(path), str(path)
        if file.suffix.lower() not in SUFFIXES:
            raise ConfigurationError(f"the file of points {shown!r} must be one of {', '.join(SUFFIXES)}")
        if not file.is_file():
            raise ConfigurationError(f"the file of points {shown!r} does not exist")
        try:
            if file.suffix.lower() in {".npy", ".npz"}:
                numbers, names = _of_numpy(file)
            else:
                numbers, names = _of_text(file)
        except ConfigurationError:
            raise
        except (ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile, csv.Error) as error:
            raise ConfigurationError(f"the file of points {shown!r} holds no table of numbers: {error}") from error
        numbers = numbers.reshape(-1, 1) if numbers.ndim == 1 else numbers
        if numbers.ndim != 2 or not numbers.numel():
            raise ConfigurationError(
                f"the file of points {shown!r} holds numbers of shape {tuple(numbers.shape)}: it must be a table with "
                "one row for each point"
            )
        return cls(shown, numbers.double(), names)

    def columns(self, coordinates: Sequence[str], what: str) -> tuple[Tensor, Tensor | None]:
        """Return points and normals.

        Args:
            coordinates: names of the columns that are needed.
            what: whose points they are, for the error.

        Returns:
            Shapes (M, d) and (M, d), or None for the second.

        Raises:
            ConfigurationError: for another number of columns, and other names.
        """
        dimension, normals = len(coordinates), [f"normal_{name}" for name in coordinates]
        if self.names is not None:
            if lacking := [name for name in coordinates if name not in self.names]:
                raise ConfigurationError(
                    f"{what}: the file of points {self.path!r} has the columns {', '.join(self.names)}, and lacks "
                    f"{', '.join(lacking)}"
                )
            chosen = self.numbers[:, [self.names.index(name) for name in coordinates]]
            if not set(normals) <= set(self.names):
                return chosen, None
            return chosen, self.numbers[:, [self.names.index(name) for name in normals]]
        width = self.numbers.shape[1]
        if width not in {dimension, 2 * dimension}:
            raise ConfigurationError(
                f"{what}: the file of points {self.path!r} has {width} columns: expected {dimension}, for "
                f"{', '.join(coordinates)}, or {2 * dimension} with normals"
            )
        return self.numbers[:, :dimension], self.numbers[:, dimension:] if width > dimension else None


def _of_numpy(file: Path) -> tuple[Tensor, tuple[str, ...] | None]:
    try:
        content = np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):  # whose words are about pickles
        raise ValueError("it is no file of plain arrays, or a damaged one") from None
    if isinstance(content, np.ndarray):
        return as_tensor(content, f"the file of points {str(file)!r}"), None
    with content:
        arrays = {name: as_tensor(content[name], f"{name} of {str(file)!r}") for name in content}
    if _POINTS in arrays:
        parts = [arrays[name] for name in (_POINTS, _NORMALS) if name in arrays]
        return torch.cat([part[:, None] if part.ndim == 1 else part for part in parts], dim=1), None
    if len(arrays) == 1:
        return next(iter(arrays.values())), None
    flat = [array.reshape(-1) for array in arrays.values()]
    if len({len(array) for array in flat}) > 1:
        raise ValueError("its arrays have different lengths")
    return torch.stack(flat, dim=1), tuple(arrays)


def _of_text(file: Path) -> tuple[Tensor, tuple[str, ...] | None]:
    lines = [line for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    separator = "," if lines and "," in lines[0] else None
    first = lines[0].lstrip("# ").split(separator) if lines else []
    header = None
    try:
        [float(cell) for cell in first]
    except ValueError:
        header, lines = tuple(cell.strip().strip('"') for cell in first), lines[1:]
    rows = [[float(cell) for cell in line.split(separator)] for line in lines]
    if header and not rows:
        raise ValueError(f"below its first line, {' '.join(header)!r}, there is no row of numbers")
    widths = {len(row) for row in rows} | ({len(header)} if header else set())
    if len(widths) != 1:
        raise ValueError(f"its rows have {' and '.join(map(str, sorted(widths)))} columns" if rows else "it is empty")
    return torch.tensor(rows, dtype=torch.float64), header
