"""Two ranks with half the points each train as one process with all of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.modules import ddp_cases
from tests.ranks import run_on_two_ranks
from tests.trainers import quiet_trainer

pytestmark = pytest.mark.slow

FITS = ["regressor_adam", "regressor_lbfgs", "pinn_adam", "pinn_lbfgs", "pinn_broyden", "unequal_shards_broyden"]
FITS += ["pinn_periodic", "pinn_hard", "pinn_inverse", "pinn_whole_batches"]
CASES = [
    *FITS,
    "pinn_minibatches",
    "coefficient_warnings",
    "classifier_two_ranks",
    "uneven_shards",
    "channel_errors",
    "classifier_validation",
    "epoch_train_loss",
    "pinn_fused",
]


@pytest.fixture(scope="module")
def ranks(kernel_cache: Path) -> list[dict[str, Any]]:
    os.environ["KERNEL_CACHE"] = str(kernel_cache)
    results = run_on_two_ranks([f"tests.modules.ddp_cases:{case}" for case in CASES])
    return [{name.rpartition(":")[2]: value for name, value in result.items()} for result in results]


@pytest.mark.parametrize("case", [*FITS, "pinn_minibatches", "classifier_two_ranks", "pinn_fused"])
def test_both_ranks_have_the_same_weights_and_slopes(ranks: list[dict[str, Any]], case: str) -> None:
    first, second = (result[case] for result in ranks)
    assert first.keys() == second.keys()
    assert any(name.endswith(".a") for name in first)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("case", FITS)
def test_points_split_over_ranks_train_as_in_one_process(ranks: list[dict[str, Any]], case: str) -> None:
    fit: Callable[..., dict[str, Tensor]] = getattr(ddp_cases, case)
    # The ranks' means are added in another order: a rounding error that a few steps leave far below 1e-8.
    torch.testing.assert_close(ranks[0][case], fit(quiet_trainer), rtol=1e-8, atol=1e-10)


@pytest.mark.usefixtures("kernel")
def test_the_fused_kernel_trains_on_two_ranks_as_in_one_process_and_as_taylor_mode(
    ranks: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", "")  # which the case sets
    torch.testing.assert_close(ranks[0]["pinn_fused"], ddp_cases.pinn_fused(quiet_trainer), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(ranks[0]["pinn_fused"], ranks[0]["pinn_adam"], rtol=1e-7, atol=1e-9)


def test_images_split_over_ranks_train_as_in_one_process(ranks: list[dict[str, Any]]) -> None:
    # float32 rounding of a mean over 16 images or two over 8.
    torch.testing.assert_close(
        ranks[0]["classifier_two_ranks"], ddp_cases.classifier_one_process(), rtol=1e-4, atol=1e-6
    )


def test_relative_l2_error_is_exact_over_uneven_shards(ranks: list[dict[str, Any]]) -> None:
    expected = ddp_cases.uneven_shards(quiet_trainer)
    for result in ranks:
        assert result["uneven_shards"] == pytest.approx(expected, rel=1e-12)


def test_the_errors_of_single_unknowns_are_over_all_points(ranks: list[dict[str, Any]]) -> None:
    expected = ddp_cases.channel_errors(quiet_trainer)
    assert {"val/relative_l2_velocity", "val/relative_l2_pressure", "val/absolute_l2_swirl"} < expected.keys()
    for result in ranks:
        assert result["channel_errors"] == pytest.approx(expected, rel=1e-6)


def test_accuracy_loss_and_confusion_are_over_all_images(ranks: list[dict[str, Any]]) -> None:
    expected = ddp_cases.classifier_validation(quiet_trainer)
    assert expected["images"] == 100
    for result in ranks:
        assert result["classifier_validation"] == pytest.approx(expected, rel=1e-6)


def test_the_epochs_training_loss_is_over_all_images(ranks: list[dict[str, Any]]) -> None:
    expected = ddp_cases.epoch_train_loss(quiet_trainer)
    assert [result["epoch_train_loss"] for result in ranks] == pytest.approx([expected] * 2, rel=1e-6)


def test_minibatches_train_on_both_ranks_points(ranks: list[dict[str, Any]]) -> None:
    trained = ranks[0]["pinn_minibatches"]
    # Other random points in a step than one process takes, hence another end; not that of all points either.
    for other in (ddp_cases.pinn_minibatches(quiet_trainer), ranks[0]["pinn_whole_batches"]):
        difference = max((trained[name] - other[name]).abs().max().item() for name in trained if name != "train/loss")
        assert 1e-6 < difference < 0.2


def test_a_coefficients_error_is_logged_without_a_warning(ranks: list[dict[str, Any]]) -> None:
    for result in ranks:
        assert result["coefficient_warnings"]["error"] == pytest.approx(2.0, rel=1e-6)
        assert result["coefficient_warnings"]["warnings"] == []
