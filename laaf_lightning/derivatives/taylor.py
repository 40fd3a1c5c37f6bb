"""Taylor mode: u and its partial derivatives from one forward pass, for networks that are a sequence of layers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.derivatives.field import Field
from laaf_lightning.derivatives.orders import Order, partitions, with_lower_orders
from laaf_lightning.derivatives.rules import HIGHEST_ORDER, Rule, rule_of
from laaf_lightning.errors import ConfigurationError

# Derivatives of a layer's output by the coordinates: order to (features, N) or (features, 1). What is absent is zero.
Jets: TypeAlias = dict[Order, Tensor]


@runtime_checkable
class Layered(Protocol):
    """A network that is its layers applied one after the other, as `MLP` is."""

    def layers(self) -> Iterable[nn.Module]:
        """Return the layers from input to output."""
        ...


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
        orders: the derivatives that will be asked for, as sorted column indices, each of order 4 or less.
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
        orders: Iterable[Order],
        unknowns: Sequence[str] = ("u",),
    ) -> None:
        needed = with_lower_orders(orders)
        layers = tuple(layers_of(network))
        if (reason := _why_not(layers, needed)) is not None:
            raise ConfigurationError(f"Taylor mode cannot differentiate this network: {reason}")
        self._jets = _propagate(layers, points, needed)
        self._known = frozenset(needed)
        super().__init__(self._jets[()].t(), coordinates, unknowns)

    def _derivative(self, order: Order) -> Tensor:
        if order not in self._known:
            by = ", ".join(repr(self.coordinates[column]) for column in order)
            raise ConfigurationError(
                f"u.d({by}) was not asked for when the residual was first run: what it asks for must not depend on the "
                "points, on values or on the run's progress; ask for it in every case, or take engine='autograd'"
            )
        if order not in self._jets:
            return torch.zeros_like(self.value)
        return self._jets[order].t().expand_as(self.value)


def layers_of(network: nn.Module) -> Iterator[nn.Module]:
    """Take a network apart.

    Args:
        network: an ``nn.Sequential``, a `Layered` module, nested or not, or a single layer.

    Yields:
        The layers in their order.
    """
    # Asked of the class, since many a network has an attribute of this name.
    if isinstance(network, Layered) and callable(getattr(type(network), "layers", None)):
        parts: Iterable[nn.Module] = network.layers()
    elif isinstance(network, nn.Sequential):
        parts = network
    else:
        yield network
        return
    for part in parts:
        yield from layers_of(part)


def why_not_taylor(network: nn.Module, orders: Iterable[Order]) -> str | None:
    """Tell why Taylor mode cannot serve.

    It passes linear layers and activations with a known rule (see `rule_of`), adaptive or not, in sequence.

    Args:
        network: the network.
        orders: the derivatives that are needed.

    Returns:
        The reason, or None if it can.

    Example:
        >>> why_not_taylor(nn.Sequential(nn.Linear(1, 8), nn.Mish()), [(0,)])
        'no rule for the derivatives of Mish(): give the activation a method derivatives(z, order)'
    """
    return _why_not(tuple(layers_of(network)), with_lower_orders(orders))


def _why_not(layers: Sequence[nn.Module], orders: Sequence[Order]) -> str | None:
    highest = max(map(len, orders))
    if highest > HIGHEST_ORDER:
        return f"a derivative of order {highest} is asked for, and it goes up to order {HIGHEST_ORDER}"
    sample = torch.zeros(1)
    for layer in layers:
        if isinstance(layer, nn.Linear) and _is_plain(layer):
            sample = layer.weight.new_zeros(1)
            continue
        if (rule := _rule(layer)) is None:
            return _not_passed(layer)
        if (known := len(rule(sample, highest)) - 1) < highest:
            return f"derivatives of {_name(layer)} are known up to order {known}, and order {highest} is asked for"
    return None


def _not_passed(layer: nn.Module) -> str:
    if not isinstance(layer, AdaptiveActivation) and any(True for _ in layer.children()):
        return f"{type(layer).__name__} is not a sequence of layers: give it a method layers() if it is one"
    if isinstance(layer, AdaptiveActivation) and layer.slope.ndim > 1:
        return f"the slope of shape {tuple(layer.slope.shape)} does not belong to single features"
    return f"no rule for the derivatives of {_name(layer)}: give the activation a method derivatives(z, order)"


def _name(layer: nn.Module) -> str:
    what = layer.activation if isinstance(layer, AdaptiveActivation) else layer
    return getattr(what, "__name__", repr(what))


def _is_plain(layer: nn.Module) -> bool:
    """Tell a layer whose forward is torch's own or ours; a parametrised one is of a class made for it."""
    return type(layer).forward in {nn.Linear.forward, AdaptiveActivation.forward}


def _rule(layer: nn.Module) -> Rule | None:
    if isinstance(layer, AdaptiveActivation) and not (_is_plain(layer) and layer.slope.ndim <= 1):
        return None
    return rule_of(layer)


def _propagate(layers: Sequence[nn.Module], points: Tensor, orders: Sequence[Order]) -> Jets:
    """Pass the points through the layers, features first, so that the points fill the vector lanes."""
    unit = torch.eye(points.shape[1], dtype=points.dtype, device=points.device)
    jets: Jets = {(): points.t(), **{order: unit[:, order[0], None] for order in orders if len(order) == 1}}
    following = itertools.zip_longest(layers, layers[1:])
    scaled = False
    for layer, after in following:
        if isinstance(layer, nn.Linear):
            jets = _affine(layer, jets, _slope(after))
        else:
            if not scaled and (slope := _slope(layer)) is not None:
                jets = {order: jet * slope.to(jet.dtype) for order, jet in jets.items()}
            jets = _activate(_rule(layer), jets, orders)
        scaled = isinstance(layer, nn.Linear)
    return jets


def _slope(layer: nn.Module | None) -> Tensor | None:
    """Return the slope n·a that acts before an activation, as a column of features; None without one."""
    if not isinstance(layer, AdaptiveActivation) or layer.a is None:
        return None
    return layer.slope.reshape(-1, 1)


def _affine(layer: nn.Linear, jets: Jets, slope: Tensor | None) -> Jets:
    """Apply slope·(Wx + b); the derivatives of a constant are zero."""
    weight, bias = layer.weight, layer.bias
    if slope is not None:
        slope = slope.to(weight.dtype)
        weight = weight * slope
    outputs = {order: weight @ jet for order, jet in jets.items() if order}
    if bias is None:
        return {(): weight @ jets[()], **outputs}
    column = bias[:, None] if slope is None else bias[:, None] * slope
    return {(): torch.addmm(column, weight, jets[()]), **outputs}


def _activate(rule: Rule | None, jets: Jets, orders: Sequence[Order]) -> Jets:
    """Apply σ by Faà di Bruno's formula."""
    assert rule is not None
    sigma = rule(jets[()], max(map(len, orders)))
    outputs: Jets = {(): sigma[0]}
    for order in orders[1:]:
        total: Tensor | None = None
        for size, terms in itertools.groupby(partitions(order), key=lambda term: len(term[0])):
            inner = _sum_of_products(jets, terms)
            if inner is not None:
                total = sigma[size] * inner if total is None else torch.addcmul(total, sigma[size], inner)
        if total is not None:
            outputs[order] = total
    return outputs


def _sum_of_products(jets: Jets, terms: Iterable[tuple[tuple[Order, ...], int]]) -> Tensor | None:
    """Return Σ count·Π z_B over the terms none of whose factors is zero; None if there is none."""
    total: Tensor | None = None
    for blocks, count in terms:
        if any(block not in jets for block in blocks):
            continue
        product = jets[blocks[0]]
        for block in blocks[1:]:
            product = product * jets[block]
        if total is None:
            total = product if count == 1 else product * count
        else:
            total = torch.add(total, product, alpha=count)
    return total
