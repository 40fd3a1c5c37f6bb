"""An optimiser that goes on from a checkpoint: its state is restored, and what was asked for anew holds."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import nn
from torch.optim import Optimizer

from laaf_lightning.optimizers import SequentialOptimizer

KEY = "laaf_lightning"
_Group = dict[str, Any]


class AskedSettings:
    """What an optimiser was asked for, group by group, as it is built.

    Its state dict notes the optimiser's class, the parameters' names and these settings. A state that is loaded gives
    the state of each parameter by its name, and the settings of the checkpoint as they were then, but for those that
    are now asked for differently. A learning rate that is under a schedule is changed by the ratio of what is asked for
    now and what was asked for then.

    Args:
        optimizer: as it was built, before any scheduler has touched it.
        model: whose parameters it has.

    Attributes:
        scheduled: whether a scheduler sets the learning rates.
    """

    def __init__(self, optimizer: Optimizer, model: nn.Module) -> None:
        self.scheduled = False
        options = {name for name in inspect.signature(type(optimizer)).parameters if name != "params"}
        self._asked = [_plain({key: group[key] for key in options & set(group)}) for group in optimizer.param_groups]
        names = {parameter: name for name, parameter in model.named_parameters()}
        self._names = [[names.get(p, "") for p in group["params"]] for group in optimizer.param_groups]
        self._kind = f"{type(optimizer).__module__}.{type(optimizer).__qualname__}"
        optimizer.register_state_dict_post_hook(self._note)
        optimizer.register_load_state_dict_pre_hook(self._merge)

    def _note(self, optimizer: Optimizer, state_dict: dict[str, Any]) -> dict[str, Any]:
        return {**state_dict, KEY: {"kind": self._kind, "names": self._names, "asked": self._asked}}

    def _merge(self, optimizer: Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
        """Make of a saved state what this optimiser goes on with, and say what differs."""
        noted: Mapping[str, Any] = saved.get(KEY) or self._of_an_earlier_version(saved) or {}
        reason = self._why_afresh(noted, saved)
        if reason is not None:
            rank_zero_info(f"Resumed: {reason}, so the optimiser starts afresh with the weights of the checkpoint.")
            return {key: value for key, value in optimizer.state_dict().items() if key != KEY}
        index = {name: i for i, name in enumerate(name for names in noted["names"] for name in names)}
        position, state = 0, {}
        groups: list[_Group] = []
        said: list[str] = []
        for names, asked, fresh in zip(self._names, self._asked, optimizer.param_groups, strict=True):
            numbers = list(range(position, position + len(names)))
            position += len(names)
            state.update(
                {i: saved["state"][index[name]] for i, name in zip(numbers, names, strict=True)
                 if name in index and index[name] in saved["state"]}
            )  # fmt: skip
            of_then = next(
                (k for k, group in enumerate(noted["names"]) if not set(group).isdisjoint(names)), len(groups)
            )
            if of_then >= len(saved["param_groups"]):
                groups.append({**{k: v for k, v in fresh.items() if k != "params"}, "params": numbers})
                continue
            then, group = noted["asked"][of_then], dict(saved["param_groups"][of_then])
            said += self._change(group, asked, then)
            groups.append({**{k: v for k, v in fresh.items() if k not in group}, **group, "params": numbers})
        if said:
            rank_zero_info(f"Resumed with what is asked for now: {'; '.join(dict.fromkeys(said))}.")
        return {"state": state, "param_groups": groups}

    def _change(self, group: _Group, asked: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
        """Give a group what is asked for differently; return what to say."""
        said = []
        for key, value in asked.items():
            if key in then and then[key] == value:
                continue
            said.append(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}")
            if key in then:
                said[-1] += f" instead of {then[key]}"
            if key == "lr" and self.scheduled and then.get("lr"):
                group["lr"] = group["lr"] * value / then["lr"]
                if "initial_lr" in group:
                    group["initial_lr"] = group["initial_lr"] * value / then["lr"]
            else:
                group[key] = value
        return said

    def _why_afresh(self, noted: Mapping[str, Any], saved: Mapping[str, Any]) -> str | None:
        if not noted:
            return "the checkpoint's optimiser has other parameters, and their names are not told"
        if not _shares_state(noted["kind"], self._kind):
            return f"the checkpoint's optimiser is {_last(noted['kind'])}, and {_last(self._kind)} is asked for"
        before, now = ([name for group in groups for name in group] for groups in (noted["names"], self._names))
        if before != now and len(saved["state"]) < len(before):  # one state for all parameters together
            return f"{_last(self._kind)} was trained with other parameters"
        return None

    def _of_an_earlier_version(self, saved: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Guess what a checkpoint without notes was asked for: what its groups have, at the schedule's start."""
        if [len(group["params"]) for group in saved["param_groups"]] != [len(names) for names in self._names]:
            return None
        asked = []
        for own, group in zip(self._asked, saved["param_groups"], strict=True):
            started_at = {"lr": group["initial_lr"]} if "initial_lr" in group else {}
            asked.append({key: group[key] for key in own if key in group} | started_at)
        return {"kind": None, "names": self._names, "asked": asked}


def _plain(settings: _Group) -> _Group:
    """Keep what a checkpoint can hold and what can be compared."""
    kinds = (bool, int, float, str, type(None))
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in settings.items()
        if isinstance(value, kinds) or (isinstance(value, (tuple, list)) and all(isinstance(v, kinds) for v in value))
    }


def _shares_state(kind: str | None, other: str) -> bool:
    """Tell whether the state of one class of optimisers serves another, as Adam's and AdamW's do."""
    if kind in {None, other}:
        return True
    one, two = (getattr(torch.optim, _last(name), None) for name in (str(kind), other))
    return isinstance(one, type) and isinstance(two, type) and (issubclass(one, two) or issubclass(two, one))


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def follow_requests(model: nn.Module, optimizer: Optimizer) -> list[AskedSettings]:
    """Let an optimiser, or each of several in a row, go on from a checkpoint with what is asked for.

    Args:
        model: whose parameters it has.
        optimizer: as it was built.

    Returns:
        What was asked for; nothing of an optimiser that is none of torch's kind.
    """
    stages = optimizer.stages if isinstance(optimizer, SequentialOptimizer) else (optimizer,)
    return [AskedSettings(stage, model) for stage in stages if hasattr(stage, "register_load_state_dict_pre_hook")]
