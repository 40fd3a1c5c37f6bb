"""How Taylor mode computes some derivatives of one network: found once, used at every step."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from torch import nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.derivatives.engines.engine import Unsuitable
from laaf_lightning.derivatives.layers import between_scales, is_adaptive, is_affine, layers_of, why_no_sequence
from laaf_lightning.derivatives.orders import Order, partitions, with_lower_orders
from laaf_lightning.derivatives.rules import Rule, rule_of
from laaf_lightning.derivatives.scales import InputScale, OutputScale

TITLE = "Taylor mode"
Terms: TypeAlias = tuple[tuple[tuple[Order, ...], int], ...]


@dataclass(frozen=True)
class Stage:
    """One step of a network: an affine map, or an activation.

    Attributes:
        affine: the affine map, or None.
        slope: the adaptive activation whose slope acts here, or None; the slope after an affine map is folded into it.
        rule: the activation's derivatives, or None for an affine map.
        outputs: the map to physical units that is folded into the last affine map, or None.
    """

    affine: nn.Linear | None
    slope: AdaptiveActivation | None
    rule: Rule | None
    outputs: OutputScale | None = None


@dataclass(frozen=True)
class TaylorPlan:
    """How some derivatives of one network are computed: found once, used at every step.

    It holds for the network's layers as they are; where one is replaced, a new plan is needed.

    Attributes:
        stages: the network's layers.
        orders: the derivatives and all lower ones that they need.
        highest: the highest order.
        terms: for each order but (), the terms of Faà di Bruno's formula by the order of σ's derivative.
        inputs: the map of the points to the network's own coordinates, or None.
    """

    stages: tuple[Stage, ...]
    orders: tuple[Order, ...]
    highest: int
    terms: tuple[tuple[Order, tuple[tuple[int, Terms], ...]], ...]
    inputs: InputScale | None = None

    @classmethod
    def of(cls, network: nn.Module, orders: Iterable[Order]) -> TaylorPlan:
        """Plan some derivatives of a network.

        Args:
            network: an ``nn.Sequential``, an `MLP` or another `Layered` one, of linear layers and activations.
            orders: the derivatives, as sorted column indices.

        Returns:
            The plan.

        Raises:
            Unsuitable: if the network or an order is beyond Taylor mode.
        """
        (plan,) = cls.of_sets(network, [orders])
        return plan

    @classmethod
    def of_sets(cls, network: nn.Module, orders: Sequence[Iterable[Order]]) -> list[TaylorPlan]:
        """Plan a network's derivatives at several sets of points, having looked at it once.

        Args:
            network: as for one set.
            orders: the derivatives at each set.

        Returns:
            A plan for each set.

        Raises:
            Unsuitable: as for one set.
        """
        needed, layers = [with_lower_orders(each) for each in orders], tuple(layers_of(network))
        if (reason := why_no_sequence(network, layers, [*itertools.chain(*needed)])) is not None:
            raise Unsuitable(reason, TITLE)
        inputs, inner, outputs = between_scales(layers)
        stages = (*_stages(inner),)
        if outputs is not None:
            stages = (*stages[:-1], replace(stages[-1], outputs=outputs))
        return [cls(stages, each, max(map(len, each)), _terms(each), inputs) for each in needed]


def _terms(needed: tuple[Order, ...]) -> tuple[tuple[Order, tuple[tuple[int, Terms], ...]], ...]:
    return tuple((order, _by_size(order)) for order in needed if order)


def _by_size(order: Order) -> tuple[tuple[int, Terms], ...]:
    """Group the terms of Faà di Bruno's formula by the number of their factors, the order of σ's derivative."""
    grouped = itertools.groupby(partitions(order), key=lambda term: len(term[0]))
    return tuple((size, tuple(terms)) for size, terms in grouped)


def _stages(layers: Sequence[nn.Module]) -> Iterator[Stage]:
    """Pair each slope with the affine map before it, where there is one."""
    folded = False
    for layer, after in itertools.zip_longest(layers, layers[1:]):
        if is_affine(layer):
            yield Stage(layer, _with_slope(after), None)
        else:
            yield Stage(None, None if folded else _with_slope(layer), rule_of(layer))
        folded = is_affine(layer)


def _with_slope(layer: nn.Module | None) -> AdaptiveActivation | None:
    return layer if is_adaptive(layer) and layer.a is not None else None
