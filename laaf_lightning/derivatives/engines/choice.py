"""Which engine differentiates a network."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Literal, get_args

from torch import Tensor, nn

from laaf_lightning.derivatives.engines.autograd import Autograd
from laaf_lightning.derivatives.engines.engine import Engine, Names, NotBuilt, Orders, Say, Unsuitable
from laaf_lightning.derivatives.engines.fused import Fused, KernelUnavailableError
from laaf_lightning.derivatives.engines.taylor import Taylor
from laaf_lightning.errors import ConfigurationError, unknown_choice

EngineName = Literal["auto", "autograd", "taylor", "fused"]
ENGINES: tuple[type[Engine], ...] = (Fused, Taylor, Autograd)  # the better one first


def check_engine(engine: str) -> None:
    """Refuse an unknown engine.

    Args:
        engine: what was asked for.

    Raises:
        ConfigurationError: if it is not one of the four.
    """
    if engine not in get_args(EngineName):
        raise ConfigurationError(unknown_choice("engine", engine, get_args(EngineName)))


def choose(
    engine: EngineName,
    network: nn.Module,
    orders: Orders,
    names: Names,
    points: Tensor,
    *,
    builds: bool = False,
    say: Say | None = None,
) -> Engine:
    """Choose how to differentiate a network.

    Args:
        engine: an engine's name, or ``"auto"`` for the first of `ENGINES` that serves.
        network: maps points (N, d) to u (N, C).
        orders: the derivatives that will be asked for at each set of points, by the set's name.
        names: of the coordinates and unknowns.
        points: a few of the domain, (N, d), at which the engine must give what the network gives.
        builds: whether ``"auto"`` may take what must be built once, where this machine has the tools for it. What
            lies in a cache makes no difference: a run would give other numbers because an earlier one was there.
        say: what tells the user that something is built; None for a logger.

    Returns:
        The engine, which knows why it is not a better one.

    Raises:
        ConfigurationError: if the engine that is asked for does not serve, or none does.
        KernelUnavailableError: if the kernel is asked for and cannot be built.

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Linear(1, 8), nn.Mish(), nn.Linear(8, 1))
        >>> print(choose("auto", network, {"inside": frozenset({(0,)})}, Names(("x",)), torch.rand(5, 1)))
        u, u_x by nested autograd, since no rule for the derivatives of Mish(): only linear layers and activations ...
    """
    say = say or logging.getLogger(__name__).warning
    if engine != "auto":
        (kind,) = (kind for kind in ENGINES if kind.name == engine)
        try:
            return _tried(kind, network, orders, names, points, say)
        except Unsuitable as error:
            instead = choose("auto", network, orders, names, points).title
            if isinstance(error, KernelUnavailableError):
                raise KernelUnavailableError(f"{error}; engine='auto' takes {instead}") from error
            raise ConfigurationError(
                f"engine={engine!r} does not serve here: {error.reason}; engine='auto' takes {instead}"
            ) from error
    refused: tuple[type[Engine], Unsuitable] | None = None
    for kind in ENGINES:
        build = say if builds and kind.obstacle() is None else None
        engine_or_reason = _found_or_refused(kind, network, orders, names, points, build)
        if isinstance(engine_or_reason, Engine):
            return engine_or_reason if refused is None else _explained(engine_or_reason, *refused)
        refused = kind, engine_or_reason
    assert refused is not None
    raise refused[1]


def _found_or_refused(
    kind: type[Engine], network: nn.Module, orders: Orders, names: Names, points: Tensor, build: Say | None
) -> Engine | Unsuitable:
    try:
        return _tried(kind, network, orders, names, points, build)
    except Unsuitable as error:
        return error


def _tried(
    kind: type[Engine], network: nn.Module, orders: Orders, names: Names, points: Tensor, build: Say | None
) -> Engine:
    engine = kind.of(network, orders, names, build=build)
    engine.try_out(network, points)
    return engine


def _explained(chosen: Engine, better: type[Engine], error: Unsuitable) -> Engine:
    """Note why the engine before it in the list was not taken."""
    if isinstance(error, NotBuilt):
        return replace(chosen, hint=error.reason)
    if better.is_extra and not isinstance(error, KernelUnavailableError):
        return replace(chosen, hint=f"Not by {better.title}, since {error.reason}")
    return replace(chosen, reason=error.reason)
