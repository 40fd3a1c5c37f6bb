"""Taylor mode: u and its partial derivatives from one forward pass, for networks that are a sequence of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from laaf_lightning.derivatives.engines.engine import Engine, Names, Orders, Say
from laaf_lightning.derivatives.engines.taylor_plan import TITLE, TaylorPlan, Terms
from laaf_lightning.derivatives.field import Field
from laaf_lightning.derivatives.jet_field import JetField
from laaf_lightning.derivatives.module_state import NetworkState
from laaf_lightning.derivatives.orders import Order
from laaf_lightning.derivatives.rules import Rule
from laaf_lightning.derivatives.scales import OutputScale

# Derivatives of a layer's output by the coordinates: order to (features, N) or (features, 1). What is absent is zero.
Jets: TypeAlias = dict[Order, Tensor]
Products: TypeAlias = dict[tuple[Order, ...], Tensor]


class TaylorField(JetField):
    r"""u = N(x) and the derivatives that were asked for, all from one forward pass.

    Each layer maps its input's partial derivatives to its output's: an affine map acts on each, an activation
    combines them by Faà di Bruno's formula. One backward pass then gives the gradients of a loss by the parameters,
    so that `torch.compile` applies, and nothing is recorded for the points. Slopes are folded into the affine map
    before them, σ(n·a·(Wx + b)) = σ((n·a·W)x + n·a·b), at a cost that does not grow with the number of points.

    Source: Griewank & Walther, Evaluating Derivatives (2008), chapter 13.

    Args:
        network: maps points (N, d) to u (N, C); see `TaylorPlan.of`.
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
        jets = {order: jet.t() for order, jet in _propagate(points, plan).items()}
        super().__init__(jets, plan.orders, coordinates, unknowns)


@dataclass(frozen=True)
class Taylor(Engine):
    """Taylor mode.

    Attributes:
        plans: how, for each set of points.
    """

    name: ClassVar[str] = "taylor"
    title: ClassVar[str] = TITLE

    plans: Mapping[str, TaylorPlan] = field(default_factory=dict)

    @classmethod
    def of(cls, network: nn.Module, orders: Orders, names: Names, *, build: Say | None = None) -> Taylor:
        """Plan the derivatives of a sequence of layers.

        Args:
            network: see `TaylorPlan.of`.
            orders: the derivatives at each set of points, each of order 4 or less.
            names: of the coordinates and unknowns.
            build: not used.

        Returns:
            The engine.

        Raises:
            Unsuitable: if the network or an order is beyond Taylor mode.
        """
        plans = TaylorPlan.of_sets(network, [*orders.values()])
        return cls(names, orders, NetworkState(network), plans=dict(zip(orders, plans, strict=True)))

    def fields(self, network: nn.Module, sets: Mapping[str, Tensor]) -> dict[str, Field]:
        """Pass each set through the layers.

        Args:
            network: N.
            sets: points (N, d) by name.

        Returns:
            A field for each set.
        """
        coordinates, unknowns = self.names
        return {
            name: TaylorField(network, points, coordinates, self.plans[name], unknowns) for name, points in sets.items()
        }


def _propagate(points: Tensor, plan: TaylorPlan) -> Jets:
    """Pass the points through the layers, features first, so that the points fill the vector lanes."""
    unit = torch.eye(points.shape[1], dtype=points.dtype, device=points.device)
    jets: Jets = {order: unit[:, order[0], None] for order in plan.orders if len(order) == 1}
    jets[()] = points.detach().t()
    if plan.inputs is not None:
        half_range = plan.inputs.half_range[:, None]
        jets = {order: jet / half_range for order, jet in jets.items() if order}
        jets[()] = plan.inputs(points.detach()).t()
    for stage in plan.stages:
        slope = None if stage.slope is None else stage.slope.slope.reshape(-1, 1)
        if stage.affine is not None:
            jets = _affine(stage.affine, jets, slope, stage.outputs)
            continue
        if slope is not None:
            jets = {order: jet * slope.to(jet.dtype) for order, jet in jets.items()}
        jets = _activate(stage.rule, jets, plan)
    return jets


def _affine(layer: nn.Linear, jets: Jets, slope: Tensor | None, scale: OutputScale | None = None) -> Jets:
    """Apply slope·(Wx + b), or offset + scale·(Wx + b); the derivatives of a constant are zero."""
    weight: Tensor = layer.weight
    bias: Tensor | None = layer.bias
    if scale is not None:
        weight, bias = scale.folded(weight, bias)
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
