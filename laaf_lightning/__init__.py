"""Adaptive activation functions σ(n·a·z) with slope recovery for PyTorch Lightning.

Public names are imported on first use, so that ``import laaf_lightning`` and the command line stay quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from laaf_lightning._version import __version__ as __version__

if TYPE_CHECKING:
    from laaf_lightning.activations import AdaptiveActivation as AdaptiveActivation
    from laaf_lightning.activations import adapt as adapt
    from laaf_lightning.activations import named_slopes as named_slopes
    from laaf_lightning.activations import slope_parameter_groups as slope_parameter_groups
    from laaf_lightning.activations import slope_recovery as slope_recovery

_ROOMS = {
    "activations": (
        "AdaptiveActivation",
        "adapt",
        "named_slopes",
        "slope_parameter_groups",
        "slope_recovery",
    ),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}
__all__ = ["__version__", *_ROOM_OF]  # noqa: PLE0604  # the table above holds strings only


def __getattr__(name: str) -> object:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
