"""All that one fit is watched for, batch by batch, and what of it went first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.optim import Optimizer

from laaf_lightning.callbacks.finite_guard.batch_fields import batch_fields
from laaf_lightning.callbacks.finite_guard.finding import (
    Finding,
    about_data,
    about_gradients,
    about_loss,
    about_rest,
    about_weights,
    first_of,
)
from laaf_lightning.callbacks.finite_guard.marks import NEVER, Marks, one_number_each
from laaf_lightning.callbacks.finite_guard.watched_weights import (
    finite_buffers,
    first_not_finite,
    optimizer_moments,
    weights_of,
)


class Watch:
    """Marks of data, weights, loss and gradients, by the number of the batch.

    Args:
        module: the module that is fitted.
        losses_in_a_row: how many losses that are not finite, one after the other, it takes to be a finding; 1 unless a
            gradient scaler passes over such steps.

    Attributes:
        batch: number of the batch that is trained on, or was last; 0 before the first.
        stepped: whether weights have changed since the batch's loss.
        loss_value: of the last loss that was read.
    """

    def __init__(self, module: LightningModule, losses_in_a_row: int = 1) -> None:
        self.batch = 0
        self.stepped = False
        self.loss_value: float | None = None
        self._losses_in_a_row = losses_in_a_row
        self._buffers = finite_buffers(module)
        self._fields: dict[tuple[str, ...], Marks] = {}
        self._loss = self._loss_marks(torch.zeros((), device=module.device))
        self._loss_by_hand: Marks | None = None
        self._parameters: list[int] = []
        self._has_marked_gradients = False
        self._take_weights(module)

    def begin(self) -> None:
        """Begin a batch."""
        self.batch += 1
        self.stepped = False

    def look_at_data(self, batch: Any) -> None:
        """Look at a batch.

        Args:
            batch: on the device.
        """
        fields = batch_fields(batch)
        if not fields:
            return
        marks = self._fields.get(tuple(fields))
        if marks is None:
            marks = self._fields[tuple(fields)] = Marks([*fields.values()], forgives=False)
        marks.look(self.batch, [tensor.detach() for tensor in fields.values()])

    def look_at_weights(self) -> None:
        """Look at the weights that the batch's loss is computed with, or that its step has left behind."""
        if self._weights:
            self._weight_marks.look(self.batch + self.stepped, [weight.parameter.detach() for weight in self._weights])

    def look_at_gradients(self, *, reads: bool = False) -> None:
        """Look at the gradients that the next step takes.

        Args:
            reads: whether they may be read at once, which leaves marks out while all is finite.
        """
        gradients = [weight.parameter.grad for weight in self._weights]
        if not reads or self._has_marked_gradients or not _are_finite(gradients):
            if reads:
                self.look_at_weights()
            self._has_marked_gradients = True
            if gradients:
                self._gradient_marks.look(self.batch, gradients)
        self.stepped = True

    def look_at_loss(self, loss: Tensor) -> None:
        """Look at the batch's loss.

        Args:
            loss: any number of numbers.
        """
        if loss.device != self._device:
            self._loss = self._loss_marks(loss)
        self._loss.look(self.batch, [loss.detach()])

    def look_at_loss_by_hand(self, loss: Tensor) -> None:
        """Look at a loss that may be one of several, or of a line search: it explains gradients, and is no finding.

        Args:
            loss: before its backward pass.
        """
        if self._loss_by_hand is None:
            self._loss_by_hand = Marks([loss.detach()])
        self._loss_by_hand.look(self.batch, [loss.detach()])

    def first_finding(
        self, module: LightningModule, optimizers: Sequence[Optimizer], *, gradients_alone: bool = False
    ) -> Finding | None:
        """Wait for the device, and find what went first.

        Args:
            module: the module.
            optimizers: of the Trainer.
            gradients_alone: whether gradients count although all weights are finite.

        Returns:
            None if all is finite; then what has been forgiven is forgotten.
        """
        self.look_at_weights()
        bad_since = dict(zip(self._weights, self._weight_marks.read(), strict=True))
        # A sum may overflow for finite weights.
        bad_since = {w: since for w, since in bad_since.items() if since < NEVER and not w.is_finite()}
        rest = self._rest(optimizers)
        changed = [self._change(bad_since, rest)] if bad_since else [rest]
        if gradients_alone and (names := self._bad_gradients(self.batch)):
            changed.append(about_gradients(self.batch, names))
        found = first_of([self._lost(), *changed])
        if found is None and self._parameters != [*map(id, module.parameters())]:
            self._take_weights(module)
        return found

    def state_is_finite(self, optimizers: Sequence[Optimizer]) -> bool:
        """Look at weights, optimisers and buffers as they are now.

        Args:
            optimizers: of the Trainer.

        Returns:
            Whether a checkpoint of them would be finite.
        """
        return all(weight.is_finite() for weight in self._weights) and self._rest(optimizers) is None

    def _lost(self) -> Finding | None:
        since = self._loss.read()[0]
        if since == NEVER or self.batch - since + 1 < min(self._losses_in_a_row, max(self.batch, 1)):
            return None
        return self._loss_or_data(since)

    def _loss_or_data(self, since: int) -> Finding:
        # What had been there before the loss went has done no harm, as targets that are masked.
        for names, marks in self._fields.items():
            bad = [name for name, first in zip(names, marks.read(), strict=True) if first == since]
            if bad:
                return about_data(since, bad)
        return about_loss(since, self.loss_value, self._weights)

    def _change(self, bad_since: dict[Any, int], rest: Finding | None) -> Finding:
        """Say what has made weights go: the gradients of the step before, the optimiser, or nothing else."""
        batch = min(bad_since.values())
        names = self._bad_gradients(batch - 1)
        if names and self._loss_by_hand is not None and self._loss_by_hand.read()[0] <= batch - 1:
            return self._loss_or_data(batch - 1)
        if names:
            return about_gradients(batch - 1, names)
        if rest is not None and rest.first == "optimizer" and batch == self.batch + self.stepped:
            return about_rest(batch, "optimizer", str(rest.name))
        bad = [weight for weight, since in bad_since.items() if since == batch]
        return about_weights(batch, bad, len(self._weights))

    def _bad_gradients(self, batch: int) -> list[str]:
        return [w.name for w, since in zip(self._weights, self._gradient_marks.read(), strict=True) if since <= batch]

    def _rest(self, optimizers: Sequence[Optimizer]) -> Finding | None:
        moments, batch = [*optimizer_moments(optimizers, self._weights)], self.batch + self.stepped
        if (name := first_not_finite(moments)) is not None:
            return about_rest(batch, "optimizer", name)
        name = first_not_finite([*self._buffers.items()])
        return None if name is None else about_rest(batch, "buffer", name)

    def _take_weights(self, module: LightningModule) -> None:
        self._parameters = [*map(id, module.parameters())]
        self._weights = weights_of(module)
        parameters = [weight.parameter.detach() for weight in self._weights]
        self._weight_marks = Marks(parameters, [weight.factor for weight in self._weights])
        self._gradient_marks = Marks(parameters)

    def _loss_marks(self, loss: Tensor) -> Marks:
        self._device = loss.device
        return Marks([loss.detach()], forgives=self._losses_in_a_row > 1)


def _are_finite(gradients: Sequence[Tensor | None]) -> bool:
    """Add all gradients up; the sum may overflow for finite ones."""
    dense = [gradient for gradient in gradients if gradient is not None and gradient.layout is torch.strided]
    return not dense or math.isfinite(abs(sum(one_number_each(dense).tolist())))
