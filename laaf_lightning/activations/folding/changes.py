"""Take the slopes out of a model: activations become plain again, or keep a constant factor."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from laaf_lightning.activations.adapted.intercepted import CALLS, AdaptiveCalls
from laaf_lightning.activations.adapted.replaced import AdaptedModule, rename_older
from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.folding.constant import ScaledActivation, with_factor
from laaf_lightning.activations.state import check_state, save_n

_HOOKS = (
    "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs", "_backward_hooks", "_backward_pre_hooks",
)  # fmt: skip
_MODULE_OF: dict[Callable[..., Any], type[nn.Module]] = {
    torch.tanh: nn.Tanh,
    torch.sigmoid: nn.Sigmoid,
    nn.functional.relu: nn.ReLU,
    nn.functional.leaky_relu: nn.LeakyReLU,
    nn.functional.elu: nn.ELU,
    nn.functional.selu: nn.SELU,
    nn.functional.gelu: nn.GELU,
    nn.functional.silu: nn.SiLU,
    nn.functional.mish: nn.Mish,
    nn.functional.softplus: nn.Softplus,
    nn.functional.softsign: nn.Softsign,
}


def kind_of(name: str, site: AdaptiveActivation) -> str:
    """Name the activation of a site.

    Args:
        name: of the site.
        site: it.

    Returns:
        Class of the module, or name of the function.
    """
    *_, owner, child = ["", "", *name.split(".")]
    if owner == CALLS:
        return child.rpartition("_")[0]
    if isinstance(site, AdaptedModule):
        return site.plain_class.__name__
    activation: Any = site.activation
    if isinstance(activation, nn.Module):
        return type(activation).__name__
    module = _MODULE_OF.get(activation)
    return module.__name__ if module is not None else getattr(activation, "__name__", type(activation).__name__)


def make_plain(model: nn.Module, name: str, *, hidden: bool, inside_ours: bool) -> None:
    """Take the slope out of a site whose slope is in the weights before it, or that has none.

    Args:
        model: that holds it.
        name: of the site.
        hidden: whether a forward around it goes on counting calls, and must not see this one.
        inside_ours: whether it belongs to a network of this package, which has the same class for σ without a slope.
    """
    parent, child, site = _placed(model, name)
    if isinstance(parent, AdaptiveCalls):
        del parent._modules[child]
        parent.expected = {
            mode: tuple(call._replace(site=None) if call.site == child else call for call in calls)
            for mode, calls in parent.expected.items()
        }
        return
    if hidden or (inside_ours and [*site.parameters(), *site.buffers()] != [site.a]):
        _without_parameter(site)
        vars(site)["scope"] = "fixed"
    elif isinstance(site, AdaptedModule):
        _back_to_class(site)
    else:
        _hang(model, site, _with_hooks_of(site, _plain_of(site)))


def keep_factor(model: nn.Module, name: str, factor: Tensor) -> None:
    """Make the slope of a site a constant.

    Args:
        model: that holds it.
        name: of the site.
        factor: n·a.
    """
    parent, _, site = _placed(model, name)
    if isinstance(site, AdaptedModule) and not isinstance(parent, AdaptiveCalls):
        unseen = site._unseen
        _back_to_class(site)
        plain: Any = site
        plain.register_buffer("factor", factor)
        plain.__class__ = with_factor(type(site))
    else:
        plain = _with_hooks_of(site, ScaledActivation(site.activation, factor)).train(site.training)
        unseen = site._unseen
        _hang(model, site, plain)
    if unseen:
        plain._unseen = True


def restore_owners(model: nn.Module) -> None:
    """Give modules their class back that intercept no call any more, and transformers their fast path.

    Args:
        model: whose sites were changed.
    """
    for module in [*model.modules()]:
        calls = module._modules.get(CALLS)
        if isinstance(calls, AdaptiveCalls) and not calls._modules:
            del module._modules[CALLS]
            vars(module).pop(f"_{CALLS}", None)
            module.__class__ = module.plain_class  # type: ignore[assignment]
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoderLayer) and CALLS not in module._modules:
            module.activation_relu_or_gelu = _fast_activation(module.activation)


def owners_of(names: Iterable[str], model: nn.Module) -> set[nn.Module]:
    """Find the modules whose forward makes the calls of some sites.

    Args:
        names: of sites.
        model: that holds them.

    Returns:
        Those that intercept calls; not the owners of activation modules.
    """
    split = (name.rpartition(".")[0] for name in names)
    return {model.get_submodule(path.rpartition(".")[0]) for path in split if path.rpartition(".")[2] == CALLS}


def _fast_activation(activation: Any) -> int:
    """Return what a transformer's layer notes of its activation when it is built."""
    if activation is nn.functional.relu or type(activation) is nn.ReLU:
        return 1
    return 2 if activation is nn.functional.gelu or type(activation) is nn.GELU else 0


def _placed(model: nn.Module, name: str) -> tuple[nn.Module, str, AdaptiveActivation]:
    prefix, _, child = name.rpartition(".")
    site = model.get_submodule(name)
    assert isinstance(site, AdaptiveActivation)
    return model.get_submodule(prefix), child, site


def _hang(model: nn.Module, site: nn.Module, plain: nn.Module) -> None:
    """Put a module wherever another one hangs."""
    for module in model.modules():
        for child, hanging in module._modules.items():
            if hanging is site:
                module._modules[child] = plain


@functools.cache
def _own_attributes() -> frozenset[str]:
    """List what `AdaptiveActivation` keeps beside what any module does."""
    return frozenset(vars(AdaptiveActivation("tanh"))) - frozenset(vars(nn.Module())) - {"activation", "_name"}


def _without_parameter(site: AdaptiveActivation) -> None:
    site._parameters["a"] = None
    for hooks in (site._state_dict_hooks, site._load_state_dict_pre_hooks):
        for key, hook in [*hooks.items()]:
            if getattr(hook, "hook", hook) in {save_n, check_state}:
                del hooks[key]


def _back_to_class(site: AdaptedModule) -> None:
    """Give an activation module back what it was; its hooks, parameters, settings and mode stay."""
    _without_parameter(site)
    for key, hook in [*site._load_state_dict_pre_hooks.items()]:
        if getattr(hook, "hook", hook) is rename_older:
            del site._load_state_dict_pre_hooks[key]
    site._parameters.pop("a")
    for name in [*_own_attributes(), "_plain", "_unseen"]:
        vars(site).pop(name, None)
    site.__class__ = site.plain_class  # type: ignore[assignment]


def _plain_of(site: AdaptiveActivation) -> nn.Module:
    """Return σ as a module."""
    activation: Any = site.activation
    if isinstance(activation, nn.Module):
        return activation.train(site.training)
    if activation in _MODULE_OF:
        return _MODULE_OF[activation]().train(site.training)
    return AdaptiveActivation(activation, "fixed").train(site.training)


def _with_hooks_of(site: nn.Module, plain: Any) -> Any:
    for name in _HOOKS:
        hooks, own = vars(site).get(name), vars(plain).get(name)
        if hooks:
            hooks.update(own or {})
            vars(plain)[name] = hooks  # the same dict, so that handles still remove them
    return plain
