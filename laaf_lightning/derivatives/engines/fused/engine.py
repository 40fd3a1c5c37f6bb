"""The fused kernel as an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from laaf_lightning.derivatives.engines.engine import Engine, Names, NotBuilt, Orders, Say, Unsuitable
from laaf_lightning.derivatives.engines.fused.build import load_kernel, why_not_buildable
from laaf_lightning.derivatives.engines.fused.field import FusedField
from laaf_lightning.derivatives.engines.fused.plan import TITLE, FusedPlan, why_not_fused
from laaf_lightning.derivatives.engines.taylor import TaylorField
from laaf_lightning.derivatives.engines.taylor_plan import TaylorPlan
from laaf_lightning.derivatives.field import Field
from laaf_lightning.derivatives.module_state import NetworkState


@dataclass(frozen=True)
class Fused(Engine):
    """One native function for all sets of points; Taylor mode beside it for sets that ask for more than it has.

    Attributes:
        plans: how, for each set of points.
    """

    name: ClassVar[str] = "fused"
    title: ClassVar[str] = TITLE
    is_extra: ClassVar[bool] = True

    plans: Mapping[str, FusedPlan | TaylorPlan] = field(default_factory=dict)

    @classmethod
    def of(cls, network: nn.Module, orders: Orders, names: Names, *, build: Say | None = None) -> Fused:
        """Plan the derivatives of a network, the first set's at least by the kernel.

        Args:
            network: see `FusedPlan.of`.
            orders: the derivatives at each set of points; the first set's of order 2 or less.
            names: of the coordinates and unknowns.
            build: tells the user that the kernel is built; None does without it, also where it is there: what a run
                computes must not depend on what an earlier one has left in a cache.

        Returns:
            The engine.

        Raises:
            Unsuitable: if the network or an order is beyond the kernel.
            NotBuilt: if the kernel must not be built.
            KernelUnavailableError: if it cannot be built.
        """
        plans = dict(zip(orders, TaylorPlan.of_sets(network, [*orders.values()]), strict=True))
        reasons = {name: why_not_fused(network, plan) for name, plan in plans.items()}
        if (reason := next(iter(reasons.values()))) is not None:
            raise Unsuitable(reason, TITLE)
        if build is None:
            raise NotBuilt(_how_to_build(cls.obstacle()))
        load_kernel(build)
        chosen = {name: FusedPlan.of_taylor(plan) if reasons[name] is None else plan for name, plan in plans.items()}
        return cls(names, orders, NetworkState(network), plans=chosen)

    @classmethod
    def obstacle(cls) -> str | None:
        """Tell why the kernel could not be built here.

        Returns:
            A clause; None where a compiler and ninja are found.
        """
        return why_not_buildable()

    @property
    def gains_at_once(self) -> bool:
        """Whether the kernel takes all sets."""
        return all(isinstance(plan, FusedPlan) for plan in self.plans.values())

    def fields(self, network: nn.Module, sets: Mapping[str, Tensor]) -> dict[str, Field]:
        """Differentiate the network at all sets in one call.

        Args:
            network: N.
            sets: points (N, d) by name.

        Returns:
            A field for each set.
        """
        coordinates, unknowns = self.names
        fused: dict[str, FusedPlan] = {}
        fields: dict[str, Field] = {}
        for name, points in sets.items():
            plan = self.plans[name]
            if isinstance(plan, FusedPlan):
                fused[name] = plan
            else:
                fields[name] = TaylorField(network, points, coordinates, plan, unknowns)
        if fused:
            points_of = [sets[name] for name in fused]
            together = FusedField.at_sets(network, points_of, coordinates, [*fused.values()], unknowns)
            fields.update(zip(fused, together, strict=True))
        return fields


def _how_to_build(obstacle: str | None) -> str:
    if obstacle is not None:
        return f"The fused kernel would be faster, but {obstacle}"
    return "--model.engine fused is faster, with a kernel that is built once; see README"
