"""Give the activations of an existing model trainable slopes."""

from __future__ import annotations

import copy
from collections import Counter
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
from laaf_lightning.errors import ConfigurationError

ELEMENTWISE: tuple[type[nn.Module], ...] = (
    nn.CELU,
    nn.ELU,
    nn.GELU,
    nn.Hardshrink,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Hardtanh,
    nn.LeakyReLU,
    nn.LogSigmoid,
    nn.Mish,
    nn.ReLU,
    nn.ReLU6,
    nn.SELU,
    nn.Sigmoid,
    nn.SiLU,
    nn.Softplus,
    nn.Softshrink,
    nn.Softsign,
    nn.Tanh,
    nn.Tanhshrink,
)

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
    around it, at the same place; the function computed is unchanged, since n·a starts at 1. Sites that hold
    the same module object each get a slope of their own. Activations called as functions inside a
    ``forward`` are not seen.

    Args:
        model: any module; activations that are adaptive already are left as they are.
        scope: as for `AdaptiveActivation`; ``"global"`` makes one parameter for all sites.
        n: scaling factor, > 0.
        example_input: one batch, or a tuple of positional arguments, to find the slopes' shapes with; needed
            for ``"channel"`` and ``"neuron"``. With it, an activation that is called more than once in a
            forward pass is refused, since its calls would share one slope. The dimension after the batch is
            taken as the channels.
        inplace: change `model` itself instead of a deep copy.

    Returns:
        The adapted model.

    Raises:
        ConfigurationError: without any activation module, without `example_input` where shapes are needed,
            or for an activation that is never called or called more than once on it.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
        >>> adapt(model, scope="neuron", example_input=torch.ones(1, 2))[1].a.shape
        torch.Size([3])
    """
    scope, n = check_scope(scope), check_scaling_factor(n)
    adapted = model if inplace else copy.deepcopy(model)
    sites = _activation_sites(adapted)
    if not sites:
        raise ConfigurationError(
            f"adapt: {type(model).__name__} holds no activation module such as nn.Tanh or nn.ReLU; activations "
            "called as functions in forward() are not seen: make them modules, or use AdaptiveActivation there"
        )
    shapes = _slope_shapes(adapted, sites, scope, example_input)
    like = next((p for p in adapted.parameters() if p.is_floating_point()), None)
    shared = initial_slope(n, like=like) if scope == "global" else None
    for name, activation in sites.items():
        shape = shapes[name]
        slope = initial_slope(n, shape or (), like) if scope in {"layer", "channel", "neuron"} else shared
        site = AdaptiveActivation(activation, scope, n, slope=slope)
        parent, _, child = name.rpartition(".")
        setattr(adapted.get_submodule(parent), child, site.train(activation.training))
    return adapted


def _activation_sites(model: nn.Module) -> dict[str, nn.Module]:
    """Find the activation modules by name, one object under two names twice, those already adaptive never."""
    inside = {
        id(part) for module in model.modules() if isinstance(module, AdaptiveActivation) for part in module.modules()
    }
    return {
        name: module
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, ELEMENTWISE) and id(module) not in inside and name
    }


def _slope_shapes(
    model: nn.Module, sites: dict[str, nn.Module], scope: Scope, example_input: Any
) -> dict[str, tuple[int, ...] | None]:
    """Return each site's slope shape, from a forward pass where the scope needs one."""
    if example_input is None:
        if scope in {"channel", "neuron"}:
            raise ConfigurationError(
                f"adapt: scope={scope!r} needs example_input=…, one batch, to find the shape at each activation"
            )
        return dict.fromkeys(sites)
    samples = _sample_shapes(model, sites, example_input)
    if scope == "neuron":
        return {name: tuple(shape) for name, shape in samples.items()}
    if scope == "channel":
        return {name: (shape[0], *[1] * (len(shape) - 1)) for name, shape in samples.items()}
    return dict.fromkeys(sites)


def _sample_shapes(model: nn.Module, sites: dict[str, nn.Module], example_input: Any) -> dict[str, torch.Size]:
    """Run the model once and record the shape of one sample at each site."""
    seen: dict[int, torch.Size] = {}
    calls: Counter[int] = Counter()

    def record(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        calls[id(module)] += 1
        seen[id(module)] = args[0].shape[1:]

    names = Counter(id(module) for module in sites.values())
    handles = [m.register_forward_pre_hook(record) for m in {id(m): m for m in sites.values()}.values()]
    training = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            model(*example_input) if isinstance(example_input, tuple) else model(example_input)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in training.items():
            module.training = mode
    for name, module in sites.items():
        if calls[id(module)] != names[id(module)]:
            raise ConfigurationError(
                f"adapt: the activation {name!r} is called {calls[id(module)]} times in one forward pass on "
                "example_input, and must be called once to have a slope of its own: give each call its own module"
            )
    return {name: seen[id(module)] for name, module in sites.items()}
