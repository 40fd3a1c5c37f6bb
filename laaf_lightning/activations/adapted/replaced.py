"""An activation module that gets a slope and stays itself."""

from __future__ import annotations

import copy
import functools
from typing import Any

from torch import Tensor, nn

from laaf_lightning.activations.adapted.classes import with_forward
from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.elementwise import MODULES
from laaf_lightning.activations.scopes import Scope


class AdaptedModule(AdaptiveActivation):
    """What the class of an adapted activation module inherits beside its own: the slope.

    Attributes:
        plain_class: the class that it had.
    """

    plain_class: type[nn.Module]
    _plain: nn.Module | None

    @property
    def activation(self) -> nn.Module:  # type: ignore[override]
        """The plain σ, of the class that it had, with the same settings and parameters."""
        return _plain_of(self, self.plain_class) if self._plain is None else self._plain

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a setting of the activation too, which is read when σ is computed."""
        super().__setattr__(name, value)
        plain = vars(self).get("_plain")
        if plain is not None and name in vars(plain):
            setattr(plain, name, value)

    def extra_repr(self) -> str:
        """Describe the module in ``print(model)``.

        Returns:
            Its own settings, scope, n and the slope's shape.
        """
        own = self.plain_class.extra_repr(self)
        shape = "" if self.a is None else f", n={self.n:g}, shape={tuple(self.a.shape)}"
        return f"{own}{', ' * bool(own)}scope={self.scope}{shape}"


@with_forward("slope")
def _with_slope(base: type[nn.Module]) -> tuple[tuple[type, ...], dict[str, Any]]:
    def apply_to(self: AdaptedModule, z: Tensor) -> Tensor:
        if self._plain is not None:
            return AdaptiveActivation._apply_to(self, z)
        return self._of_scaled(functools.partial(base.forward, self), z)

    return (AdaptedModule, base), {"_apply_to": apply_to}


def _plain_of(module: nn.Module, kind: type[nn.Module]) -> nn.Module:
    """Return a module of another class with the same settings and parameters."""
    plain = kind.__new__(kind)
    plain.__dict__ = {
        name: copy.copy(value) if isinstance(value, dict) else value for name, value in vars(module).items()
    }
    return plain


def _is_stateless(module: nn.Module) -> bool:
    """Tell whether σ may be computed by a module of its own beside the one that has the slope."""
    return isinstance(module, MODULES) and not isinstance(module, (nn.PReLU, nn.RReLU))


def give_slope(
    module: nn.Module,
    scope: Scope,
    n: float,
    shape: tuple[int, ...] | None,
    slope: nn.Parameter | None,
    *,
    copies: bool = False,
) -> None:
    """Make an activation module adaptive, in place; it keeps its class, parameters, settings, mode and hooks.

    Args:
        module: an elementwise activation.
        scope: as for `AdaptiveActivation`.
        n: scaling factor.
        shape: of the slope.
        slope: to share.
        copies: whether its argument is written over before the backward pass, and has to be copied.
    """
    plain = _plain_of(module, type(module)) if _is_stateless(module) else None
    if plain is not None:
        for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            getattr(plain, hooks).clear()
    module.__class__ = _with_slope(type(module))
    vars(module)["_plain"] = plain
    assert isinstance(module, AdaptedModule)
    module._settle(scope, n, shape, slope)
    if copies:
        module._copies = True
    if plain is None:
        module.register_load_state_dict_pre_hook(rename_older)  # type: ignore[no-untyped-call]


def taken_name(module: nn.Module) -> str | None:
    """Find what a module has already under a name that its slope needs.

    Args:
        module: an activation.

    Returns:
        The name; None where nothing is in the way.
    """
    held = module._parameters.keys() | module._buffers.keys() | module._modules.keys()
    kinds = [kind for kind in type(module).__mro__ if kind not in nn.Module.__mro__]
    held |= vars(module).keys() | {name for kind in kinds for name in vars(kind)}
    return min(held & ({"a"} if _is_stateless(module) else _NAMES), default=None)


def twin(module: nn.Module) -> nn.Module:
    """Copy a module that shares its parameters with the copy.

    Args:
        module: any one.

    Returns:
        A module of the same class.
    """
    other = copy.copy(module)
    other.__dict__ = {
        name: copy.copy(value) if isinstance(value, dict) else value for name, value in vars(module).items()
    }
    return other


def rename_older(_module: nn.Module, state_dict: dict[str, Any], prefix: str, *_rest: Any) -> None:
    """Take parameters from where checkpoints have them in which the activation was wrapped; a hook before loading."""
    wrapped = f"{prefix}activation."
    for name in [name for name in state_dict if name.startswith(wrapped)]:
        state_dict.setdefault(prefix + name.removeprefix(wrapped), state_dict.pop(name))


_OWN = AdaptedModule.__dict__.keys() | AdaptiveActivation.__dict__.keys() | vars(AdaptiveActivation("tanh")).keys()
# What a module's class may have, or has, beside: methods that call the next one's, and torch's own attributes.
_NAMES = {"a", *_OWN} - {*dir(nn.Module())} - {"__annotations__"}
