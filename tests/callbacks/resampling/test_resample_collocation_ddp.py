"""Two ranks resample and balance as one process does; one spawned group serves both callbacks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import laaf_lightning as laaf
from tests.callbacks.resampling.collocation_cases import fit_line
from tests.ranks import run_on_two_ranks

pytestmark = [pytest.mark.slow, pytest.mark.long]

SETTINGS: dict[str, dict[str, Any]] = {"uniform": {}, "rad": {}, "rar": {"num_added": 4, "max_points": 18}}


@pytest.fixture(scope="module")
def ranks() -> list[dict[str, Any]]:
    names = [*(f"{method}_on_two_ranks" for method in SETTINGS), "refusals_on_two_ranks"]
    results = run_on_two_ranks([f"tests.callbacks.resampling.collocation_cases:{name}" for name in names])
    return [{case.partition(":")[2]: value for case, value in rank.items()} for rank in results]


@pytest.mark.parametrize("method", SETTINGS)
def test_ranks_share_the_points_and_the_weights_of_one_process(ranks: list[dict[str, Any]], method: Any) -> None:
    callbacks = laaf.ResampleCollocation(2, method, **SETTINGS[method]), laaf.AdaptiveLossWeights(2)
    module, _, _ = fit_line(*callbacks, steps=6)
    first, second = (rank[f"{method}_on_two_ranks"] for rank in ranks)
    assert torch.equal(first["points"], second["points"])
    assert first["weights"] == second["weights"]
    assert first["parameters"] == second["parameters"]
    for left, right, whole in zip(first["seen"], second["seen"], module.seen, strict=True):
        assert len(left) == len(right)
        if method != "rar":
            together = torch.cat([left, right]).flatten().sort().values
            # the residual of two ranks differs from one's in the last digits, which moves no draw here
            torch.testing.assert_close(together, whole.flatten().sort().values, rtol=0, atol=0)
    torch.testing.assert_close(first["weights"], [module.weight_residual, module.weight_data], rtol=1e-9, atol=0)
    torch.testing.assert_close(first["parameters"], [module.a.item(), module.b.item()], rtol=1e-9, atol=0)


def test_rank_zero_alone_computes_the_residual_at_candidates(ranks: list[dict[str, Any]]) -> None:
    candidates = [[count for count in rank["rad_on_two_ranks"]["asked"] if count > 12] for rank in ranks]
    assert candidates == [[120, 120, 120], []]


def test_added_points_split_evenly_also_at_a_limit_of_19(ranks: list[dict[str, Any]]) -> None:
    assert [[len(seen) for seen in rank["rar_on_two_ranks"]["seen"]] for rank in ranks] == [[6, 6, 8, 8, 9, 9]] * 2


def test_what_only_one_rank_finds_wrong_is_an_error_on_all(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        odd, infinite = rank["refusals_on_two_ranks"]
        assert "num_added=3 points of ResampleCollocation do not split evenly over 2 ranks" in odd
        assert "the residual of Diverges is not finite at 120 of 120 candidate points" in infinite
