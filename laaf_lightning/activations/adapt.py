"""Give the activations of an existing model trainable slopes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from laaf_lightning.activations.adaptive import (
    AdaptiveActivation,
    Scope,
    check_scaling_factor,
    check_scope,
    initial_slope,
)
from laaf_lightning.activations.elementwise import MODULES
from laaf_lightning.activations.model_argument import check_model, refuse_in_own_constructor
from laaf_lightning.errors import ConfigurationError

M = TypeVar("M", bound=nn.Module)


def adapt(
    model: M,
    scope: Scope = "layer",
    n: float = 1.0,
    example_input: Any = None,
    *,
    inplace: bool = False,
) -> M:
    """Replace the activation modules of a model by adaptive ones.

    Every elementwise activation module of torch (``nn.Tanh``, ``nn.ReLU`` …) becomes an `AdaptiveActivation`
    around it, at the same place; the function computed is unchanged, since n·a starts at 1. Places that hold
    the same module object each get a slope of their own. Activations called as functions inside a
    ``forward`` are not seen.

    Args:
        model: any module; activations that are adaptive already are left as they are.
        scope: as for `AdaptiveActivation`; ``"global"`` makes one parameter for all sites.
        n: scaling factor, > 0.
        example_input: one batch, or a tuple of positional arguments, to find the slopes' shapes with; needed
            for ``"channel"`` and ``"neuron"``. With it, an activation that a forward pass in evaluation mode
            calls more than once, or never, is refused, since its calls would share one slope; not for
            ``"fixed"`` and ``"global"``. The dimension after the batch is taken as the channels.
        inplace: change `model` itself instead of a deep copy.

    Returns:
        The adapted model. A LightningModule is best adapted from inside, ``self.net = adapt(self.net, …)`` in its
        constructor, so that ``load_from_checkpoint`` finds the same slopes.

    Raises:
        ConfigurationError: for a module within its own constructor, which would keep the original; without any
            activation module to adapt; without `example_input` where shapes are needed; for an activation that is never
            called or called more than once on it.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
        >>> adapt(model, scope="neuron", example_input=torch.ones(1, 2))[1].a.shape
        torch.Size([3])
    """
    check_model(model)
    refuse_in_own_constructor(model, inplace)
    scope, n = check_scope(scope), check_scaling_factor(n)
    if scope in {"channel", "neuron"} and example_input is None:
        raise ConfigurationError(
            f"adapt: scope={scope!r} needs example_input=…, one batch, to find the shape at each activation"
        )
    adapted = model if inplace else copy.deepcopy(model)
    places = _places(adapted)
    if not places:
        raise ConfigurationError(f"adapt: {_nothing_to_adapt(model)}")
    like = next((p for p in adapted.parameters() if p.is_floating_point()), None)
    if scope in {"fixed", "global"}:
        shared = initial_slope(n, like=like) if scope == "global" else None
        slopes = [shared] * len(places)
    else:
        samples = None if example_input is None else _sample_shapes(adapted, places, example_input)
        slopes = [initial_slope(n, _slope_shape(scope, samples, k), like) for k in range(len(places))]
    for place, slope in zip(places, slopes, strict=True):
        place.put(AdaptiveActivation(place.activation, scope, n, slope=slope).train(place.activation.training))
    return adapted


@dataclass(frozen=True)
class _Place:
    """Where an activation hangs: an attribute of one parent, however many names lead there."""

    name: str
    parent: nn.Module
    child: str
    activation: nn.Module

    def put(self, module: nn.Module) -> None:
        setattr(self.parent, self.child, module)
        if isinstance(self.parent, nn.TransformerEncoderLayer):
            # Otherwise its inference path computes the activation that it was built with, without the slope.
            self.parent.activation_relu_or_gelu = 0


class _Probe(nn.Module):
    """Stands in for an activation and notes the shape of one sample at every call."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, z: Tensor) -> Tensor:
        self.shapes.append(tuple(z.shape[1:]))
        output: Tensor = self.activation(z)
        return output


def _places(model: nn.Module) -> list[_Place]:
    """List where the activation modules hang, leaving out those inside an `AdaptiveActivation`."""
    inside = {part for module in model.modules() if isinstance(module, AdaptiveActivation) for part in module.modules()}
    places: dict[tuple[nn.Module, str], _Place] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        prefix, _, child = name.rpartition(".")
        parent = model.get_submodule(prefix)
        if child and isinstance(module, MODULES) and parent not in inside:
            places.setdefault((parent, child), _Place(name, parent, child, module))
    return list(places.values())


def _nothing_to_adapt(model: nn.Module) -> str:
    """Say why a model has no place for a slope, and the way out."""
    if isinstance(model, MODULES):
        return f"{model} is an activation itself: wrap it, AdaptiveActivation({model}, …)"
    if any(isinstance(module, AdaptiveActivation) for module in model.modules()):
        return f"every activation module of {type(model).__name__} is adaptive already; build it with another scope"
    return (
        f"{type(model).__name__} holds no activation module such as nn.Tanh or nn.ReLU; activations called as "
        "functions in forward() are not seen: make them modules, or use AdaptiveActivation there"
    )


def _slope_shape(scope: Scope, samples: list[tuple[int, ...]] | None, site: int) -> tuple[int, ...]:
    """Return the shape of a site's slope from the shape of a sample there."""
    if samples is None or scope == "layer":
        return ()
    sample = samples[site]
    return sample if scope == "neuron" else sample[:1] + (1,) * len(sample[1:])


def _sample_shapes(model: nn.Module, places: list[_Place], example_input: Any) -> list[tuple[int, ...]]:
    """Run the model once and return the shape of one sample at each place."""
    training = {module: module.training for module in model.modules()}
    probes = [_Probe(place.activation) for place in places]
    try:
        for place, probe in zip(places, probes, strict=True):
            place.put(probe)
        model.eval()
        with torch.no_grad():
            model(*example_input) if isinstance(example_input, tuple) else model(example_input)
    finally:
        for place in places:
            place.put(place.activation)
        for module, mode in training.items():
            module.training = mode
    for place, probe in zip(places, probes, strict=True):
        if len(probe.shapes) != 1:
            raise ConfigurationError(_not_called_once(place.name, len(probe.shapes)))
    return [probe.shapes[0] for probe in probes]


def _not_called_once(name: str, calls: int) -> str:
    """Say why an activation cannot have a slope of its own, and the way out."""
    if calls == 0:
        return (
            f"adapt: the activation {name!r} is not called in a forward pass in evaluation mode on example_input, so "
            "that its slope would never be trained: take the module out, or replace it by an AdaptiveActivation by hand"
        )
    return (
        f"adapt: the activation {name!r} is called {calls} times in one forward pass on example_input, and must be "
        "called once to have a slope of its own: give each call its own module"
    )
