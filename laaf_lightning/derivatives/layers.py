"""Networks that are a sequence of layers: taking them apart, and telling which ones Taylor mode can pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeGuard, runtime_checkable

import torch
from torch import nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.derivatives.module_state import has_hook
from laaf_lightning.derivatives.orders import Order
from laaf_lightning.derivatives.overridden_forward import describes_forward, forward_of
from laaf_lightning.derivatives.rules import HIGHEST_ORDER, Rule, rule_of
from laaf_lightning.derivatives.scales import InputScale, OutputScale


@runtime_checkable
class Layered(Protocol):
    """A network that is its layers applied one after the other, as `MLP` is."""

    def layers(self) -> Iterable[nn.Module]:
        """Return the layers from input to output."""
        ...


def layers_of(network: nn.Module) -> Iterator[nn.Module]:
    """Take a network apart.

    Args:
        network: an ``nn.Sequential``, a `Layered` module, nested or not, or a single layer. A subclass of these with
            a forward of its own is a single layer, unless it has a method ``layers()`` of its own too.

    Yields:
        The layers in their order.
    """
    parts = _parts(network)
    if parts is None:
        yield network
        return
    for part in parts:
        yield from layers_of(part)


def why_no_sequence(network: nn.Module, layers: Sequence[nn.Module], orders: Iterable[Order]) -> str | None:
    """Tell why derivatives cannot be carried through a network's layers.

    They are through linear layers and activations with a known rule (see `rule_of`), adaptive or not, in sequence, with
    an `InputScale` before the first and an `OutputScale` after the last, if that is linear.

    Args:
        network: the network.
        layers: what `layers_of` makes of it.
        orders: the derivatives that are needed, with all lower ones.

    Returns:
        The reason, or None if they can.

    Example:
        >>> network = nn.Sequential(nn.Linear(1, 8), nn.Mish())
        >>> print(why_no_sequence(network, list(layers_of(network)), [(0,)]))
        no rule for the derivatives of Mish(): only linear layers and activations are passed, ...
    """
    highest = max(map(len, orders), default=0)
    if highest > HIGHEST_ORDER:
        return f"a derivative of order {highest} is asked for, and it goes up to order {HIGHEST_ORDER}"
    _, inner, outputs = between_scales(layers)
    if outputs is not None and not (inner and is_affine(inner[-1])):
        return "an OutputScale stands after something that is no linear layer"
    return _why_no_hooks(network) or _why_no_layers(inner, highest)


def between_scales(
    layers: Sequence[nn.Module],
) -> tuple[InputScale | None, Sequence[nn.Module], OutputScale | None]:
    """Take the maps to and from physical units off a network's ends.

    Args:
        layers: what `layers_of` makes of it.

    Returns:
        The map of the inputs or None, the layers between, the map of the outputs or None.
    """
    first, last = (layers[0], layers[-1]) if layers else (None, None)
    inputs = first if isinstance(first, InputScale) and forward_of(first) is InputScale.forward else None
    outputs = last if isinstance(last, OutputScale) and forward_of(last) is OutputScale.forward else None
    return inputs, layers[inputs is not None : len(layers) - (outputs is not None)], outputs


def is_affine(layer: nn.Module | None) -> TypeGuard[nn.Linear]:
    """Tell a linear layer, parametrised or not, from a subclass that computes something else.

    Args:
        layer: any.

    Returns:
        Whether its forward is that of ``nn.Linear``.
    """
    return isinstance(layer, nn.Linear) and forward_of(layer) is nn.Linear.forward


def is_adaptive(layer: nn.Module | None) -> TypeGuard[AdaptiveActivation]:
    """Tell σ(n·a·z) from a subclass that computes something else.

    Args:
        layer: any.

    Returns:
        Whether its forward is that of `AdaptiveActivation`.
    """
    return isinstance(layer, AdaptiveActivation) and forward_of(layer) is AdaptiveActivation.forward


def _parts(network: nn.Module) -> Iterable[nn.Module] | None:
    """Return what a network applies one after the other; None for a single layer."""
    if isinstance(network, Layered) and describes_forward(network, "layers"):
        return network.layers()
    return network if isinstance(network, nn.Sequential) and forward_of(network) is nn.Sequential.forward else None


def _why_no_hooks(network: nn.Module) -> str | None:
    # weight_norm as it was before parametrizations, and pruning, work by hooks.
    for module in network.modules():
        if has_hook(module):
            return (
                f"{type(module).__name__} has a hook, which would not run: remove it; for weight_norm and "
                "spectral_norm take those of torch.nn.utils.parametrizations"
            )
    return None


def _why_no_layers(layers: Sequence[nn.Module], highest: int) -> str | None:
    sample = torch.zeros(1)
    for layer in layers:
        if is_affine(layer):
            sample = layer.weight.new_zeros(1)
            continue
        if is_adaptive(layer) and layer.slope.ndim > 1:
            return f"the slope of shape {tuple(layer.slope.shape)} does not belong to single features"
        if (rule := rule_of(layer)) is None:
            return _why_no_rule(layer)
        if (known := _known_order(rule, sample, highest)) < highest:
            return f"derivatives of {_name(layer)} are known up to order {known}, and order {highest} is asked for"
    return None


def _known_order(rule: Rule, sample: torch.Tensor, highest: int) -> int:
    with torch.no_grad():
        return len(rule(sample, highest)) - 1


def _why_no_rule(layer: nn.Module) -> str:
    kind = type(layer).__name__
    if isinstance(layer, nn.Linear) or (isinstance(layer, AdaptiveActivation) and not is_adaptive(layer)):
        return f"{kind} has a forward of its own, whose derivatives are not known"
    if not is_adaptive(layer) and any(True for _ in layer.children()):
        return (
            f"{kind} is not a sequence of layers: if it is one, give it a method layers(), in the class that has "
            "its forward"
        )
    return (
        f"no rule for the derivatives of {_name(layer)}: only linear layers and activations are passed, and an "
        "activation of one's own needs a method derivatives(z, order)"
    )


def _name(layer: nn.Module) -> str:
    what = layer.activation if isinstance(layer, AdaptiveActivation) else layer
    return getattr(what, "__name__", repr(what))
