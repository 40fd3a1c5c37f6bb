"""u and its derivatives at many points, in bounded memory and without a graph."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import Field
from laaf_lightning.derivatives.engines.probe import as_it_was
from laaf_lightning.solutions.evaluated.names import Derivative, Name
from laaf_lightning.solutions.known_factors_cache import KnownFactorsCache
from laaf_lightning.solutions.network_fields import AT_CONDITIONS, INSIDE, NetworkFields

_AT_ONCE = 16_384  # points
_NESTED_AT_ONCE = 4096  # whose graph grows with the order
_SAFE_ORDER = 8  # beyond which a chunk is halved with each order


class DerivativesAt:
    """Computes some unknowns and derivatives of a solution, by the best engine that serves for them.

    Args:
        solution: the problem with its network, which may be trained on and moved meanwhile.
        asked: what is computed; at least one.
        own_field: asked in place of the network's field; it may know no derivatives but those of the residual.
    """

    def __init__(
        self,
        solution: NetworkFields,
        asked: Sequence[Derivative],
        own_field: Callable[[Tensor], Field] | None = None,
    ) -> None:
        self._asked, self._own_field = asked, own_field
        self._solution, self._problem = solution, solution.problem
        self._orders = frozenset(order for each in asked if (order := each.order(solution.problem)))
        self._fields: NetworkFields | None = None

    def __call__(self, points: Tensor) -> dict[Name, Tensor]:
        """Evaluate, a chunk of points at a time.

        Args:
            points: shape (N, d).

        Returns:
            Name to values, each (N,), without graph, on the CPU.
        """
        network = self._solution.network
        with as_it_was(network, training=False), _untrained(network), torch.no_grad():
            points = points.detach().clone() if points.is_inference() else points.detach()
            parts = [self._at(chunk) for chunk in points.split(self._at_once)]
        return {each.name: torch.cat([part[i] for part in parts]) for i, each in enumerate(self._asked)}

    def _at(self, points: Tensor) -> list[Tensor]:
        points = self._solution.as_points(points)
        u = self._field(points)
        columns = [u[each.unknown].d(*each.by) if each.by else u[each.unknown].value for each in self._asked]
        return [column[:, 0].detach().cpu() for column in columns]

    def _field(self, points: Tensor) -> Field:
        if self._own_field is not None:
            return self._own_field(points)
        fields = self._asked_for
        return fields._field(points, fields.known_factors(points), INSIDE)

    @property
    def _asked_for(self) -> NetworkFields:
        """The same problem and network, whose fields have the derivatives that are asked for here."""
        if self._fields is None or not self._fields._engine.serves(self._solution.network):
            self._fields = _with_orders(self._solution, self._orders)
        return self._fields

    @property
    def _at_once(self) -> int:
        nested = self._own_field is not None or self._asked_for._engine.name == "autograd"
        highest = max(map(len, self._orders), default=0)
        return max(1, (_NESTED_AT_ONCE if nested else _AT_ONCE) >> max(0, highest - 4))


def _with_orders(solution: NetworkFields, orders: frozenset[tuple[int, ...]]) -> NetworkFields:
    fields = copy.copy(solution)
    fields._orders = {INSIDE: orders, AT_CONDITIONS: frozenset()}
    fields._known_factors = KnownFactorsCache()
    # The engine that was asked for may not know these derivatives.
    fields._engine_asked_for = "autograd" if solution._engine_asked_for == "autograd" else "auto"
    NetworkFields.choose_engine(fields)
    return fields


@contextmanager
def _untrained(network: nn.Module) -> Iterator[None]:
    """Let no graph of parameters be built."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
