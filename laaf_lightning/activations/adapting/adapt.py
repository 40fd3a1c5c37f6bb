"""Give the activations of an existing model trainable slopes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import nn

from laaf_lightning.activations.adapting.changes import carry_out, undone_on_error
from laaf_lightning.activations.adapting.equality import check_copies, check_equal
from laaf_lightning.activations.adapting.planned import Planned
from laaf_lightning.activations.adapting.refusals import refuse_inference_mode, refuse_wrapped
from laaf_lightning.activations.adapting.shapes import check_names, slope_shape
from laaf_lightning.activations.adapting.sites import ActivationSites, Where
from laaf_lightning.activations.adapting.survey import Survey, survey
from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.model_argument import check_model, copy_of, refuse_in_own_constructor
from laaf_lightning.activations.recording.behaviour import is_activation
from laaf_lightning.activations.recording.example import example_of
from laaf_lightning.activations.scopes import Scope, check_scaling_factor, check_scope
from laaf_lightning.errors import ConfigurationError

M = TypeVar("M", bound=nn.Module)


def activation_sites(model: nn.Module, example_input: Any = None, where: Where = None) -> ActivationSites:
    """List the activations of a model, and which of them `adapt` gives a slope; the model is left as it is.

    Args:
        model: any module.
        example_input: as for `adapt`; without it only activation modules are found.
        where: as for `adapt`.

    Returns:
        The table, to be printed or gone through.

    Raises:
        ConfigurationError: for what is no model, one that is wrapped, compiled, traced or not initialised, and an
            `example_input` or `where` that does not go with it.

    Example:
        >>> import torch
        >>> print(activation_sites(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), torch.ones(1, 2)))
        site  kind  calls  sample  features  slope
        1     Tanh  1      3       dim 1     yes
    """
    check_model(model)
    refuse_wrapped(model, inplace=False)
    return survey(model, example_input, where).table


def adapt(
    model: M,
    scope: Scope = "layer",
    n: float = 1.0,
    example_input: Any = None,
    *,
    where: Where = None,
    strict: bool = False,
    inplace: bool = False,
    feature_dim: int | Mapping[str, int] | None = None,
    share_loops: bool = False,
) -> M:
    """Make the elementwise activations of a model adaptive.

    Two recorded forward passes on `example_input`, in training and in evaluation mode, find every call of an
    activation. A module that is called once becomes adaptive itself: it keeps its class, attributes, parameters and
    hooks, gets the slope as ``a``, and is an `AdaptiveActivation` too. Calls of functions (``F.relu(x)``,
    ``x.tanh()``), and modules that one forward calls several times, get a slope for each call, under ``adaptive_calls``
    of the module that makes it; a forward that makes other calls than were recorded is an error from then on. A module
    that is itself called several times (a siamese network, a cell over time) shares its slopes among these calls. The
    function computed is unchanged, since n·a starts at exactly 1.

    Without `example_input` only activation modules are found, and those that are called several times share their
    slope.

    Args:
        model: any module; activations that are adaptive already are left as they are.
        scope: as for `AdaptiveActivation`; ``"global"`` makes one parameter for all sites.
        n: scaling factor, > 0.
        example_input: one batch: a tensor, a tuple of positional arguments, a dict of keyword arguments, or a batch of
            a LightningModule's data. Needed for ``"channel"`` and ``"neuron"``.
        where: which activations: a regular expression that is searched for in their names, a list of names, or a
            predicate of an `ActivationSite`, or of (module, name); `activation_sites` lists them.
        strict: whether an activation that cannot have a slope is an error, else a warning; one that `where` leaves out
            is neither.
        inplace: change `model` itself instead of a deep copy.
        feature_dim: the dimension of z that holds the features, counted with the batch, for all sites or by name; only
            for sites that no affine layer stands before.
        share_loops: one slope for all calls that a loop in a forward makes at one place, so that it may take any number
            of turns.

    Returns:
        The adapted model. A LightningModule is best adapted from inside, ``self.net = adapt(self.net, …)`` in its
        constructor, so that ``load_from_checkpoint`` finds the same slopes.

    Raises:
        ConfigurationError: before anything is changed: for a module within its own constructor, which would keep the
        original;
            a model that is wrapped, compiled, traced or not initialised; without any activation to adapt; without
            `example_input` where shapes are needed; for an in-place activation whose effect on its argument the forward
            relies on.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
        >>> adapt(model, scope="neuron", example_input=torch.ones(1, 2))[1].a.shape
        torch.Size([3])
    """
    check_model(model)
    refuse_in_own_constructor(model, inplace)
    refuse_wrapped(model, inplace)
    refuse_inference_mode()
    scope, n = check_scope(scope), check_scaling_factor(n)
    if scope in {"channel", "neuron"} and example_input is None:
        raise ConfigurationError(
            f"adapt: scope={scope!r} needs example_input=…, one batch, to find the shape at each activation"
        )
    adapted = model if inplace else copy_of(model, "adapt", "adapt it itself, inplace=True")
    found = survey(adapted, example_input, where, share_loops=share_loops)
    chosen = [one for one in found.planned if one.site.adapted]
    _check_chosen(model, found, chosen, strict)
    check_names(feature_dim, [one.site.name for one in found.planned])
    shapes = [slope_shape(scope, one, feature_dim) for one in chosen]
    example = None if example_input is None else example_of(adapted, example_input)
    if example is not None:
        check_copies(adapted, example, found, chosen)
    with undone_on_error(adapted):
        carry_out(adapted, found, chosen, shapes, scope, n)
        if example is not None:
            check_equal(adapted, example, found)
    return adapted


def _check_chosen(model: nn.Module, found: Survey, chosen: list[Planned], strict: bool) -> None:
    """Refuse to adapt nothing; say what is left out, or refuse that too."""
    left_out = [one.site for one in found.planned if one.site.left_out is not None and one not in found.not_wanted]
    names = "; ".join(f"{site.name} ({site.kind}): {site.left_out}" for site in left_out)
    if not chosen:
        raise ConfigurationError(f"adapt: {names or _nothing_to_adapt(model, found)}")
    if not left_out:
        return
    count = f"{len(left_out)} of {len(left_out) + len(chosen)}"
    text = f"adapt: {count} activations of {type(model).__name__} get no slope: {names}"
    if strict:
        raise ConfigurationError(f"{text}; leave them out with where=…, or allow it, strict=False")
    warnings.warn(text, UserWarning, stacklevel=3)


def _nothing_to_adapt(model: nn.Module, found: Survey) -> str:
    """Say why a model has no place for a slope, and the way out."""
    if is_activation(model):
        return f"{model} is an activation itself: wrap it, AdaptiveActivation({model}, …)"
    if any(isinstance(module, AdaptiveActivation) for module in model.modules()):
        return f"every activation of {type(model).__name__} is adaptive already; build it with another scope"
    if found.recordings:
        return f"{type(model).__name__} calls no elementwise activation on example_input"
    return (
        f"{type(model).__name__} holds no activation module such as nn.Tanh or nn.ReLU; those that its forward calls "
        "as functions are found with example_input=…, one batch"
    )
