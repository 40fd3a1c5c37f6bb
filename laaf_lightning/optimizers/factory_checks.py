"""Whether what is given for an optimiser or a scheduler can make one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from laaf_lightning.errors import ConfigurationError, nearest

Made = Literal["optimizer", "lr_scheduler"]

# What is imported in an example, an argument that it needs, and what is made of what.
_EXAMPLES: dict[Made, tuple[str, str, str]] = {
    "optimizer": ("torch.optim.Adam", "lr=1e-3", "parameters"),
    "lr_scheduler": ("torch.optim.lr_scheduler.StepLR", "step_size=100", "the optimiser"),
}


def refuse_no_factory(argument: str, value: object, makes: Made) -> None:
    """Refuse what cannot be called to make an optimiser or a scheduler.

    Args:
        argument: what it was given as, for the error.
        value: what was given.
        makes: which of the two.

    Raises:
        ConfigurationError: for a name, an object that is built already, the class of the other of the two, and anything
            that cannot be called; with the way out, as a Python argument and as flags.

    Example:
        >>> refuse_no_factory("optimizer", torch.optim.Adam, "optimizer")
        >>> refuse_no_factory("optimizer", "sgd", "optimizer")
        Traceback (most recent call last):
        laaf_lightning.errors.ConfigurationError: optimizer='sgd' is a name: ... partial(torch.optim.SGD, lr=1e-3) ...
    """
    if (what := _mistake(value, makes)) is not None:
        path, setting, of = _EXAMPLES[makes]
        path = _meant(value, makes) or path
        setting = setting if path == _EXAMPLES[makes][0] or makes == "optimizer" else "…"
        flags = f"--model.{makes} {path}" + ("" if setting == "…" else f" --model.{makes}.{setting.replace('=', ' ')}")
        shown = repr(value) if isinstance(value, str) else getattr(value, "__name__", f"<{type(value).__name__}>")
        raise ConfigurationError(
            f"{argument}={shown} is {what}: give what makes one of {of}, {argument}={path}, with settings "
            f"partial({path}, {setting}) of functools; on the command line {flags}"
        )


def check_stages(optimizers: object, steps: object) -> None:
    """Refuse optimisers and steps of a `SequentialOptimizer` that do not fit.

    Args:
        optimizers: what was given for them.
        steps: likewise.

    Raises:
        ConfigurationError: for what is no list, fewer than two optimisers, what cannot make one, another number of
            steps than one for each optimiser but the last, and steps that are no whole numbers ≥ 1.
    """
    for name, value in (("optimizers", optimizers), ("steps", steps)):
        if isinstance(value, str) or not isinstance(value, Sequence):
            example = "[torch.optim.Adam, torch.optim.LBFGS]" if name == "optimizers" else "[1000]"
            shown = value if isinstance(value, (str, int, float)) else type(value)
            raise ConfigurationError(
                f"{name}={shown!r} of SequentialOptimizer must be a list, such as {name}={example}"
            )
    assert isinstance(optimizers, Sequence)
    assert isinstance(steps, Sequence)
    count = len(optimizers)
    if count < 2:
        raise ConfigurationError(
            f"optimizers of SequentialOptimizer has {count}, and must have at least two; take a single one as it is"
        )
    for index, factory in enumerate(optimizers):
        refuse_no_factory(f"optimizers[{index}]", factory, "optimizer")
    if len(steps) != count - 1:
        raise ConfigurationError(
            f"steps={steps} of SequentialOptimizer must have length {count - 1} for {count} optimisers: one for each "
            "but the last, which does the rest"
        )
    if not all(isinstance(number, int) and number >= 1 for number in steps):
        raise ConfigurationError(
            f"steps={steps} of SequentialOptimizer must be whole numbers >= 1; leave out an optimiser that does nothing"
        )


def _mistake(value: object, makes: Made) -> str | None:
    """Say what is wrong with a value; None for what may be a factory."""
    own, other = (Optimizer, LRScheduler) if makes == "optimizer" else (LRScheduler, Optimizer)
    word = {Optimizer: "an optimiser", LRScheduler: "a scheduler"}
    if isinstance(value, str):
        return "a name"
    if isinstance(value, own):
        return f"{word[own]} that is built already, of other parameters than the ones to train"
    if isinstance(value, other):
        return f"{word[other]}, not {word[own]}"
    if isinstance(value, type) and issubclass(value, other):
        return f"the class of {word[other]}, not of {word[own]}"
    return None if callable(value) else "nothing that can be called"


def _meant(value: object, makes: Made) -> str | None:
    """Find the class of torch that a name, or an object of it, stands for."""
    home = torch.optim if makes == "optimizer" else torch.optim.lr_scheduler
    base = Optimizer if makes == "optimizer" else LRScheduler
    if isinstance(value, base):
        kind = type(value)
        return f"{home.__name__}.{kind.__name__}" if getattr(home, kind.__name__, None) is kind else None
    if not isinstance(value, str):
        return None
    found = [name for name, kind in vars(home).items() if isinstance(kind, type) and issubclass(kind, base)]
    near = nearest(value, [name for name in found if name != base.__name__])
    return None if near is None else f"{home.__name__}.{near}"
