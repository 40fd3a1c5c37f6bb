"""The known factors of hard conditions, computed once for each point set."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from torch import Tensor

from laaf_lightning.derivatives import KnownFactors, Order
from laaf_lightning.problems import PDE, Ansatz
from laaf_lightning.solutions.tensor_identity import TensorIdentity

_KEPT = 4


class KnownFactorsCache:
    """Remembers g, d and their derivatives at the last few point sets.

    A cache by `TensorIdentity`: it relies on a set's staying in the same tensor, and on what that sees of changes.
    Copies and pickles of the cache are empty.
    """

    def __init__(self) -> None:
        self._kept: deque[tuple[TensorIdentity, KnownFactors]] = deque(maxlen=_KEPT)

    def __call__(self, problem: PDE, ansatz: Ansatz, points: Tensor, orders: Iterable[Order]) -> KnownFactors:
        """Return the known factors at some points.

        Args:
            problem: names the coordinates.
            ansatz: g and d.
            points: shape (N, d).
            orders: the derivatives of u that will be asked for, the same at every call.

        Returns:
            The tables.
        """
        for identity, known in self._kept:
            if identity.is_that_of(points):
                return known
        known = KnownFactors.at(points, problem.coordinates, orders, offset=ansatz.offset_at, factor=ansatz.factor_at)
        # A minibatch that is gone must not push out the points on the conditions, which stay.
        self._kept = deque((entry for entry in self._kept if not entry[0].is_gone), maxlen=_KEPT)
        if not points.is_inference():  # such tensors count no versions
            self._kept.append((TensorIdentity(points), known))
        return known

    def __reduce__(self) -> tuple[type[KnownFactorsCache], tuple[()]]:
        return KnownFactorsCache, ()
