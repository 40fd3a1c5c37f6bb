"""Rows that can be gone through, and are printed as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar, overload

R = TypeVar("R")


class PrintedTable(Sequence[R], Generic[R]):
    """What is known of the sites of a model, in order.

    Args:
        rows: one for each site.
    """

    def __init__(self, rows: Iterable[R]) -> None:
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> R: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[R]: ...

    def __getitem__(self, index: int | slice) -> R | Sequence[R]:
        """Return one row, or some.

        Args:
            index: as of a tuple.

        Returns:
            The row or rows.
        """
        return self._rows[index]

    def __len__(self) -> int:
        """Count the rows.

        Returns:
            Of all sites.
        """
        return len(self._rows)

    def __iter__(self) -> Iterator[R]:
        """Go through the rows.

        Returns:
            In order.
        """
        return iter(self._rows)

    def __repr__(self) -> str:
        return str(self)


def aligned(rows: Iterable[Sequence[str]]) -> str:
    """Write rows below each other.

    Args:
        rows: cells; the titles first.

    Returns:
        A line for each row, its columns as wide as their widest cell.
    """
    table = [*rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)
