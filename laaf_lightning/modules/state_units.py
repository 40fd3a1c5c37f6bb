"""The units of a loss's terms in a state dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def take_units(module: Any, state_dict: Mapping[str, Any], prefix: str, *_: object) -> None:
    """Have the units that a whole state dict has, none if it has none; what has no network says nothing of them.

    Args:
        module: a `PDEModule`, into which the state dict will be loaded.
        state_dict: what will be loaded.
        prefix: of the module's keys.
    """
    if any(key.startswith(f"{prefix}term_units.") for key in state_dict):
        module.term_units = module.solution.units
    elif any(key.startswith(f"{prefix}network.") for key in state_dict) and hasattr(module, "term_units"):
        module.term_units.residual = module.term_units.conditions = None
        del module.term_units
