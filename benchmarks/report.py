"""What every benchmark prints: a table, then as its last line one JSON object."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import torch
from tabulate import tabulate

import laaf_lightning as laaf


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    """Write median and range, ``median (smallest–largest)``; a dash for no value."""
    if not values:
        return "–"
    middle, low, high = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low}–{high})"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    return tabulate(rows, heads, tablefmt="github", disable_numparse=True)


def circumstances(*packages: str) -> dict[str, Any]:
    """Say under what circumstances numbers were measured: thread count, Python and the versions of packages."""
    versions = {"laaf-lightning": laaf.__version__}
    versions |= {name: version(name) for name in ("torch", "pytorch-lightning", *packages)}
    return {"threads": torch.get_num_threads(), "python": platform.python_version(), "versions": versions}


def print_json(numbers: dict[str, Any]) -> None:
    """Print the last line."""
    print(json.dumps(numbers))
