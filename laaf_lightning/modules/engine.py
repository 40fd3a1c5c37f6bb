"""Which way a PINN's derivatives are computed, and the field that does it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.derivatives import (
    AutogradField,
    Field,
    Order,
    TaylorField,
    TaylorPlan,
    vanishing_order,
    why_not_taylor,
)
from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.problems import PDE

Engine = Literal["auto", "autograd", "taylor"]
_CHECKED_POINTS = 5
_AGREEMENT = 1e-3
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def check_engine(engine: str) -> None:
    """Refuse an unknown engine.

    Args:
        engine: what was asked for.

    Raises:
        ConfigurationError: if it is not one of the three.
    """
    if engine not in get_args(Engine):
        raise ConfigurationError(unknown_choice("engine", engine, get_args(Engine)))


@dataclass(frozen=True)
class Differentiator:
    """Makes the fields of one network.

    Attributes:
        problem: names the coordinates and unknowns.
        orders: the derivatives that the residual asks for.
        parts: the network's modules, the functions that they apply and their hooks, when this was chosen.
        plan: of Taylor mode for the residual; None for nested autograd.
        condition_plan: of Taylor mode for the conditions, likewise.
        reason: why not Taylor mode, if it is not.
    """

    problem: PDE
    orders: frozenset[Order]
    parts: tuple[object, ...]
    plan: TaylorPlan | None = None
    condition_plan: TaylorPlan | None = None
    reason: str | None = None

    @property
    def name(self) -> str:
        """The engine's name, ``"taylor"`` or ``"autograd"``."""
        return "autograd" if self.plan is None else "taylor"

    def serves(self, network: nn.Module) -> bool:
        """Tell whether the network's modules, activations and hooks are still those that this was chosen for.

        Args:
            network: the network now.

        Returns:
            False where one has been replaced.
        """
        return self.parts == _parts(network)

    def field(self, network: nn.Module, points: Tensor, *, at_conditions: bool = False) -> Field:
        """Return N and its derivatives.

        Args:
            network: N.
            points: shape (N, d).
            at_conditions: whether the derivatives that the conditions ask for are meant.

        Returns:
            The field.
        """
        coordinates, unknowns = self.problem.coordinates, self.problem.unknowns
        plan = self.condition_plan if at_conditions else self.plan
        if plan is None:
            return AutogradField(network, points, coordinates, unknowns)
        return TaylorField(network, points, coordinates, plan, unknowns)

    def __str__(self) -> str:
        names = ["u", *("u_" + "".join(self.problem.coordinates[i] for i in order) for order in sorted(self.orders))]
        way = "Taylor mode" if self.plan is not None else "nested autograd"
        why = f", since {self.reason}" if self.reason else ""
        return f"{', '.join(names)} by {way}{why}"


def choose_engine(
    engine: Engine,
    network: nn.Module,
    problem: PDE,
    orders: frozenset[Order],
    condition_orders: frozenset[Order] = frozenset(),
) -> Differentiator:
    """Choose how to differentiate a network.

    Args:
        engine: ``"taylor"``, ``"autograd"``, or ``"auto"`` for Taylor mode where it serves.
        network: maps points to the unknowns.
        problem: the equation.
        orders: the derivatives that the residual asks for.
        condition_orders: those that the conditions ask for.

    Returns:
        What makes the fields.

    Raises:
        ConfigurationError: if Taylor mode is asked for and cannot serve, or if the network does not have one output
            for each unknown.
    """
    parts = _parts(network)
    probe = _probe(network, problem)
    if engine == "autograd":
        return Differentiator(problem, orders, parts)
    reason = why_not_taylor(network, orders | condition_orders) or _disagreement(network, problem, *probe)
    if reason is None:
        plans = TaylorPlan.of(network, orders), TaylorPlan.of(network, condition_orders)
        return Differentiator(problem, orders, parts, *plans)
    if engine == "taylor":
        raise ConfigurationError(f"engine='taylor' does not serve here: {reason}; engine='auto' takes nested autograd")
    return Differentiator(problem, orders, parts, reason=reason)


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


def _parts(network: nn.Module) -> tuple[object, ...]:
    """Return what a choice of engine depends on: modules, the functions that they apply, and how many hooks they have.

    Functions and hooks are no modules; torch has no public way to ask for hooks.
    """
    modules = tuple(network.modules())
    attributes = [vars(module) for module in modules]
    return *modules, *((own.get("activation"), *(len(own[hooks]) for hooks in _HOOKS)) for own in attributes)


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
