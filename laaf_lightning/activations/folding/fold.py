"""Give the plain network back: the same function without slopes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from laaf_lightning.activations.adapted.replaced import AdaptedModule
from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.folding.changes import keep_factor, kind_of, make_plain, owners_of, restore_owners
from laaf_lightning.activations.folding.constant import ScaledActivation
from laaf_lightning.activations.folding.decisions import Decision, decide, sites_of, without_tied
from laaf_lightning.activations.folding.equality import check_equal
from laaf_lightning.activations.folding.neighbours import decide_without_example
from laaf_lightning.activations.folding.refusals import refuse_unfoldable
from laaf_lightning.activations.folding.report import FoldedSite, FoldReport, note
from laaf_lightning.activations.folding.tracing.affine import scaled
from laaf_lightning.activations.folding.tracing.held import note_held
from laaf_lightning.activations.folding.tracing.tape import Tape, play
from laaf_lightning.activations.model_argument import check_model, copy_of
from laaf_lightning.activations.recording.example import Example, example_of
from laaf_lightning.errors import ConfigurationError

M = TypeVar("M", bound=nn.Module)
_SHOWN = 3


class _Run(NamedTuple):
    """A part of the model that was run, and what it returned in evaluation mode."""

    name: str
    example: Example
    output: Any


def fold(model: M, example_input: Any = None, *, inplace: bool = False) -> M:
    """Give back the network without slopes that computes the same.

    Recorded forward passes on `example_input`, in evaluation mode and, where that works, in training mode, find for
    each site the affine layer before it (linear, convolution, normalisation). Where nothing else reads what lies
    between, the slope is multiplied into weight and bias, each along its feature, also through pooling (the largest
    only while n·a > 0), dropout, and changes of shape; the activation becomes what it was before it was adapted, with
    class, keys and hooks. A model of which every slope goes into a layer has exactly the keys of one that never was
    adapted. A slope that cannot, as behind an addition, keeps its place as a buffer ``factor``, σ(c·z); `fold_report`
    says which and why.

    Without `example_input` only what is certain goes into weights: neighbours in a model that is an ``nn.Sequential``
    or in one within it, and in models that have an ``example_input`` or ``example_input_array`` of their own, as those
    of this package, what that shows.

    Args:
        model: any module; weights are changed, so an optimiser's state no longer fits.
        example_input: one batch, as for `adapt`, on which the forward goes the way that it goes on all others; what it
            does with a layer on other inputs alone is not seen. A value that it leaves to somebody outside the model is
            seen while a tensor or an array holds it, not where its numbers are copied out by ``tolist`` or NumPy.
        inplace: change `model` itself instead of a deep copy, once a copy was found to compute the same.

    Returns:
        The folded model, without trainable slopes.

    Raises:
        ConfigurationError: before anything is changed: for a model that is wrapped, compiled or scripted; a slope or
            weight that is not finite, before or after; an `example_input` that the model does not run on, or on
            which the folded one computes something else (relative 1e-4, in float64 1e-10).

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), AdaptiveActivation("tanh", n=5), nn.Linear(3, 1))
        >>> folded = fold(model, torch.ones(1, 2))
        >>> list(folded.state_dict()), type(folded[1]).__name__
        (['0.weight', '0.bias', '2.weight', '2.bias'], 'Tanh')
    """
    check_model(model)
    refuse_unfoldable(model, inplace)
    trial = copy_of(model, "fold", "fold the part of it that holds the network")
    decisions, runs = _decisions(trial, example_input)
    decisions = without_tied(model if inplace else trial, decisions)  # a copy shares less
    kinds = {name: kind_of(name, site) for name, site in sites_of(model).items()}
    report = FoldReport(FoldedSite(name, kinds[name], each.layer, each.kept) for name, each in decisions.items())
    weights = _weights(trial, decisions)
    folded = _carried_out(trial, decisions, weights)
    for run in runs:
        check_equal(folded.get_submodule(run.name), run.example, run.output)
    if inplace:
        folded = _carried_out(model, decisions, weights)
    note(folded, report)
    _warn(folded, report)
    return folded


def _decisions(model: nn.Module, example_input: Any) -> tuple[dict[str, Decision], list[_Run]]:
    """Decide for all sites, and run the model where there is something to run it on."""
    if example_input is None:
        example_input = _own_example(model)
    if example_input is not None:
        example = example_of(model, example_input)
        tapes = _tapes(model, example)
        return decide(model, tapes), [_Run("", example, tapes[0].output)]
    decisions, runs = decide_without_example(model), list[_Run]()
    for name, part in model.named_modules():
        if (own := _own_example(part)) is None or any(name.startswith(f"{run.name}.") for run in runs):
            continue
        example = Example((own,), {})
        tapes = _tapes(part, example)
        runs.append(_Run(name, example, tapes[0].output))
        for site, each in decide(part, tapes).items():
            layer = None if each.layer is None else f"{name}.{each.layer}"
            around = frozenset(f"{name}.{path}".rstrip(".") for path in each.around)
            decisions[f"{name}.{site}"] = replace(each, layer=layer, around=around)
    return decisions, runs


def _own_example(model: nn.Module) -> Tensor | None:
    for name in ("example_input", "example_input_array"):
        if isinstance(own := getattr(model, name, None), Tensor):
            return own
    return None


def _tapes(model: nn.Module, example: Example) -> list[Tape]:
    """Record both modes; a model that does not run in training mode, say on one sample, is known from the other."""
    sites = sites_of(model)
    try:
        tapes = [_tape(model, example, sites, training=False)]
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"fold: {type(model).__name__} does not run on example_input: {type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}"
        ) from error
    try:
        return [*tapes, _tape(model, example, sites, training=True)]
    except Exception:
        return tapes


def _tape(model: nn.Module, example: Example, sites: Mapping[str, AdaptiveActivation], *, training: bool) -> Tape:
    tape = play(model, example, sites, training=training)
    note_held(tape, model, example)
    return tape


def _weights(model: nn.Module, decisions: Mapping[str, Decision]) -> dict[str, Tensor]:
    """Compute all new weights, by name."""
    weights = {}
    for name, each in decisions.items():
        if each.layer is None or each.of_each is None:
            continue
        site: Any = model.get_submodule(name)
        slope = site.slope.detach().double().reshape(-1)
        of_each = each.of_each.to(slope.device)
        factors = torch.where(of_each < 0, 1.0, slope[of_each.clamp(min=0)])
        for tensor, value in scaled(model.get_submodule(each.layer), factors).items():
            if not bool(value.isfinite().all()):
                raise ConfigurationError(
                    f"fold: {each.layer}.{tensor} times the slope of {name} is not finite in {value.dtype}: fold the "
                    "model in a wider dtype, model.float()"
                )
            weights[f"{each.layer}.{tensor}".lstrip(".")] = value
    return weights


def _carried_out(model: M, decisions: Mapping[str, Decision], weights: Mapping[str, Tensor]) -> M:
    if type(model) is AdaptiveActivation and model.a is not None:
        alone: Any = model
        plain: Any = ScaledActivation(alone.activation, alone.slope.detach().clone()).train(alone.training)
        return plain  # type: ignore[no-any-return]
    ours = _ours(model)
    remaining = owners_of([name for name, each in decisions.items() if each.kept is not None], model)
    counting = {name for name, module in model.named_modules() if module in remaining}
    with torch.no_grad():
        for name, value in weights.items():
            model.get_parameter(name).copy_(value)
    for name, each in decisions.items():
        if each.kept is None:
            inside_ours = any(name.startswith(prefix) for prefix in ours)
            make_plain(model, name, hidden=bool(counting & each.around), inside_ours=inside_ours)
        else:
            site: Any = model.get_submodule(name)
            keep_factor(model, name, site.slope.detach().clone())
    for name, module in [*model.named_modules()]:
        if isinstance(module, AdaptedModule) and module.a is None and not counting:
            make_plain(model, name, hidden=False, inside_ours=False)
    restore_owners(model)
    return model


def _ours(model: nn.Module) -> list[str]:
    """Name the networks of this package in a model."""
    rooms = ("laaf_lightning.models.",)
    return [
        f"{name}." if name else "" for name, part in model.named_modules() if type(part).__module__.startswith(rooms)
    ]


def _warn(model: nn.Module, report: FoldReport) -> None:
    if not (kept := report.kept):
        return
    names = "; ".join(f"{site.name or 'it'} ({site.kind}) {site.kept}" for site in kept[:_SHOWN])
    more = f"; and {len(kept) - _SHOWN} more, which fold_report(model) lists" if len(kept) > _SHOWN else ""
    warnings.warn(
        f"fold: {len(kept)} of {len(report)} slopes of {type(model).__name__} stay as constant factors: {names}{more}",
        UserWarning,
        stacklevel=3,
    )
