"""The known factors of hard conditions, computed once for each point set."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable

from torch import Tensor

from laaf_lightning.derivatives import KnownFactors, Order
from laaf_lightning.problems import PDE, Ansatz

_KEPT = 4


class KnownFactorsCache:
    """Remembers g, d and their derivatives at the last few point sets.

    A cache by tensor identity: it relies on a set's staying in the same tensor object, and on the version that torch
    counts up with every change in place. Copies and pickles of the cache are empty.
    """

    def __init__(self) -> None:
        self._kept: deque[tuple[weakref.ref[Tensor], int, KnownFactors]] = deque(maxlen=_KEPT)

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
        for held, version, known in self._kept:
            if held() is points and version == points._version:
                return known
        known = KnownFactors.at(points, problem.coordinates, orders, offset=ansatz.offset, factor=ansatz.factor)
        # A minibatch that is gone must not push out the points on the conditions, which stay.
        self._kept = deque((entry for entry in self._kept if entry[0]() is not None), maxlen=_KEPT)
        if not points.is_inference():  # such tensors count no versions
            self._kept.append((weakref.ref(points), points._version, known))
        return known

    def __reduce__(self) -> tuple[type[KnownFactorsCache], tuple[()]]:
        return KnownFactorsCache, ()
