"""Runs that differ in nothing but their seeds are one method, named in the paper's terms by what differs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from laaf_lightning.cli.compare.read_run import Run
from laaf_lightning.cli.compare.settings import SHORT, Settings, Value, differing, seed_of, settings_of

_IN_THE_PAPER = {"fixed": "fixed", "global": "GAAF", "layer": "L-LAAF", "channel": "channel", "neuron": "N-LAAF"}
_S = ("slope_recovery.weight", "slope_recovery.schedule")
_ENDS = {"OffAfter": "off after", "LinearDecay": "linearly off until", "CosineDecay": "as a cosine off until"}
_ABOUT_SLOPES = {"model.scope", "model.n", "slope_recovery.reduction", *_S}
_LONG = 60
_WORDS = {
    **dict.fromkeys(("model", "data", "model.scope", "model.problem", "model.optimizer"), "{value}"),
    "model.n": "n = {value}",
    "slope_recovery.reduction": "S as a {value}",
    "ckpt_path": "from {value}",
}


@dataclass(frozen=True, eq=False)
class Method:
    """Runs with the same settings.

    Attributes:
        label: what sets it apart, for the legend.
        differs: the settings that differ among all runs, with this method's values.
        runs: by seed.
    """

    label: str
    differs: Mapping[str, Value]
    runs: tuple[Run, ...]

    @property
    def finished(self) -> tuple[Run, ...]:
        """Those with an outcome."""
        return tuple(run for run in self.runs if run.outcome is not None)

    @property
    def unfinished(self) -> tuple[Run, ...]:
        """Those that were killed, or go on."""
        return tuple(run for run in self.runs if run.outcome is None)


def methods_of(runs: Sequence[Run]) -> list[Method]:
    """Group runs by method.

    Args:
        runs: at least one.

    Returns:
        The methods, in the order of their first runs.
    """
    told = [settings_of(run.config) for run in runs]
    keys = differing(told)
    groups: dict[tuple[tuple[str, Value], ...], list[Run]] = {}
    settings: dict[tuple[tuple[str, Value], ...], Settings] = {}
    for run, its in zip(runs, told, strict=True):
        values = tuple((key, its[key]) for key in keys if key in its)
        groups.setdefault(values, []).append(run)
        settings.setdefault(values, its)
    labels = _distinct(_labels([*settings.values()], keys))
    names = short_names(keys)
    return [
        Method(label, {names[key]: value for key, value in values}, tuple(sorted(group, key=_by_seed)))
        for label, (values, group) in zip(labels, groups.items(), strict=True)
    ]


def label_of(settings: Settings, keys: Sequence[str]) -> str:
    """Write what sets a method apart.

    Args:
        settings: of `settings_of`.
        keys: of `differing`.

    Returns:
        For the legend; the scope, or the model, where nothing differs.

    Example:
        >>> weight = {"slope_recovery.weight": 1.0, "slope_recovery.schedule": "OffAfter(100)"}
        >>> label_of({"model.scope": "layer", **weight}, ["model.scope", "slope_recovery.schedule"])
        'L-LAAF, S off after 100'
    """
    names = short_names(keys)
    parts = dict.fromkeys(_in_words(key, names[key], settings) for key in keys if key in settings)
    scope = settings.get("model.scope")
    return ", ".join(filter(None, parts)) or _IN_THE_PAPER.get(str(scope), str(settings.get("model")))


def _labels(methods: Sequence[Settings], keys: Sequence[str]) -> list[str]:
    """Label methods; of labels that are too long leave out, from the end, what is not needed to tell them apart."""
    labels = [label_of(settings, keys) for settings in methods]
    for key in reversed(keys):
        if max(map(len, labels)) <= _LONG:
            break
        fewer = [other for other in keys if other != key]
        shorter = [label_of(settings, fewer) for settings in methods]
        if key not in _ABOUT_SLOPES and len({*shorter}) == len({*labels}):
            keys, labels = fewer, shorter
    return labels


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Shorten dotted keys, as long as they stay distinct.

    Args:
        keys: of `differing`.

    Returns:
        Names by key.

    Example:
        >>> short_names(["model.n", "model.width", "freeze_slopes.steps"])
        {'model.n': 'n', 'model.width': 'width', 'freeze_slopes.steps': 'freeze_slopes steps'}
    """
    short: dict[str, str] = {}
    for key in keys:
        section, _, name = key.rpartition(".")
        section = section.partition(".")[0]
        short[key] = SHORT.get(key) or (name if section in {"", "model", "data", "trainer"} else f"{section} {name}")
    times = Counter(short.values())
    return {key: name if times[name] == 1 else key for key, name in short.items()}


def _in_words(key: str, name: str, settings: Settings) -> str:
    value = settings[key]
    if key in _S:
        return _recovery(settings)
    if key == "ckpt_path" and value is None:
        return ""
    if key not in _WORDS and (isinstance(value, bool) or value is None):
        return name if value else f"no {name}"
    text = _IN_THE_PAPER.get(str(value), str(value)) if key == "model.scope" else _short(value)
    return _WORDS.get(key, "{name} {value}").format(name=name, value=text.removesuffix("DataModule"))


def _recovery(settings: Settings) -> str:
    weight, schedule = settings[_S[0]], str(settings[_S[1]])
    if schedule == "off":
        return "S off"
    kind, _, steps = schedule.rstrip(")").partition("(")
    factor = "" if weight == 1 else f"{_short(weight)} "
    if kind == "constant":
        return f"{factor}S" if factor else "S on"
    return f"{factor}S {_ENDS[kind]} {steps}" if kind in _ENDS else f"{factor}S {schedule}"


def _short(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    text = PurePath(text).name if "/" in text else text
    return text if len(text) <= 40 else f"{text[:39]}…"


def _distinct(labels: Sequence[str]) -> list[str]:
    """Number labels that are the same, since long values are cut."""
    seen: Counter[str] = Counter()
    distinct = []
    for label in labels:
        seen[label] += 1
        distinct.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return distinct


def _by_seed(run: Run) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", seed_of(run.config))
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts if part]
