"""Orders of partial derivatives, and how products and compositions combine them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TypeAlias

# A partial derivative by the columns that it names, sorted: () is u, (0,) u_x, (0, 0, 1) u_xxt.
Order: TypeAlias = tuple[int, ...]


def with_lower_orders(orders: Iterable[Order]) -> tuple[Order, ...]:
    """Add every derivative that the given ones are built from.

    Args:
        orders: sorted column indices.

    Returns:
        All sub-multisets of the given orders, the empty one included; lower orders first.

    Example:
        >>> with_lower_orders([(0, 0), (1,)])
        ((), (0,), (1,), (0, 0))
    """
    lower: set[Order] = {()}
    for order in orders:
        lower.update(part for size in range(1, len(order) + 1) for part in itertools.combinations(order, size))
    return tuple(sorted(lower, key=lambda order: (len(order), order)))


@cache
def partitions(order: Order) -> tuple[tuple[tuple[Order, ...], int], ...]:
    r"""Return the terms of Faà di Bruno's formula for several variables.

    .. math:: \partial_\alpha\, \sigma(z) = \sum_{\pi} \sigma^{(|\pi|)}(z) \prod_{B \in \pi} \partial_B z

    over all partitions π of the places of α (Hardy, Electronic J. Combinatorics 13, 2006).

    Args:
        order: α, not empty.

    Returns:
        Pairs of blocks and how many partitions have these blocks; fewest blocks first.

    Example:
        >>> partitions((0, 0))
        ((((0, 0),), 1), (((0,), (0,)), 1))
        >>> partitions((0, 0, 0))
        ((((0, 0, 0),), 1), (((0,), (0, 0)), 3), (((0,), (0,), (0,)), 1))
    """
    counts = Counter(tuple(sorted(blocks, key=lambda block: (len(block), block))) for blocks in _set_partitions(order))
    return tuple(sorted(counts.items(), key=lambda term: (len(term[0]), term[0])))


@cache
def splittings(order: Order) -> tuple[tuple[Order, Order, int], ...]:
    r"""Return the terms of Leibniz' rule.

    .. math:: \partial_\alpha (d \cdot v) = \sum_{\beta + \gamma = \alpha} \partial_\beta d \; \partial_\gamma v

    Args:
        order: α.

    Returns:
        Triples (β, γ, how often) whose β and γ make up α.

    Example:
        >>> splittings((0, 0))
        (((), (0, 0), 1), ((0,), (0,), 2), ((0, 0), (), 1))
    """
    places = range(len(order))
    counts: Counter[tuple[Order, Order]] = Counter()
    for size in range(len(order) + 1):
        for chosen in itertools.combinations(places, size):
            rest = tuple(order[place] for place in places if place not in chosen)
            counts[tuple(order[place] for place in chosen), rest] += 1
    return tuple((first, second, count) for (first, second), count in counts.items())


def _set_partitions(order: Order) -> Iterator[tuple[Order, ...]]:
    """Yield the partitions of the places of an order, each block by its columns."""
    if not order:
        yield ()
        return
    first, *others = order
    for size in range(len(others) + 1):
        for chosen in itertools.combinations(range(len(others)), size):
            block = (first, *(others[place] for place in chosen))
            rest = tuple(others[place] for place in range(len(others)) if place not in chosen)
            for blocks in _set_partitions(rest):
                yield (block, *blocks)
