"""A fit that starts from the weights of an earlier one, and from nothing else of it."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import LightningModule
from torch import Tensor

from laaf_lightning.callbacks.adapt_activations import take_slopes
from laaf_lightning.cli.checkpoint import load_checked, state_mismatch
from laaf_lightning.errors import ConfigurationError

SETTING = "init_from"
_SHOWN = 3


def check_initial_weights(config: Any, subcommand: str) -> None:
    """Raise unless the setting ``init_from`` can be met; a fit's file is read once more by `take_weights`.

    Beside a checkpoint, whose weights are all that other commands use, they pass over it: the saved configuration of a
    fit holds it.

    Args:
        config: the settings of the subcommand.
        subcommand: its name.

    Raises:
        ConfigurationError: for a file that is no checkpoint, in a fit beside a checkpoint to resume from, and in
            another command without a checkpoint.
    """
    path, resumed = config.get(SETTING), config.get("ckpt_path")
    if path is None or (subcommand != "fit" and resumed is not None):
        return
    if subcommand != "fit":
        raise ConfigurationError(
            f"{SETTING}={str(path)!r} is where a fit starts: {subcommand} takes the weights of --ckpt_path FILE"
        )
    if resumed is not None:
        raise ConfigurationError(
            f"{SETTING}={str(path)!r} beside ckpt_path={str(resumed)!r}: the first starts a new fit from these weights "
            "alone, the second goes on with an old one; give one of them"
        )
    load_checked(path, SETTING)


def take_weights(model: LightningModule, path: str) -> str:
    """Give a model those weights of a checkpoint that fit, by name and shape.

    Args:
        model: is changed in place.
        path: of the checkpoint; loaded without running code from it.

    Returns:
        A line that says how many, and what is left out on either side.

    Raises:
        ConfigurationError: for a file that is no checkpoint, if nothing fits, and for slopes of another n.
    """
    content = load_checked(path, SETTING)
    take_slopes(model, content)
    given: dict[str, Any] = content["state_dict"]
    own: dict[str, Tensor] = model.state_dict()
    taken = {name: given[name] for name, tensor in own.items() if _shape(given.get(name)) == tuple(tensor.shape)}
    lacking = [_difference(name, tensor, given.get(name)) for name, tensor in own.items() if name not in taken]
    unused = [name for name in given if name not in own]
    weights = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    if not weights & taken.keys():
        raise ConfigurationError(
            f"{SETTING}={str(path)!r}: none of its {len(given)} tensors fits {type(model).__name__} by name and shape; "
            f"the model has {_listed(lacking)}; the file has {_listed(list(given))}"
        )
    try:
        model.load_state_dict(taken, strict=False)
    except RuntimeError as error:
        raise ConfigurationError(f"{SETTING}={str(path)!r}: {state_mismatch(str(error))}") from error
    left_out = [f"of the model's {_listed(lacking)}"] * bool(lacking) + [f"of the file's {_listed(unused)}"] * bool(
        unused
    )
    return f"starts from {path}: {len(taken)} of {len(own)} tensors" + (
        f"; left out are {', and '.join(left_out)}" if left_out else ""
    )


def _shape(value: object) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _difference(name: str, tensor: Tensor, given: object) -> str:
    shape = _shape(given)
    return name if shape is None else f"{name} {tuple(tensor.shape)} (the file has {shape})"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)}: {', '.join(names[:_SHOWN])}{more}" if names else "none"
