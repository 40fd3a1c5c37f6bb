from __future__ import annotations

import pytest
import torch

from tests.ranks import run_on_two_ranks

CASES = "tests.callbacks.adapt_activations.rank_cases:"


@pytest.mark.slow
def test_two_processes_have_the_first_ones_slopes_and_train_alike() -> None:
    names = ["adapted", "of_the_first_rank", "refused"]
    first, second = run_on_two_ranks([CASES + name for name in names])
    one, two = (rank[f"{CASES}adapted"] for rank in (first, second))
    assert one["groups"] == two["groups"] == [6, 3]
    assert one["state"].keys() == two["state"].keys()
    assert all(torch.equal(one["state"][key], two["state"][key]) for key in one["state"])
    assert (one["state"]["activation.a"] != 0.5).all()
    assert first[f"{CASES}of_the_first_rank"] == second[f"{CASES}of_the_first_rank"]
    assert len(first[f"{CASES}of_the_first_rank"]) == 3
    assert "fails with KeyError: 'missing'" in first[f"{CASES}refused"]
    assert first[f"{CASES}refused"] == second[f"{CASES}refused"]
