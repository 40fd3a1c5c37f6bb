"""What makes the fields of one network, as it was chosen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import AutogradField, Field, FusedField, FusedPlan, Order, TaylorField, TaylorPlan
from laaf_lightning.problems import PDE

_WAYS = {"autograd": "nested autograd", "taylor": "Taylor mode", "fused": "the fused kernel"}
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


@dataclass(frozen=True)
class Differentiator:
    """Makes the fields of one network.

    Attributes:
        problem: names the coordinates and unknowns.
        orders: the derivatives that the residual asks for.
        parts: the network's modules, the functions that they apply and their hooks, when this was chosen.
        plan: of the kernel or of Taylor mode for the residual; None for nested autograd.
        condition_plan: likewise for the conditions; Taylor mode beside the kernel where they ask for more than it has.
        reason: why not a faster way, if there is one.
        hint: how to have a faster way, if it only has to be asked for.
    """

    problem: PDE
    orders: frozenset[Order]
    parts: tuple[object, ...]
    plan: FusedPlan | TaylorPlan | None = None
    condition_plan: FusedPlan | TaylorPlan | None = None
    reason: str | None = None
    hint: str | None = None

    @property
    def name(self) -> str:
        """The engine's name, ``"fused"``, ``"taylor"`` or ``"autograd"``."""
        if self.plan is None:
            return "autograd"
        return "fused" if isinstance(self.plan, FusedPlan) else "taylor"

    def serves(self, network: nn.Module) -> bool:
        """Tell whether the network's modules, activations and hooks are still those that this was chosen for.

        Args:
            network: the network now.

        Returns:
            False where one has been replaced.
        """
        return self.parts == parts_of(network)

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
        if isinstance(plan, FusedPlan):
            return FusedField(network, points, coordinates, plan, unknowns)
        return TaylorField(network, points, coordinates, plan, unknowns)

    @property
    def at_once(self) -> bool:
        """Whether the residual's field and the conditions' come of one call."""
        return isinstance(self.plan, FusedPlan) and isinstance(self.condition_plan, FusedPlan)

    def fields(self, network: nn.Module, points: Tensor, at: Tensor) -> tuple[Field, Field]:
        """Return N and its derivatives for the residual and for the conditions.

        Args:
            network: N.
            points: of the residual, shape (N, d).
            at: of the conditions, shape (M, d).

        Returns:
            Two fields.
        """
        if isinstance(self.plan, FusedPlan) and isinstance(self.condition_plan, FusedPlan):
            plans, names = [self.plan, self.condition_plan], (self.problem.coordinates, self.problem.unknowns)
            u, u_at = FusedField.at_sets(network, [points, at], names[0], plans, names[1])
            return u, u_at
        return self.field(network, points), self.field(network, at, at_conditions=True)

    def __str__(self) -> str:
        names = ["u", *("u_" + "".join(self.problem.coordinates[i] for i in order) for order in sorted(self.orders))]
        why = f", since {self.reason}" if self.reason else ""
        return f"{', '.join(names)} by {_WAYS[self.name]}{why}"


def parts_of(network: nn.Module) -> tuple[object, ...]:
    """Return what a choice of engine depends on: modules, what they apply, how many hooks they have, dtype and device.

    Functions and hooks are no modules; torch has no public way to ask for hooks.
    """
    first = next(network.parameters(), torch.zeros(()))
    modules = tuple(network.modules())
    attributes = [vars(module) for module in modules]
    return (
        first.dtype,
        first.device,
        *modules,
        *((own.get("activation"), *(len(own[hooks]) for hooks in _HOOKS)) for own in attributes),
    )
