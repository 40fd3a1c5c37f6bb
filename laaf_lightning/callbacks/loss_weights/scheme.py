"""What a scheme that sets the weights of a loss's terms measures of them, and what it makes of that."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pytorch_lightning.strategies import Strategy
from torch import Tensor, nn

from laaf_lightning.errors import ConfigurationError


@dataclass(frozen=True)
class Measurable:
    """The terms of one batch.

    Attributes:
        names: of the terms that are on, in order; at least one.
        terms: computes all terms anew, 0-dim, each attached to a graph that one backward pass uses up.
        residuals: computes, for as many of a term's points as the first argument says, drawn with the seed that is the
            second, numbers whose squares add up to the term; None where the module cannot.
        parameters: by which terms are differentiated.
        step: number of optimiser steps taken so far.
    """

    names: Sequence[str]
    terms: Callable[[], Mapping[str, Tensor]]
    residuals: Callable[[int, int], Mapping[str, Tensor]] | None
    parameters: Sequence[nn.Parameter]
    step: int


class Scheme(ABC):
    """Measures terms and says their weights; the callback averages over ranks in between, and takes the weights.

    Attributes:
        name: what settings call it.
        measured: what is not finite where a measure is not, for the error.
    """

    name: ClassVar[str]
    measured: ClassVar[str]

    @abstractmethod
    def measure(self, terms: Measurable) -> dict[str, Tensor]:
        """Measure each term.

        Args:
            terms: of this rank's batch.

        Returns:
            By name, of equal shapes; their averages over ranks go to `weights`.
        """

    @abstractmethod
    def weights(self, measures: Mapping[str, Tensor], weights: Mapping[str, float], step: int) -> dict[str, float]:
        """Return the weights from now on.

        Args:
            measures: averages over ranks.
            weights: those now, of the same terms.
            step: number of optimiser steps taken so far.

        Returns:
            By name.
        """

    def state(self) -> dict[str, Any]:
        """Return what must be kept between updates.

        Returns:
            Plain values.
        """
        return {}

    def take(self, state: Mapping[str, Any]) -> None:  # noqa: B027  # most schemes keep nothing
        """Go on from there.

        Args:
            state: what `state` returned; empty to begin anew.
        """


def over_ranks(measures: Mapping[str, Tensor], strategy: Strategy, what: str) -> dict[str, Tensor]:
    """Average measures over ranks.

    Args:
        measures: by name; the same names and shapes on all ranks.
        strategy: the Trainer's, which averages.
        what: was measured, for the error.

    Returns:
        The averages.

    Raises:
        ConfigurationError: if one is not finite.
    """
    averaged = strategy.reduce(torch.stack(list(measures.values())), reduce_op="mean")
    assert isinstance(averaged, Tensor)
    sums = averaged.reshape(len(measures), -1).double().square().sum(dim=1).tolist()
    for name, size in zip(measures, sums, strict=True):
        if not math.isfinite(size):
            raise ConfigurationError(
                f"the {what} of the loss term {name!r} is not finite, so that AdaptiveLossWeights cannot balance it: "
                "look for NaN in its data, or take a smaller learning rate if training has diverged"
            )
    return dict(zip(measures, averaged, strict=True))
