from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.callbacks import rank_cases
from tests.callbacks.plain_training import PlainModule, adapted, oracle_recovery, plain_loop
from tests.ranks import run_on_two_ranks

BATCHES = rank_cases.BATCHES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ranks() -> list[dict[str, Any]]:
    names = ["training", "accumulation", "only_one_rank_can_tell", "line_search_warnings"]
    results = run_on_two_ranks([f"tests.callbacks.rank_cases:{name}" for name in names])
    return [{case.partition(":")[2]: value for case, value in rank.items()} for rank in results]


def assert_states_equal(state: dict[str, torch.Tensor], twin: torch.nn.Module) -> None:
    expected = twin.state_dict()
    assert state.keys() == expected.keys()
    for name, value in state.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-10, atol=1e-10)


def test_two_ranks_train_as_a_plain_loop_on_the_whole_batch(ranks: list[dict[str, Any]]) -> None:
    twin = adapted(PlainModule(), "neuron")
    plain_loop(twin, BATCHES, lambda loss, step: loss + 0.7 * (step < 4) * oracle_recovery(twin))
    for rank in ranks:
        assert_states_equal(rank["training"]["state"], twin)


def test_two_ranks_accumulate_as_one_process_does_on_one_big_batch(ranks: list[dict[str, Any]]) -> None:
    twin = adapted(PlainModule())
    big = [
        (torch.cat([x, more_x]), torch.cat([y, more_y]))
        for (x, y), (more_x, more_y) in zip(BATCHES[::2], BATCHES[1::2], strict=True)
    ]
    plain_loop(twin, big, lambda loss, step: loss + 0.7 * oracle_recovery(twin))
    for rank in ranks:
        assert_states_equal(rank["accumulation"], twin)


def test_logged_values_are_the_whole_batchs_on_every_rank(ranks: list[dict[str, Any]]) -> None:
    twin = adapted(PlainModule(), "neuron")
    objectives: list[float] = []

    def objective(loss: torch.Tensor, step: int) -> torch.Tensor:
        value = loss + 0.7 * (step < 4) * oracle_recovery(twin)
        objectives.append(value.item())
        return value

    plain_loop(twin, BATCHES, objective)
    for rank in ranks:
        logged = rank["training"]["logged"]
        assert logged["slope_recovery_objective"] == pytest.approx(objectives[-1], rel=1e-6)
        assert logged["slope_recovery"] == pytest.approx(oracle_recovery(twin).item(), rel=1e-6)


def test_hooks_after_the_log_see_their_ranks_own_loss(ranks: list[dict[str, Any]]) -> None:
    first, second = (rank["training"]["losses"] for rank in ranks)
    assert all(one != other for one, other in zip(first, second, strict=True))
    module = adapted(PlainModule(), "neuron")
    for rank, losses in enumerate((first, second)):
        with torch.no_grad():
            own = module.loss(rank_cases.part_of(BATCHES[0], rank)) + 0.7 * oracle_recovery(module)
        assert losses[0] == pytest.approx(own.item(), rel=1e-12)


def test_the_theorems_numbers_are_averages_over_ranks(ranks: list[dict[str, Any]]) -> None:
    module = adapted(PlainModule(), "neuron")
    with torch.no_grad():
        initial = module.loss(BATCHES[0]) + 0.7 * oracle_recovery(module)
    variances = [np.var(rank_cases.part_of(BATCHES[0], rank)[1].numpy()) for rank in range(2)]
    assert variances[0] != pytest.approx(variances[1], rel=1e-2)
    expected = {
        "initial_objective": pytest.approx(initial.item(), rel=1e-6),
        "constant_network_loss": pytest.approx(np.mean(variances), rel=1e-6),
        "recovery_at_zero": 0.7,
    }
    assert [rank["training"]["assumption"] for rank in ranks] == [expected, expected]


def test_a_rank_that_cannot_tell_its_constant_neither_hangs_the_others_nor_counts(ranks: list[dict[str, Any]]) -> None:
    assert [rank["only_one_rank_can_tell"] for rank in ranks] == [True, True]


def test_a_line_search_of_a_foreign_module_warns_and_ours_does_not(ranks: list[dict[str, Any]]) -> None:
    foreign, steady, ours = ranks[0]["line_search_warnings"]
    assert len(foreign) == 1
    assert "PlainModule searches along a line on 2 ranks" in foreign[0]
    assert "average the closure's value over ranks in optimizer_step" in foreign[0]
    assert steady == ours == []
    assert ranks[1]["line_search_warnings"] == [[], [], []], "once, on rank zero"
