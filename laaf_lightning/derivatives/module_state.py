"""What a network is made of at a moment; all that this package reads of torch's own bookkeeping of modules."""

from __future__ import annotations

import torch
from torch import nn

# Dictionaries of torch.nn.Module that have no public way in; a test notices where their names change.
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_CHILDREN = "_modules"


def has_hook(module: nn.Module) -> bool:
    """Tell whether something runs before or after a module, forwards or backwards.

    Args:
        module: any; its parts are not looked at.

    Returns:
        Whether it has a hook of its own.
    """
    return any(vars(module)[hooks] for hooks in _HOOKS)


class NetworkState:
    """A network's modules, the functions that they apply, their hooks, dtype and device, as they are now.

    Args:
        network: any.

    Example:
        >>> network = nn.Sequential(nn.Linear(1, 1), nn.Tanh())
        >>> state = NetworkState(network)
        >>> state.is_that_of(network)
        True
        >>> network[1] = nn.Sigmoid()
        >>> state.is_that_of(network)
        False
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._kind = _kind(network)
        self._parts = tuple((module, _made_of(module)) for module in network.modules())

    def is_that_of(self, network: nn.Module) -> bool:
        """Tell whether a network is still this one, with these parts.

        Args:
            network: any.

        Returns:
            False where a module, a function or a hook has come, gone or been replaced, or dtype or device changed.
        """
        if network is not self._network or _kind(network) != self._kind:
            return False
        return all(_made_of(module) == parts for module, parts in self._parts)


def _kind(network: nn.Module) -> tuple[torch.dtype, torch.device]:
    first = next(network.parameters(), torch.zeros(()))
    return first.dtype, first.device


def _made_of(module: nn.Module) -> tuple[object, ...]:
    """Return a module's parts, what it applies if it is an activation, and how many hooks of each kind it has."""
    own = vars(module)
    return (*own[_CHILDREN].values(), own.get("activation"), *[len(own[hooks]) for hooks in _HOOKS])
