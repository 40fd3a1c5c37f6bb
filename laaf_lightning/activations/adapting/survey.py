"""Look at all activations of a model, without changing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from laaf_lightning.activations.adapted.classes import why_not
from laaf_lightning.activations.adapted.replaced import taken_name
from laaf_lightning.activations.adapting.plan import CONTAINERS, plan, plan_without_calls
from laaf_lightning.activations.adapting.planned import Planned
from laaf_lightning.activations.adapting.sites import ActivationSites, Where, chooser
from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.recording.example import example_of
from laaf_lightning.activations.recording.recorded import Recording
from laaf_lightning.activations.recording.recorder import record
from laaf_lightning.errors import ConfigurationError


@dataclass(eq=False)
class Survey:
    """What is known of a model's activations.

    Attributes:
        planned: all of them.
        not_wanted: those that the user leaves out.
        recordings: by mode, training first; of the same pass twice where the model does not run in training mode.
        notes: what the user should know.
        share_loops: whether the calls of a loop share a slope.
    """

    planned: list[Planned]
    not_wanted: list[Planned] = field(default_factory=list)
    recordings: dict[bool, Recording] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    share_loops: bool = False

    @property
    def table(self) -> ActivationSites:
        """As users see it."""
        return ActivationSites([one.site for one in self.planned], self.notes)


def survey(model: nn.Module, example_input: Any, where: Where, *, share_loops: bool = False) -> Survey:
    """Find the activations of a model, by running it if there is an example input.

    Args:
        model: any module; it is left as it is.
        example_input: as for `adapt`, or None.
        where: as for `adapt`.
        share_loops: as for `adapt`.

    Returns:
        All of them.

    Raises:
        ConfigurationError: where the model does not run on it.
    """
    if example_input is None:
        found = Survey(plan_without_calls(model))
    else:
        example = example_of(model, example_input)
        try:
            evaluation = record(model, example, training=False)
        except Exception as error:
            raise ConfigurationError(
                f"{type(model).__name__} does not run on example_input in evaluation mode ({_said(error)}): give one "
                "batch as the model takes it, of its dtype and on its device"
            ) from error
        notes = []
        try:
            training = record(model, example, training=True)
        except Exception as error:
            training = evaluation
            notes = [f"not run in training mode: {_said(error)}"]
        recordings = {True: training, False: evaluation}
        planned = plan(model, [training, evaluation], share_loops)
        found = Survey(planned, [], recordings, notes, share_loops)
    if adaptive := [module for module in model.modules() if isinstance(module, AdaptiveActivation)]:
        found.notes.append(f"not listed: {len(adaptive)} that are adaptive already")
    _say_what_cannot_be_done(found.planned)
    _choose(found, where, model)
    return found


def _said(error: Exception) -> str:
    return ": ".join([type(error).__name__, *str(error).splitlines()[:1]])


def _say_what_cannot_be_done(planned: Sequence[Planned]) -> None:
    for one in planned:
        changed = one.module if one.spot is not None else one.owner
        if one.site.adapted and changed is not None and (reason := why_not(changed)):
            one.leave_out(reason)
        if one.site.adapted and one.spot is not None and one.module is not None and (name := taken_name(one.module)):
            one.leave_out(f"has an attribute {name!r} of its own, which is where its slope would be: rename it")
        if one.spot is None and isinstance(one.owner, CONTAINERS):
            one.leave_out("a container calls it, and would call its slopes as a layer: make it a module")


def _choose(found: Survey, where: Where, model: nn.Module) -> None:
    modules = [(one.site, one.module or one.owner or model) for one in found.planned]
    choose = chooser(where, modules)
    for one, (site, module) in zip(found.planned, modules, strict=True):
        if not choose(site, module):
            found.not_wanted.append(one)
            one.leave_out("left out by where")
