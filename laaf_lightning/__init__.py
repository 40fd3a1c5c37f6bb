"""Adaptive activation functions σ(n·a·z) with slope recovery for PyTorch Lightning.

The public names stand in ``__init__.pyi``. They are imported on first use, so that ``import laaf_lightning`` and the
command line stay quick.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

_STUB = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
_MODULE_OF = {
    alias.name: statement.module
    for statement in _STUB.body
    if isinstance(statement, ast.ImportFrom) and statement.module
    for alias in statement.names
}
__all__ = [*_MODULE_OF]  # noqa: PLE0604  # the stub holds names only


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
