"""What was the first of a run's numbers that is not finite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pytorch_lightning.strategies import Strategy

from laaf_lightning.callbacks.finite_guard.marks import NEVER
from laaf_lightning.callbacks.finite_guard.watched_weights import Weight

First = Literal["data", "weight", "slope", "loss", "gradient", "optimizer", "buffer"]
# Within a batch: its data, the weights that it finds, its loss, its gradients; the step changes the next one's weights.
_ORDER = {"data": 0, "weight": 1, "slope": 1, "optimizer": 1, "loss": 2, "gradient": 3, "buffer": 3}


@dataclass(frozen=True)
class Finding:
    """What went first, and when.

    Attributes:
        batch: number of the batch in this fit, counted from 1; a weight that was not finite before it belongs to it.
        first: what went first.
        name: of the field, layer or parameter; None for a loss.
        text: a clause that says so, with what to do.
    """

    batch: int
    first: First
    name: str | None
    text: str

    @property
    def place(self) -> int:
        """A number that grows from the first event of a fit to the last."""
        return 4 * self.batch + _ORDER[self.first]


def first_of(findings: Sequence[Finding | None]) -> Finding | None:
    """Choose the earliest.

    Args:
        findings: None where nothing was found.

    Returns:
        One of them.
    """
    return min((finding for finding in findings if finding is not None), key=lambda f: f.place, default=None)


def first_of_all_ranks(strategy: Strategy, finding: Finding | None) -> Finding | None:
    """Choose the earliest of what the ranks have found, the same one on all of them.

    Args:
        strategy: the Trainer's.
        finding: of this rank.

    Returns:
        One of them; None if no rank has found anything.
    """
    own = torch.tensor(NEVER if finding is None else finding.place, device=strategy.root_device)
    places = strategy.all_gather(own).flatten().tolist()
    earliest = min(places)
    return None if earliest == NEVER else strategy.broadcast(finding, src=places.index(earliest))


def about_data(batch: int, fields: Sequence[str]) -> Finding:
    """Write a finding about a batch.

    Args:
        batch: its number.
        fields: names of those that are not finite.

    Returns:
        The finding.
    """
    also = f" (and {len(fields) - 1} more fields)" if len(fields) > 1 else ""
    text = f"the data went first: {fields[0]}{also} holds NaN or infinity, and the loss with it; mend the data"
    return Finding(batch, "data", fields[0], text)


def about_loss(batch: int, value: float | None, weights: Sequence[Weight]) -> Finding:
    """Write a finding about a loss.

    Args:
        batch: its number.
        value: the loss; None if it was not read.
        weights: as they are now; the largest is named if all are finite.

    Returns:
        The finding.
    """
    became = "was NaN or infinite" if value is None else f"was {value:g}"
    text = f"the loss went first: it {became}, and the data and all weights were finite{_largest(weights)}; "
    return Finding(
        batch, "loss", None, text + "take a smaller learning rate, or look for a division by 0, a log or an overflow"
    )


def about_gradients(batch: int, names: Sequence[str]) -> Finding:
    """Write a finding about gradients.

    Args:
        batch: after whose loss they were computed.
        names: of their parameters in the order of the layers; the last is where the backward pass began.

    Returns:
        The finding.
    """
    also = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    text = f"a gradient went first: that of {names[-1]}{also} was NaN or infinite, and the loss was finite; "
    text += "look for an infinite derivative, as of sqrt at 0, or take a smaller learning rate"
    return Finding(batch, "gradient", names[-1], text)


def about_weights(batch: int, bad: Sequence[Weight], count: int) -> Finding:
    """Write a finding about weights.

    Args:
        batch: which they were not finite before.
        bad: those.
        count: of all weights.

    Returns:
        The finding: about a slope if no other weight is among them.
    """
    others = [weight for weight in bad if not weight.is_slope]
    when = "when the fit began" if batch <= 1 else "where this step begins, after a finite loss and gradients"
    if not others:
        value = bad[0].value.flatten()
        worst = value[~value.isfinite()][:1].tolist()
        shown = f"n·a = {worst[0]:g}" if worst else "n·a is not finite"
        also = f" (and {len(bad) - 1} more slopes)" if len(bad) > 1 else ""
        text = f"a slope went first: {shown} in layer {bad[0].name}{also} {when}; "
        return Finding(batch, "slope", bad[0].name, text + "take a smaller learning rate for the slopes (slope_lr)")
    also = f" (and {len(bad) - 1} more of {count} parameters)" if len(bad) > 1 else ""
    way_out = "start from others" if batch <= 1 else "take a smaller learning rate, or look who else sets them"
    text = f"a weight went first: {others[0].name}{also} is not finite {when}; {way_out}"
    return Finding(batch, "weight", others[0].name, text)


def about_rest(batch: int, first: Literal["optimizer", "buffer"], name: str) -> Finding:
    """Write a finding about the optimiser's state or a buffer.

    Args:
        batch: after which it was found.
        first: which of them.
        name: of the tensor.

    Returns:
        The finding.
    """
    if first == "optimizer":
        text = (
            f"the optimiser's state went first: {name} is not finite; take a smaller learning rate, or clip gradients"
        )
    else:
        text = f"a buffer went first: {name} is not finite, and all weights are; look at what the layer averages"
    return Finding(batch, first, name, text)


def _largest(weights: Sequence[Weight]) -> str:
    sizes = [float(weight.value.abs().max()) for weight in weights]
    if not sizes or not max(sizes) < float("inf"):
        return ""
    size = max(sizes)
    weight = weights[sizes.index(size)]
    return f", the largest {'slope n·a' if weight.is_slope else 'weight'} {size:.3g} in {weight.name}"
