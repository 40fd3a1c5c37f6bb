"""Which function a module's forward is, and whether another of its methods tells of it."""

from __future__ import annotations

from torch import nn


def forward_of(module: nn.Module) -> object:
    """Return the function that a module's forward is, to tell a class from a subclass with a forward of its own.

    Args:
        module: any.

    Returns:
        The function; None where the module itself, not its class, has been given a forward.

    Example:
        >>> forward_of(nn.Tanh()) is nn.Tanh.forward
        True
    """
    return getattr(module.forward, "__func__", None)


def describes_forward(described: object, method: str) -> bool:
    """Tell whether a method belongs to the forward of an object, or to one that a subclass has overridden alone.

    Args:
        described: a module, or any other object, which has no forward.
        method: a name such as ``"layers"``; an attribute of this name is no method.

    Returns:
        Whether no class has a later forward than the class that has the method.

    Example:
        >>> class Doubled(nn.Sequential):
        ...     def forward(self, x):
        ...         return 2 * super().forward(x)
        >>> describes_forward(Doubled(), "__iter__"), describes_forward(nn.Sequential(), "__iter__")
        (False, True)
    """
    if isinstance(described, nn.Module) and forward_of(described) is not type(described).forward:
        return False
    later = (vars(kind) for kind in type(described).__mro__)
    return callable(next((names.get(method) for names in later if method in names or "forward" in names), None))
