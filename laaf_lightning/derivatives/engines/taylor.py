"""Taylor mode: u and its partial derivatives from one forward pass, for networks that are a sequence of layers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.derivatives.field import Field
from laaf_lightning.derivatives.layers import is_adaptive, is_affine, layers_of, why_not_taylor
from laaf_lightning.derivatives.orders import Order, partitions, with_lower_orders
from laaf_lightning.derivatives.rules import Rule, rule_of
from laaf_lightning.errors import ConfigurationError

# Derivatives of a layer's output by the coordinates: order to (features, N) or (features, 1). What is absent is zero.
Jets: TypeAlias = dict[Order, Tensor]
Products: TypeAlias = dict[tuple[Order, ...], Tensor]
Terms: TypeAlias = tuple[tuple[tuple[Order, ...], int], ...]


@dataclass(frozen=True)
class Stage:
    """One step of a network: an affine map, or an activation.

    Attributes:
        affine: the affine map, or None.
        slope: the adaptive activation whose slope acts here, or None; the slope after an affine map is folded into it.
        rule: the activation's derivatives, or None for an affine map.
    """

    affine: nn.Linear | None
    slope: AdaptiveActivation | None
    rule: Rule | None


@dataclass(frozen=True)
class TaylorPlan:
    """How some derivatives of one network are computed: found once, used at every step.

    It holds for the network's layers as they are; where one is replaced, a new plan is needed.

    Attributes:
        stages: the network's layers.
        orders: the derivatives and all lower ones that they need.
        highest: the highest order.
        terms: for each order but (), the terms of Faà di Bruno's formula by the order of σ's derivative.
    """

    stages: tuple[Stage, ...]
    orders: tuple[Order, ...]
    highest: int
    terms: tuple[tuple[Order, tuple[tuple[int, Terms], ...]], ...]

    @classmethod
    def of(cls, network: nn.Module, orders: Iterable[Order]) -> TaylorPlan:
        """Plan some derivatives of a network.

        Args:
            network: see `why_not_taylor`.
            orders: the derivatives, as sorted column indices.

        Returns:
            The plan.

        Raises:
            ConfigurationError: if the network or an order is beyond Taylor mode.
        """
        needed = with_lower_orders(orders)
        if (reason := why_not_taylor(network, needed)) is not None:
            raise ConfigurationError(f"Taylor mode cannot differentiate this network: {reason}")
        terms = tuple((order, _by_size(order)) for order in needed if order)
        return cls(tuple(_stages(tuple(layers_of(network)))), needed, max(map(len, needed)), terms)


class TaylorField(Field):
    r"""u = N(x) and the derivatives that were asked for, all from one forward pass.

    Each layer maps its input's partial derivatives to its output's: an affine map acts on each, an activation
    combines them by Faà di Bruno's formula. One backward pass then gives the gradients of a loss by the parameters,
    so that `torch.compile` applies, and nothing is recorded for the points. Slopes are folded into the affine map
    before them, σ(n·a·(Wx + b)) = σ((n·a·W)x + n·a·b), at a cost that does not grow with the number of points.

    Source: Griewank & Walther, Evaluating Derivatives (2008), chapter 13.

    Args:
        network: maps points (N, d) to u (N, C); see `why_not_taylor`.
        points: shape (N, d).
        coordinates: the d names of the columns.
        orders: the derivatives that will be asked for, as sorted column indices, each of order 4 or less; or a
            `TaylorPlan` of them for this network, made once for many fields, which spares the checks; a function that
            is compiled needs one from outside.
        unknowns: the C names of the outputs.

    Raises:
        ConfigurationError: if the network or an order is beyond Taylor mode.

    Example:
        >>> network = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        >>> TaylorField(network, torch.rand(5, 1), ["x"], [(0, 0)]).d("x", "x").shape
        torch.Size([5, 1])
    """

    def __init__(
        self,
        network: nn.Module,
        points: Tensor,
        coordinates: Sequence[str],
        orders: Iterable[Order] | TaylorPlan,
        unknowns: Sequence[str] = ("u",),
    ) -> None:
        plan = orders if isinstance(orders, TaylorPlan) else TaylorPlan.of(network, orders)
        self._jets = _propagate(points, plan)
        self._known = plan.orders
        super().__init__(self._jets[()].t(), coordinates, unknowns)

    def _derivative(self, order: Order) -> Tensor:
        if order not in self._known:
            raise self._not_asked_for(order)
        if order not in self._jets:
            return torch.zeros_like(self.value)
        return self._jets[order].t().expand_as(self.value)


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


def _propagate(points: Tensor, plan: TaylorPlan) -> Jets:
    """Pass the points through the layers, features first, so that the points fill the vector lanes."""
    unit = torch.eye(points.shape[1], dtype=points.dtype, device=points.device)
    jets: Jets = {order: unit[:, order[0], None] for order in plan.orders if len(order) == 1}
    jets[()] = points.detach().t()
    for stage in plan.stages:
        slope = None if stage.slope is None else stage.slope.slope.reshape(-1, 1)
        if stage.affine is not None:
            jets = _affine(stage.affine, jets, slope)
            continue
        if slope is not None:
            jets = {order: jet * slope.to(jet.dtype) for order, jet in jets.items()}
        jets = _activate(stage.rule, jets, plan)
    return jets


def _affine(layer: nn.Linear, jets: Jets, slope: Tensor | None) -> Jets:
    """Apply slope·(Wx + b); the derivatives of a constant are zero."""
    weight: Tensor = layer.weight
    bias: Tensor | None = layer.bias
    if slope is not None:
        slope = slope.to(weight.dtype)
        weight = weight * slope
    outputs = {order: weight @ jet for order, jet in jets.items() if order}
    if bias is None:
        return {(): weight @ jets[()], **outputs}
    column = bias[:, None] if slope is None else bias[:, None] * slope
    return {(): torch.addmm(column, weight, jets[()]), **outputs}


def _activate(rule: Rule | None, jets: Jets, plan: TaylorPlan) -> Jets:
    """Apply σ by Faà di Bruno's formula."""
    assert rule is not None
    sigma = rule(jets[()], plan.highest)
    outputs: Jets = {(): sigma[0]}
    products: Products = {(order,): jet for order, jet in jets.items()}
    for order, by_size in plan.terms:
        total: Tensor | None = None
        for size, terms in by_size:
            inner = _sum_of_products(products, terms)
            if inner is not None:
                total = sigma[size] * inner if total is None else total.addcmul_(sigma[size], inner)
        if total is not None:
            outputs[order] = total
    return outputs


def _sum_of_products(products: Products, terms: Terms) -> Tensor | None:
    """Return Σ count·Π z_B over the terms none of whose factors is zero; None if there is none."""
    total: Tensor | None = None
    for blocks, count in terms:
        if any((block,) not in products for block in blocks):
            continue
        product = _product(products, blocks)
        if total is None:
            total = product if count == 1 else product * count
        else:
            total = torch.add(total, product, alpha=count)
    return total


def _product(products: Products, blocks: tuple[Order, ...]) -> Tensor:
    """Return Π z_B, from what is known of it: z_x·z_x serves u_xx and, times z_x, u_xxx."""
    if blocks not in products:
        products[blocks] = _product(products, blocks[:-1]) * products[blocks[-1:]]
    return products[blocks]
