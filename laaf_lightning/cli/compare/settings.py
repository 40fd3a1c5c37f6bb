"""What runs were told, as a flat table, and which of it differs among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from laaf_lightning.cli.run.label import describe_weight

Value: TypeAlias = bool | int | float | str | None
Settings: TypeAlias = Mapping[str, Value]

# What a comparison is about, first in every legend and under the names of outcome.json; compared among all runs.
SHORT = {
    "model.scope": "scope",
    "model.n": "n",
    "slope_recovery.weight": "S_weight",
    "slope_recovery.schedule": "S_schedule",
    "slope_recovery.reduction": "S_reduction",
    "model.optimizer": "optimizer",
    "model.optimizer.lr": "lr",
}
_NOT_OF_THE_METHOD = {
    *("seed_everything", "figures", "epoch_train_loss", "finite_guard", "test_after_fit", "run_label", "weights_only"),
}
_OF_THE_TRAINER = (
    *("max_steps", "max_epochs", "max_time", "limit_train_batches", "overfit_batches", "accumulate_grad_batches"),
    *("gradient_clip_val", "gradient_clip_algorithm", "precision", "accelerator", "callbacks"),
)
_WHEREABOUTS = {"seed", "root", "download", "verify", "mirrors", "num_workers", "log_every_n_steps", "histograms"}


def settings_of(config: Mapping[str, Any]) -> dict[str, Value]:
    """Flatten the settings of a run that make its method: not seeds, logs, figures and paths of data.

    Args:
        config: as ``config.yaml`` has it.

    Returns:
        Values by dotted key; a class is its name, and its arguments lie below it. What has no effect is left out: n and
        slope recovery of a network without slopes, arguments of what is not enabled.

    Example:
        >>> settings_of({"model": {"class_path": "laaf_lightning.PINN", "init_args": {"scope": "layer", "n": 10}}})
        {'model': 'PINN', 'model.scope': 'layer', 'model.n': 10}
    """
    flat: dict[str, Value] = {}
    for key, value in config.items():
        if key == "trainer":
            chosen = {name: (value or {}).get(name) for name in _OF_THE_TRAINER if name in (value or {})}
            flat.update(_flat(chosen, key))
        elif key == "slope_recovery":
            flat.update(_recovery(value or {}))
        elif key == "adapt" and (value or {}).get("scope") is None:
            continue
        elif key not in _NOT_OF_THE_METHOD:
            flat.update(_flat(value, key))
    if flat.get("model.scope") == "fixed":
        without = ("slope_recovery.", "freeze_slopes", "model.n", "model.slope_lr")
        flat = {key: value for key, value in flat.items() if not _is_below(key, without)}
    return {key: value for key, value in flat.items() if key.rpartition(".")[2] not in _WHEREABOUTS}


def seed_of(config: Mapping[str, Any]) -> str:
    """Name the seeds of a run.

    Args:
        config: as ``config.yaml`` has it.

    Returns:
        ``seed_everything``, and after it the other seeds that are not 0.

    Example:
        >>> seed_of({"seed_everything": 3, "data": {"class_path": "Digits", "init_args": {"seed": 1}}})
        '3, data.seed 1'
    """
    flat = {key: value for section in config for key, value in _flat(config[section], section)}
    others = [f"{key} {value}" for key, value in flat.items() if key.endswith(".seed") and value]
    return ", ".join([str(config.get("seed_everything")), *others])


def differing(runs: Sequence[Settings]) -> list[str]:
    """Find the settings that differ.

    The argument of a class counts where runs with the same class differ in it: Adam's and L-BFGS's are not compared,
    but for the learning rate. A setting that a run does not know, of another version perhaps, is no difference.

    Args:
        runs: of `settings_of`.

    Returns:
        Keys: the class of the model, those of `SHORT`, then the others, the Trainer's last.

    Example:
        >>> differing([{"model.n": 1, "model.width": 20}, {"model.n": 10, "model.width": 20}])
        ['model.n']
    """
    keys = dict.fromkeys([*(["model"] if any("model" in run for run in runs) else []), *SHORT])
    keys.update(dict.fromkeys(key for run in runs for key in run))
    return [key for key in sorted(keys, key=lambda key: key.startswith("trainer.")) if _differs(key, runs)]


def _differs(key: str, runs: Sequence[Settings]) -> bool:
    values: dict[tuple[Value, ...], set[Value]] = {}
    for run in runs:
        if key in run:
            classes = () if key in SHORT else tuple(run.get(above) for above in _above(key))
            values.setdefault(classes, set()).add(run[key])
    return any(len(group) > 1 for group in values.values())


def _above(key: str) -> Iterator[str]:
    while key := key.rpartition(".")[0]:
        yield key


def _is_below(key: str, prefixes: Sequence[str]) -> bool:
    return any(key == prefix.rstrip(".") or key.startswith(prefix.rstrip(".") + ".") for prefix in prefixes)


def _recovery(settings: Mapping[str, Any]) -> dict[str, Value]:
    weight, schedule = describe_weight(settings.get("weight", 0.0))
    flat: dict[str, Value] = {"slope_recovery.weight": weight, "slope_recovery.schedule": schedule}
    if weight == 0:
        return {**flat, "slope_recovery.schedule": "off"}
    if schedule == "ConstantWeight":
        flat["slope_recovery.schedule"] = "constant"
    told = settings.get("weight")
    rest = {name: value for name, value in settings.items() if name != "weight"}
    more = (told.get("init_args") or {}) if isinstance(told, Mapping) else {}
    schedule_rest = {name: value for name, value in more.items() if name not in {"weight", "steps"}}
    return {**flat, **dict(_flat(rest, "slope_recovery")), **dict(_flat(schedule_rest, "slope_recovery.weight"))}


def _flat(value: Any, key: str) -> Iterator[tuple[str, Value]]:
    """Yield the leaves below a setting, and its class above them."""
    if isinstance(value, Mapping):
        below = value
        if "class_path" in value:
            yield key, class_name(value)
            below = value.get("init_args") or {}
        elif isinstance(value.get("enabled"), bool):
            yield key, value["enabled"]
            below = {name: item for name, item in value.items() if name != "enabled"} if value["enabled"] else {}
        for name, item in below.items():
            yield from _flat(item, f"{key}.{name}")
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        yield key, " + ".join(map(class_name, value))
        for number, item in enumerate(value):
            yield from _flat(item, f"{key}.{number}")
    else:
        yield key, value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def class_name(setting: Any) -> str:
    """Name the class of a setting.

    Args:
        setting: a class path with its arguments, or alone.

    Returns:
        The last name; for optimisers in sequence, all of them.

    Example:
        >>> class_name({"class_path": "torch.optim.Adam"})
        'Adam'
    """
    if not isinstance(setting, Mapping):
        return str(setting).rpartition(".")[2]
    stages = (setting.get("init_args") or {}).get("optimizers") or []
    return " + ".join(map(class_name, stages)) or str(setting.get("class_path")).rpartition(".")[2]
