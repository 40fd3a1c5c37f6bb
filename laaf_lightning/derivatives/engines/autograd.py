"""Derivatives of any network by nested reverse-mode autograd: the oracle, and the engine for every network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from laaf_lightning.derivatives.engines.engine import Engine, Names, Orders, Say
from laaf_lightning.derivatives.engines.probe import refuse_mixing
from laaf_lightning.derivatives.field import Field
from laaf_lightning.derivatives.module_state import NetworkState
from laaf_lightning.derivatives.orders import Order


class AutogradField(Field):
    """u = N(x) with derivatives by ``torch.autograd.grad``, each computed once, when first asked for.

    One reverse pass through a derivative gives its derivatives by all coordinates. The points must not mix in
    the network (no batch normalisation): the gradient of the sum is then the gradient at each point. Derivatives
    are right, and cost the same, under ``torch.no_grad`` and in inference mode too.

    Args:
        network: maps points (N, d) to u (N, C).
        points: shape (N, d).
        coordinates: the d names of the columns.
        unknowns: the C names of the outputs.

    Example:
        >>> x = torch.tensor([[1.0], [2.0]])
        >>> AutogradField(lambda x: x**3, x, ["x"]).d("x", "x").tolist()
        [[6.0], [12.0]]
    """

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        points: Tensor,
        coordinates: Sequence[str],
        unknowns: Sequence[str] = ("u",),
    ) -> None:
        with _recording():
            self.points = _differentiable(points)
            super().__init__(network(self.points), coordinates, unknowns)
        self._gradients: dict[tuple[int, Order], Tensor] = {}

    def _derivative(self, order: Order) -> Tensor:
        columns = [self._derivative_of(index, order) for index in range(len(self.unknowns))]
        with _recording():
            return columns[0] if len(columns) == 1 else torch.cat(columns, dim=1)

    def _derivative_of(self, index: int, order: Order) -> Tensor:
        *lower, last = order
        with _recording():
            return self._gradient(index, tuple(lower))[:, last : last + 1]

    def _gradient(self, index: int, order: Order) -> Tensor:
        """Return the gradient (N, d) of one unknown's derivative by `order`."""
        if (index, order) not in self._gradients:
            value = self._derivative_of(index, order) if order else self.value[:, index : index + 1]
            self._gradients[index, order] = self._differentiate(value)
        return self._gradients[index, order]

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
    if torch.compiler.is_compiling():
        yield  # in training: nothing to switch on, and the modes cannot be traced
        return
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield


def _differentiable(points: Tensor) -> Tensor:
    """Return points that derivatives can be taken by; those made in inference mode cannot, but a copy can."""
    if torch.compiler.is_compiling():
        return points  # which the caller made a leaf that requires a gradient: it cannot be done while tracing
    return (points.clone() if points.is_inference() else points.detach()).requires_grad_()


@dataclass(frozen=True)
class Autograd(Engine):
    """Nested autograd, for every network that keeps points apart and every order."""

    name: ClassVar[str] = "autograd"
    title: ClassVar[str] = "nested autograd"

    @classmethod
    def of(cls, network: nn.Module, orders: Orders, names: Names, *, build: Say | None = None) -> Autograd:
        """Take any network.

        Args:
            network: maps points (N, d) to u (N, C).
            orders: the derivatives that are expected; others may be asked for too.
            names: of the coordinates and unknowns.
            build: not used.

        Returns:
            The engine.
        """
        return cls(names, orders, NetworkState(network))

    def fields(self, network: nn.Module, sets: Mapping[str, Tensor]) -> dict[str, Field]:
        """Evaluate the network at each set; derivatives follow when they are asked for.

        Args:
            network: N.
            sets: points (N, d) by name.

        Returns:
            A field for each set.
        """
        return {name: AutogradField(network, points, *self.names) for name, points in sets.items()}

    def try_out(self, network: nn.Module, points: Tensor) -> None:
        """Refuse a network that mixes points, which no engine can differentiate at each; u is the network's own.

        Args:
            network: N.
            points: a few of the domain, shape (N, d).
        """
        refuse_mixing(network, points)
