"""Derivatives of any network by nested reverse-mode autograd: the oracle, and the engine for every network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from laaf_lightning.derivatives.field import Field


class AutogradField(Field):
    """u = N(x) with derivatives by ``torch.autograd.grad``, each computed once, when first asked for.

    One reverse pass through a derivative gives its derivatives by all coordinates. The points must not mix in
    the network (no batch normalisation): the gradient of the sum is then the gradient at each point. Derivatives
    are right, and cost the same, under ``torch.no_grad`` and in inference mode too.

    Args:
        network: maps points (N, d) to u (N, 1).
        points: shape (N, d).
        coordinates: the d names of the columns.

    Example:
        >>> x = torch.tensor([[1.0], [2.0]])
        >>> AutogradField(lambda x: x**3, x, ["x"]).d("x", "x").tolist()
        [[6.0], [12.0]]
    """

    def __init__(self, network: Callable[[Tensor], Tensor], points: Tensor, coordinates: Sequence[str]) -> None:
        with _recording():
            # Tensors made in inference mode cannot be differentiated: a copy can.
            self.points = (points.clone() if points.is_inference() else points.detach()).requires_grad_()
            super().__init__(network(self.points), coordinates)
        self._gradients: dict[tuple[int, ...], Tensor] = {}

    def _derivative(self, order: tuple[int, ...]) -> Tensor:
        *lower, last = order
        with _recording():
            return self._gradient(tuple(lower))[:, last : last + 1]

    def _gradient(self, order: tuple[int, ...]) -> Tensor:
        """Return the gradient (N, d) of the derivative by `order`."""
        if order not in self._gradients:
            value = self._derivative(order) if order else self.value
            self._gradients[order] = self._differentiate(value)
        return self._gradients[order]

    def _differentiate(self, value: Tensor) -> Tensor:
        if not value.requires_grad:
            return torch.zeros_like(self.points)
        (gradient,) = torch.autograd.grad(
            value.sum(), self.points, create_graph=True, allow_unused=True, materialize_grads=True
        )
        return gradient


@contextmanager
def _recording() -> Iterator[None]:
    """Record a graph even where the caller switched gradients off, as evaluation loops do."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield
