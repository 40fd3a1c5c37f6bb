"""What a run is, as the name of its folder."""

from __future__ import annotations

import re
from typing import Any

AUTO = "auto"
_SHORT = {"OffAfter": "warmup", "LinearDecay": "linear", "CosineDecay": "cosine"}


def label_of(config: Any) -> str:
    """Name a run after its slopes and its slope recovery.

    Args:
        config: the settings of a subcommand.

    Returns:
        For example ``"layer-n10-warmup100"``, or what the setting ``run_label`` says; empty for none, and for a model
        without a scope.
    """
    asked = config.get("run_label", AUTO)
    if asked != AUTO:
        return "-".join(re.findall(r"[\w.+=-]+", str(asked or "")))
    settings = {**adaptation_of(config), **_init_args(config.get("model"))}
    scope = settings.get("scope")
    if scope is None or not isinstance(scope, str):
        return ""
    if scope == "fixed":
        return scope
    n = settings.get("n")
    parts = [scope, *([f"n{n:g}"] if isinstance(n, (int, float)) else []), *_recovery(config.get("slope_recovery"))]
    return "-".join(parts)


def adaptation_of(config: Any) -> dict[str, Any]:
    """Return what a module of somebody else's is adapted with.

    Args:
        config: the settings of a subcommand.

    Returns:
        The settings under ``adapt``; nothing where it has no scope.
    """
    settings = config.get("adapt") or {}
    return {} if settings.get("scope") is None else {"scope": settings["scope"], "n": settings["n"]}


def describe_weight(weight: Any) -> tuple[float, str]:
    """Split the setting of W_a into its number and the schedule's name.

    Args:
        weight: a number, or a schedule's class path and arguments.

    Returns:
        W_a at the first step, and for example ``"constant"`` or ``"OffAfter(100)"``.
    """
    if not hasattr(weight, "get"):
        return float(weight or 0.0), "constant"
    kind, settings = str(weight.get("class_path")).rpartition(".")[2], _init_args(weight)
    steps = settings.get("steps")
    return float(settings.get("weight", 1.0)), kind if steps is None else f"{kind}({steps})"


def _recovery(settings: Any) -> list[str]:
    if settings is None:
        return []
    weight, schedule = describe_weight(settings.get("weight"))
    if weight == 0:
        return []
    kind, _, steps = schedule.rstrip(")").partition("(")
    name = "recovery" if schedule == "constant" else _SHORT.get(kind, kind.lower())
    parts = [f"{name}{steps}" + ("" if weight == 1 else f"x{weight:g}")]
    return parts + (["sum"] if settings.get("reduction") == "sum" else [])


def _init_args(setting: Any) -> Any:
    return (setting.get("init_args") if hasattr(setting, "get") else None) or {}
