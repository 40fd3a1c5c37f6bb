from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laaf_lightning.derivatives import Order, with_lower_orders
from laaf_lightning.derivatives.orders import partitions, splittings
from tests.derivatives.cases import up_to

ORDERS = [(), *up_to(4, 3)]
BELL = {0: 1, 1: 1, 2: 2, 3: 5, 4: 15}


def labellings(order: Order) -> Counter[tuple[Order, ...]]:
    """Partition the places of an order by giving each place a label, and forgetting what the labels are."""
    found = set()
    for labels in itertools.product(range(len(order)), repeat=len(order)):
        blocks = (frozenset(place for place, label in enumerate(labels) if label == own) for own in set(labels))
        found.add(frozenset(blocks))
    by_columns = ((tuple(sorted(order[place] for place in block)) for block in partition) for partition in found)
    return Counter(tuple(sorted(blocks, key=lambda block: (len(block), block))) for blocks in by_columns)


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_partitions_are_those_found_by_labelling_the_places(order: Order) -> None:
    terms = partitions(order)
    assert dict(terms) == labellings(order)
    assert len(dict(terms)) == len(terms)
    assert sum(count for _, count in terms) == BELL[len(order)]
    sizes = [len(blocks) for blocks, _ in terms]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_partitions_in_one_variable_have_the_coefficients_of_faa_di_bruno(order: int) -> None:
    for blocks, count in partitions((0,) * order):
        multiplicities = Counter(len(block) for block in blocks)
        expected = math.factorial(order)
        for size, times in multiplicities.items():
            expected //= math.factorial(size) ** times * math.factorial(times)
        assert count == expected


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_splittings_are_the_subsets_of_the_places(order: Order) -> None:
    expected: Counter[tuple[Order, Order]] = Counter()
    for inside in itertools.product([True, False], repeat=len(order)):
        chosen = tuple(itertools.compress(order, inside))
        expected[chosen, tuple(itertools.compress(order, (not one for one in inside)))] += 1
    terms = splittings(order)
    assert {(first, second): count for first, second, count in terms} == expected
    assert sum(count for *_, count in terms) == 2 ** len(order)


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
def test_splittings_in_one_variable_have_binomial_coefficients(order: int) -> None:
    counts = {len(first): count for first, _, count in splittings((0,) * order)}
    assert counts == {k: math.comb(order, k) for k in range(order + 1)}


@given(st.lists(st.sampled_from(ORDERS), max_size=4))
def test_lower_orders_are_all_that_partitions_and_splittings_name(orders: list[Order]) -> None:
    closed = with_lower_orders(orders)
    assert {(), *orders} <= set(closed)
    assert len(set(closed)) == len(closed)
    assert [len(order) for order in closed] == sorted(len(order) for order in closed)
    for order in closed:
        assert all(block in closed for blocks, _ in partitions(order) for block in blocks)
        assert all({first, second} <= set(closed) for first, second, _ in splittings(order))
    assert with_lower_orders(closed) == closed


@given(st.lists(st.sampled_from(ORDERS), max_size=4))
def test_lower_orders_are_no_more_than_needed(orders: list[Order]) -> None:
    for lower in with_lower_orders(orders):
        assert lower == () or any(not Counter(lower) - Counter(order) for order in orders)
