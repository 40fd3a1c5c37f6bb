"""A module that starts from the weights of another one, and from nothing else of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule
from torch import Tensor

from laaf_lightning.callbacks.adapt_activations import take_slopes
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.untrusted.checkpoint_files import load_content

_COEFFICIENT = "coefficients."
_OF_SLOPES = ("a", "n")
_SCALES = "put_scale."  # of inputs, of outputs
_SHOWN = 3


def init_from(
    module: LightningModule,
    source: str | os.PathLike[str] | LightningModule,
    *,
    strict: bool = True,
    coefficients: bool = True,
) -> str:
    """Let a module start from the weights of another: of the same equation with another parameter, say.

    Taken are weights, slopes and unknown coefficients, by name and shape; nothing of the optimiser or of the steps. A
    module without adaptive activations is adapted as the other was.

    Args:
        module: is changed in place.
        source: path or address of a checkpoint, which is loaded without running code from it, or a module.
        strict: whether all weights must fit, but for slopes and coefficients that only one of both has; else what fits
            is taken.
        coefficients: whether the other's unknown coefficients are taken too; else they stay at the first guesses.

    Returns:
        A line that says what was taken, and what was left out on either side.

    Raises:
        ConfigurationError: for what is no checkpoint, weights that do not fit, and slopes of another n.

    Example:
        >>> import laaf_lightning as laaf
        >>> thick = laaf.PINN(laaf.Burgers(0.1), width=8, depth=2)
        >>> init_from(laaf.PINN(laaf.Burgers(0.01), width=8, depth=2), thick)
        'starts from a PINN: 10 of 10 tensors'
    """
    named, content = _content(source)
    return take_state(module, content, named, strict=strict, coefficients=coefficients)


def take_state(
    module: LightningModule, content: Mapping[str, Any], named: str, *, strict: bool, coefficients: bool = True
) -> str:
    """Give a module those weights of a checkpoint that fit, by name and shape.

    Args:
        module: is changed in place.
        content: of the checkpoint.
        named: what the checkpoint is called.
        strict: as for `init_from`.
        coefficients: likewise.

    Returns:
        A line that says how many, and what is left out on either side.

    Raises:
        ConfigurationError: if nothing fits, or not all where it must, and for slopes of another n.
    """
    take_slopes(module, content)
    given: dict[str, Any] = dict(content["state_dict"])
    own: dict[str, Tensor] = module.state_dict()
    left = [] if coefficients else [name for name in own if name.startswith(_COEFFICIENT)]
    fitting = {name for name, tensor in own.items() if _shape(given.get(name)) == tuple(tensor.shape)}
    taken = {name: given[name] for name in own if name in fitting and name not in left}
    lacking = [_difference(name, tensor, given.get(name)) for name, tensor in own.items() if name not in fitting]
    unused = [name for name in given if name not in own]
    kind, tensors = type(module).__name__, f"{len(own)} tensors"
    weights = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    if not weights & taken.keys():
        raise ConfigurationError(
            f"init_from={named!r}: none of its {len(given)} tensors fits {kind} by name and shape; the model has "
            f"{_listed(lacking)}; the file has {_listed(given)}"
        )
    if strict and (unlike := _unlike(own, given, fitting)):
        raise ConfigurationError(
            f"init_from={named!r} does not fit {kind}: it differs in {_listed(unlike)}; build the model with the "
            f"{_way_out(unlike)}"
        )
    other_scales = any(_SCALES in name and not tensor.equal(own[name].to(tensor)) for name, tensor in taken.items())
    try:
        module.load_state_dict(taken, strict=False)
    except RuntimeError as error:
        raise ConfigurationError(f"init_from={named!r}: {_mismatch(str(error))}") from error
    learnt = [name.removeprefix(_COEFFICIENT) for name in taken if name.startswith(_COEFFICIENT)]
    left = [name.removeprefix(_COEFFICIENT) for name in left]
    clauses = [f"of the model's {_listed(lacking)}"] * bool(lacking) + [f"of the file's {_listed(unused)}"] * bool(
        unused
    )
    return (
        f"starts from {named}: {len(taken)} of {tensors}"
        + (f", the coefficients among them: {', '.join(learnt)}" if learnt else "")
        + (f"; left at the first guess: {', '.join(left)}" if left else "")
        + ("; its scales of inputs and outputs hold, in the place of the model's own" if other_scales else "")
        + (f"; left out are {', and '.join(clauses)}" if clauses else "")
    )


def _content(source: str | os.PathLike[str] | LightningModule) -> tuple[str, dict[str, Any]]:
    if isinstance(source, LightningModule):
        return f"a {type(source).__name__}", {"state_dict": source.state_dict()}
    if not isinstance(source, (str, os.PathLike)):
        raise ConfigurationError(
            f"init_from: {source!r} is neither the path of a checkpoint nor a module: give one of them"
        )
    try:
        return str(source), load_content(Path(source) if isinstance(source, os.PathLike) else source, "init_from")
    except FileNotFoundError as error:
        raise ConfigurationError(f"init_from={str(source)!r}: there is no such file") from error


def _unlike(own: Mapping[str, Tensor], given: Mapping[str, Any], fitting: Iterable[str]) -> list[str]:
    """List the weights that must fit and do not; slopes and coefficients may be absent on either side."""

    def may_lack(name: str) -> bool:
        return name.startswith(_COEFFICIENT) or name.rpartition(".")[2] in _OF_SLOPES

    unlike = [
        _difference(name, tensor, given.get(name)) + (" (the file has none)" if name not in given else "")
        for name, tensor in own.items()
        if name not in fitting and (name in given or not may_lack(name))
    ]
    return unlike + [f"{name} (the model has none)" for name in given if name not in own and not may_lack(name)]


def _way_out(unlike: Iterable[str]) -> str:
    if all(_SCALES in name or name.startswith("term_units.") for name in unlike):
        return (
            "scales that this one was trained with (scale_inputs=…, output_scale=…, scale_terms=…; --model.scale_inputs"
            " and so on), of which False, None and False stand for none"
        )
    return "width, depth and inputs that this one was trained with (--model.width, --model.depth)"


def _shape(value: object) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _difference(name: str, tensor: Tensor, given: object) -> str:
    shape = _shape(given)
    return name if shape is None else f"{name} {tuple(tensor.shape)} (the file has {shape})"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)}: {', '.join(names[:_SHOWN])}{more}" if names else "none"


def _mismatch(message: str) -> str:
    """Shorten torch's list of what does not fit to its first item, one about n before all others."""
    _, *items = (" ".join(line.split()).rstrip(".") for line in message.splitlines() if line.strip())
    return next((item for item in items if "the checkpoint has n=" in item), items[0] if items else message)
