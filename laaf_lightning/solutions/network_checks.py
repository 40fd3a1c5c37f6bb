"""Whether a network can stand for the unknowns of an equation."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.derivatives import Order, vanishing_order
from laaf_lightning.derivatives.engines.probe import outputs_at
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE

_POINTS = 5


def check_network(network: object) -> None:
    """Refuse what is no network.

    Args:
        network: what was given for one.

    Raises:
        ConfigurationError: for anything but an instance of ``torch.nn.Module``.
    """
    if not isinstance(network, nn.Module):
        hint = (
            f": give an instance, from points to the unknowns, network={network.__name__}(…)"
            if isinstance(network, type)
            else ": give a torch.nn.Module, from points to the unknowns"
        )
        raise ConfigurationError(f"network={network!r} is no network{hint}")


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


def points_to_try(network: nn.Module, problem: PDE) -> Tensor:
    """Take a few points of the domain, and refuse a network that does not give one output for each unknown there.

    Args:
        network: maps points to the unknowns.
        problem: the equation.

    Returns:
        Points, on a box on its diagonal, shape (5, d), in the network's dtype, on its device.

    Raises:
        ConfigurationError: for a network that fails there, or outputs of another shape.
    """
    points = problem.geometry.probes(_POINTS, margin=0.1).to(next(network.parameters(), torch.zeros(())))
    try:
        outputs = outputs_at(network, points)
    except RuntimeError as error:
        raise ConfigurationError(
            f"{type(network).__name__} fails at points of shape {tuple(points.shape)}, the coordinates "
            f"{', '.join(problem.coordinates)} of {type(problem).__name__}: {error}"
        ) from error
    expected = (_POINTS, len(problem.unknowns))
    if outputs.shape != expected:
        raise ConfigurationError(
            f"{type(network).__name__} gives outputs of shape {tuple(outputs.shape)} at {_POINTS} points: "
            f"{type(problem).__name__} needs {expected}, one for each of its unknowns {', '.join(problem.unknowns)}"
        )
    return points
