"""The slopes of a model by name, and the slope recovery term S(a)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.model_argument import check_model
from laaf_lightning.errors import ConfigurationError, unknown_choice

Operator: TypeAlias = Literal["exp", "identity", "softplus"] | Callable[[Tensor], Tensor]
Reduction = Literal["mean", "sum"]

OPERATORS: dict[str, Callable[[Tensor], Tensor]] = {
    "exp": torch.exp,
    "identity": torch.clone,
    "softplus": nn.functional.softplus,
}


def adaptive_sites(model: nn.Module) -> list[tuple[str, AdaptiveActivation]]:
    """List the activations of a model that have a slope, each slope once.

    Args:
        model: any module.

    Returns:
        (name, site) pairs in ``named_modules`` order. A slope shared by several sites appears once, at its
        first site; where the sites have scope ``"global"`` its name is ``"global"``.
    """
    check_model(model)
    sites: dict[nn.Parameter, tuple[str, AdaptiveActivation]] = {}
    for name, module in model.named_modules():
        if isinstance(module, AdaptiveActivation) and module.a is not None and module.a not in sites:
            sites[module.a] = (_plain(name), module)
    shared = [site for _, site in sites.values() if site.scope == "global" and site.shares_slope]
    if len(shared) == 1:
        return [("global" if site is shared[0] else name, site) for name, site in sites.values()]
    return list(sites.values())


def refuse_computed_slopes(model: nn.Module, asker: str) -> None:
    """Refuse slopes that are no parameters of their sites, as under a parametrization.

    Args:
        model: any module.
        asker: the function that trains, saves or takes away the parameters, for the error.

    Raises:
        ConfigurationError: that names the first one.
    """
    for name, site in adaptive_sites(model):
        if "a" not in site._parameters:
            raise ConfigurationError(
                f"{asker}: the slope of {name!r} is computed from other parameters, which are not known here: make it "
                "one of its own again, torch.nn.utils.parametrize.remove_parametrizations(site, 'a')"
            )


def _plain(name: str) -> str:
    """Leave out of a module's name what ``torch.compile`` puts there."""
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def named_slopes(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the effective slopes n·a of a model.

    Args:
        model: any module with `AdaptiveActivation` sites.

    Yields:
        (site name, n·a) in ``named_modules`` order; each tensor has its slope's shape, is attached to the
        graph and counts once when several sites share it (then, for scope ``"global"``, under ``"global"``).

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), AdaptiveActivation("tanh", n=5), nn.Linear(3, 1))
        >>> [(name, slope.tolist()) for name, slope in named_slopes(model)]
        [('1', 1.0)]
    """
    for name, site in adaptive_sites(model):
        yield name, site.slope


def slope_recovery(model: nn.Module, operator: Operator = "exp", reduction: Reduction = "mean") -> Tensor:
    r"""Compute the slope recovery term of a model.

    .. math:: S(a) = 1 \Big/ \Big[ \tfrac{1}{K} \sum_{k=1}^{K} \mathcal{N}(m_k) \Big],
        \qquad m_k = \text{mean of } a \text{ over site } k

    for ``reduction="mean"`` (Jagtap et al., Proc. R. Soc. A 2020, section 2.1, K = D − 1 hidden layers). With
    ``"sum"``, as the authors' regression code has it, the factor 1/K is left out, so that S and its gradient
    are K times smaller. The operator acts on the parameter a, not on n·a.

    Args:
        model: any module with at least one slope.
        operator: ``"exp"`` (the paper), ``"identity"``, ``"softplus"`` or an elementwise callable.
        reduction: ``"mean"`` or ``"sum"`` over sites.

    Returns:
        S(a), 0-dim, float32 or float64, attached to the graph.

    Raises:
        ConfigurationError: for an unknown operator or reduction, an operator that is not elementwise, or a model
            without slopes.

    Example:
        >>> model = nn.Sequential(AdaptiveActivation("tanh"), AdaptiveActivation("tanh"))
        >>> slope_recovery(model).item(), slope_recovery(model, reduction="sum").item()
        (0.367879..., 0.183939...)
    """
    parameters = [site.a for _, site in adaptive_sites(model) if site.a is not None]
    if not parameters:
        raise ConfigurationError(
            "slope_recovery: the model has no slopes; give it AdaptiveActivation modules of a scope other "
            "than 'fixed' (laaf_lightning.adapt replaces the activations of an existing model)"
        )
    return recovery_of(parameters, operator, reduction)


def recovery_of(parameters: list[nn.Parameter], operator: Operator, reduction: Reduction) -> Tensor:
    """Compute S(a) from the slope parameters themselves, for callers that have collected them once.

    Args:
        parameters: one tensor a_k a site, any shapes.
        operator: as for `slope_recovery`.
        reduction: as for `slope_recovery`.

    Returns:
        S(a), 0-dim.

    Raises:
        ConfigurationError: for an unknown operator or reduction, or an operator that is not elementwise.
    """
    means = torch.stack([a.to(torch.promote_types(a.dtype, torch.float32)).mean() for a in parameters])
    return _recovery_from_means(means, operator, reduction)


def recovery_at_zero(sites: int, operator: Operator, reduction: Reduction) -> Tensor:
    """Compute S(0), the largest value that slope recovery takes over a ≥ 0; Theorem 2.1 compares with it.

    Args:
        sites: number of sites K.
        operator: as for `slope_recovery`; ``"identity"`` gives infinity.
        reduction: as for `slope_recovery`.

    Returns:
        S(0), 0-dim float64.
    """
    return _recovery_from_means(torch.zeros(sites, dtype=torch.float64), operator, reduction)


def resolve_operator(operator: Operator) -> Callable[[Tensor], Tensor]:
    """Return the function that an operator's name stands for; a callable passes through.

    Args:
        operator: ``"exp"``, ``"identity"``, ``"softplus"`` or an elementwise callable.

    Returns:
        The elementwise function.

    Raises:
        ConfigurationError: for an unknown name.
    """
    if isinstance(operator, str):
        if operator not in OPERATORS:
            raise ConfigurationError(unknown_choice("operator", operator, OPERATORS))
        return OPERATORS[operator]
    if not callable(operator):
        raise ConfigurationError(f"operator={operator!r} is neither a callable nor one of {', '.join(OPERATORS)}")
    return operator


def check_reduction(reduction: str) -> None:
    """Raise unless `reduction` is ``"mean"`` or ``"sum"``.

    Args:
        reduction: the name to check.

    Raises:
        ConfigurationError: for another name.
    """
    if reduction not in get_args(Reduction):
        raise ConfigurationError(unknown_choice("reduction", reduction, get_args(Reduction)))


def _recovery_from_means(means: Tensor, operator: Operator, reduction: Reduction) -> Tensor:
    check_reduction(reduction)
    values = resolve_operator(operator)(means)
    if not isinstance(values, Tensor) or values.shape != means.shape:
        got = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise ConfigurationError(
            f"operator={operator!r} is not elementwise: it makes {got} of {len(means)} means, one a site; "
            "give a function of a tensor that keeps its shape, such as torch.exp"
        )
    return (values.mean() if reduction == "mean" else values.sum()).reciprocal()
