"""What a state dict alone tells of how its model was adapted, where nobody has noted more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from laaf_lightning.errors import ConfigurationError


def noted_slopes(state_dict: Mapping[str, Any]) -> set[str]:
    """Find the slopes of a state dict: tensors ``a`` that have an ``n`` beside them.

    Args:
        state_dict: of a model.

    Returns:
        The keys of all slopes and of their n.
    """
    sites = [key[:-1] for key in state_dict if f".{key}".endswith(".a")]
    return {site + kind for site in sites if f"{site}n" in state_dict for kind in ("a", "n")}


def settings_of(state_dict: Mapping[str, Any], slopes: Iterable[str]) -> dict[str, Any]:
    """Find the arguments of `adapt` that give the slopes of a state dict.

    Args:
        state_dict: of an adapted model.
        slopes: of `noted_slopes`.

    Returns:
        ``scope``, ``n`` and ``where``.

    Raises:
        ConfigurationError: for several n or shapes of different scopes, which one call of `adapt` does not give.

    Example:
        >>> import torch
        >>> settings_of({"net.1.a": torch.ones(()), "net.1.n": torch.tensor(2.0)}, {"net.1.a", "net.1.n"})
        {'scope': 'layer', 'n': 2.0, 'where': ['net.1']}
    """
    names = sorted(key[:-2] for key in slopes if f".{key}".endswith(".a"))
    a: list[Tensor] = [state_dict[f"{name}.a".lstrip(".")] for name in names]
    factors = {float(state_dict[f"{name}.n".lstrip(".")]) for name in names}
    scopes = {_scope(slope) for slope in a}
    if len(scopes) > 1 or len(factors) > 1:
        raise ConfigurationError(
            f"the checkpoint has slopes of several kinds, n={sorted(factors)}, scopes {sorted(scopes)}: adapt the "
            "module as it was, with laaf_lightning.adapt, and give it the checkpoint's state_dict"
        )
    scope = scopes.pop()
    if scope == "layer" and len(a) > 1 and len({slope.data_ptr() for slope in a}) == 1:
        scope = "global"  # one tensor, saved once
    return {"scope": scope, "n": factors.pop(), "where": names}


def _scope(slope: Tensor) -> str:
    if slope.ndim == 0:
        return "layer"
    return "channel" if slope.ndim > 1 and all(size == 1 for size in slope.shape[1:]) else "neuron"
