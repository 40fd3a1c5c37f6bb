"""Which way a PINN's derivatives are computed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.derivatives import (
    FusedPlan,
    KernelUnavailableError,
    Order,
    TaylorField,
    TaylorPlan,
    is_built,
    load_kernel,
    vanishing_order,
    why_not_buildable,
    why_not_fused,
    why_not_taylor,
)
from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.modules.differentiator import Differentiator, parts_of
from laaf_lightning.problems import PDE

Engine = Literal["auto", "autograd", "taylor", "fused"]
LONG_RUN = 5000  # steps, beyond which "auto" builds the kernel
_CHECKED_POINTS = 5
_AGREEMENT = 1e-3


def check_engine(engine: str) -> None:
    """Refuse an unknown engine.

    Args:
        engine: what was asked for.

    Raises:
        ConfigurationError: if it is not one of the four.
    """
    if engine not in get_args(Engine):
        raise ConfigurationError(unknown_choice("engine", engine, get_args(Engine)))


def choose_engine(
    engine: Engine,
    network: nn.Module,
    problem: PDE,
    orders: frozenset[Order],
    condition_orders: frozenset[Order] = frozenset(),
    *,
    builds: bool = False,
    say: Callable[[str], object] | None = None,
) -> Differentiator:
    """Choose how to differentiate a network.

    Args:
        engine: ``"fused"``, ``"taylor"``, ``"autograd"``, or ``"auto"`` for the first of them that serves.
        network: maps points to the unknowns.
        problem: the equation.
        orders: the derivatives that the residual asks for.
        condition_orders: those that the conditions ask for.
        builds: whether ``"auto"`` may build the kernel, or only take one that is there.
        say: what tells the user that the kernel is built.

    Returns:
        What makes the fields.

    Raises:
        ConfigurationError: if the engine that is asked for cannot serve, or if the network does not have one output
            for each unknown.
        KernelUnavailableError: if the kernel is asked for and cannot be built.
    """
    parts = parts_of(network)
    probe = _probe(network, problem)
    if engine == "autograd":
        return Differentiator(problem, orders, parts)
    reason = why_not_taylor(network, orders | condition_orders) or _disagreement(network, problem, *probe)
    if reason is not None:
        if engine != "auto":
            raise ConfigurationError(_does_not_serve(engine, reason, "nested autograd"))
        return Differentiator(problem, orders, parts, reason=reason)
    taylor = TaylorPlan.of(network, orders), TaylorPlan.of(network, condition_orders)
    if engine == "taylor":
        return Differentiator(problem, orders, parts, *taylor)
    reason = why_not_fused(network, orders)
    if engine == "auto" and (reason is not None or not (builds or is_built())):
        hint = None if reason else _hint(why_not_buildable())
        return Differentiator(problem, orders, parts, *taylor, hint=hint)
    if reason is not None:
        raise ConfigurationError(_does_not_serve(engine, reason, "Taylor mode"))
    try:
        load_kernel(say)
    except KernelUnavailableError as error:
        if engine == "fused":
            raise KernelUnavailableError(f"{error}; engine='auto' takes Taylor mode") from error
        return Differentiator(problem, orders, parts, *taylor, reason=str(error))
    beyond = why_not_fused(network, condition_orders) is not None
    at_conditions = taylor[1] if beyond else FusedPlan.of(network, condition_orders)
    return Differentiator(problem, orders, parts, FusedPlan.of(network, orders), at_conditions)


def _hint(obstacle: str | None) -> str:
    if obstacle is not None:
        return f"The fused kernel would be faster, but {obstacle}"
    return "--model.engine fused is faster, with a kernel that is built once; see README"


def _does_not_serve(engine: Engine, reason: str, instead: str) -> str:
    return f"engine={engine!r} does not serve here: {reason}; engine='auto' takes {instead}"


def refuse_vanishing_derivatives(network: nn.Module, orders: Collection[Order]) -> None:
    """Refuse activations whose derivatives are zero almost everywhere at an order that the equation needs.

    Args:
        network: the network.
        orders: the derivatives that are asked for.

    Raises:
        ConfigurationError: naming activation, order and the way out.
    """
    highest = max(map(len, orders), default=0)
    for module in network.modules():
        vanishes = vanishing_order(module)
        if vanishes is not None and vanishes <= highest:
            what = module.activation if isinstance(module, AdaptiveActivation) else module
            name = getattr(what, "__name__", type(what).__name__)
            raise ConfigurationError(
                f"the equation has derivatives of order {highest}, and those of the activation {name} are zero almost "
                f"everywhere from order {vanishes} on: the residual would not see them; take a smooth one (tanh, sin, "
                "gelu, silu, softplus), or allow_piecewise=true if this is meant"
            )


def _probe(network: nn.Module, problem: PDE) -> tuple[Tensor, Tensor]:
    """Return some points and what the network gives there."""
    parameter = next(network.parameters(), torch.zeros(()))
    points = torch.linspace(0.1, 0.9, _CHECKED_POINTS)[:, None].expand(-1, len(problem.coordinates)).to(parameter)
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad():
            outputs = network(points)
    finally:
        for module, training in modes.items():
            module.training = training
    expected = (_CHECKED_POINTS, len(problem.unknowns))
    if outputs.shape != expected:
        raise ConfigurationError(
            f"{type(network).__name__} gives outputs of shape {tuple(outputs.shape)} at {_CHECKED_POINTS} points: "
            f"{type(problem).__name__} needs {expected}, one for each of its unknowns {', '.join(problem.unknowns)}"
        )
    return points, outputs


def _disagreement(network: nn.Module, problem: PDE, points: Tensor, actual: Tensor) -> str | None:
    """Compare Taylor mode's u with the network's own: a forward of its own may do more than its layers."""
    with torch.no_grad():
        told = TaylorField(network, points, problem.coordinates, [], problem.unknowns).value
    if told.shape == actual.shape and torch.allclose(told, actual, rtol=_AGREEMENT, atol=_AGREEMENT):
        return None
    return f"the forward of {type(network).__name__} does more than its layers one after the other"
