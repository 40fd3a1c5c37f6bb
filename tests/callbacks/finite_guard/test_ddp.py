from __future__ import annotations

from typing import Any

import pytest

from tests.ranks import run_on_two_ranks

pytestmark = [pytest.mark.slow, pytest.mark.long]

NAMES = ["all_is_well", "data_of_one_rank", "data_of_one_rank_with_recovery", "gradient", "return_once"]


@pytest.fixture(scope="module")
def ranks() -> list[dict[str, Any]]:
    results = run_on_two_ranks([f"tests.callbacks.finite_guard.rank_cases:{name}" for name in NAMES])
    return [{case.partition(":")[2]: value for case, value in rank.items()} for rank in results]


@pytest.mark.parametrize("case", ["data_of_one_rank", "data_of_one_rank_with_recovery"])
def test_all_ranks_end_with_what_one_of_them_knows(case: str, ranks: list[dict[str, Any]]) -> None:
    assert ranks[0][case] == ranks[1][case]
    ended = ranks[0][case]
    assert "at step 3 (counted from 0) the data went first: batch[1]" in ended["text"]
    assert (ended["step"], ended["first"]) == (3, "data")
    assert ended["taken"] <= 5


def test_a_gradient_that_all_ranks_have_is_named(ranks: list[dict[str, Any]]) -> None:
    assert ranks[0]["gradient"] == ranks[1]["gradient"]
    assert "at step 4 (counted from 0) a gradient went first: that of net.2.weight" in ranks[0]["gradient"]["text"]


def test_both_ranks_go_back(ranks: list[dict[str, Any]]) -> None:
    expected = {"text": None, "finite": True, "returns": 1, "taken": 12}
    assert [rank["return_once"] for rank in ranks] == [expected, expected]


def test_a_finite_run_ends_as_ever(ranks: list[dict[str, Any]]) -> None:
    assert [rank["all_is_well"]["taken"] for rank in ranks] == [12, 12]
    assert all(rank["all_is_well"]["finite"] for rank in ranks)
