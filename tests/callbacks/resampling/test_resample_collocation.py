from __future__ import annotations

import random
from typing import Any

import lightning.pytorch
import numpy as np
import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.loggers import CSVLogger
from scipy import stats
from torch import Tensor

import laaf_lightning as laaf
from tests.callbacks.plain_training import Batches, PlainModule, adapted, one_epoch_trainer, regression_batches
from tests.callbacks.resampling.collocation_cases import SETTINGS, Line, LineWork, fit_line, interval_data, small_pinn
from tests.callbacks.slope_recovery.test_logging import logged

METHODS: list[Any] = ["uniform", "rad", "rar"]


class Points(Callback):
    """The DataModule's points after each optimiser step."""

    def __init__(self) -> None:
        self.after: dict[int, Tensor] = {}

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self.after[trainer.global_step] = trainer.datamodule.residual_points()


def changes(seen: list[Tensor]) -> list[int]:
    """The batches whose points are not those of the batch before."""
    return [i for i in range(1, len(seen)) if not torch.equal(seen[i], seen[i - 1])]


@pytest.mark.parametrize("method", METHODS)
def test_points_change_after_every_k_steps_also_across_epochs_and_hold_from_the_next_step_on(method: Any) -> None:
    points = Points()
    module, data, _ = fit_line(laaf.ResampleCollocation(3, method), points, steps=10)
    assert changes(module.seen) == [3, 6, 9]
    for step, seen in enumerate(module.seen[1:], start=1):
        assert torch.equal(seen, points.after[step])
    assert torch.equal(module.seen[-1], data.residual_points())


@pytest.mark.parametrize("method", METHODS)
def test_points_never_change_within_an_accumulated_step(method: Any) -> None:
    module, _, _ = fit_line(laaf.ResampleCollocation(1, method), steps=3, accumulate_grad_batches=3)
    assert module.steps == [0, 0, 0, 1, 2, 2, 2]  # an epoch of four batches ends its last step early
    assert changes(module.seen) == [3, 4]


@pytest.mark.parametrize("method", METHODS)
def test_points_never_change_between_closure_calls_of_a_line_search(method: Any) -> None:
    module, _, _ = fit_line(laaf.ResampleCollocation(1, method), module=Line("lbfgs"), steps=4)
    assert len(module.seen) > 8
    assert changes(module.seen) == [i for i in range(1, len(module.steps)) if module.steps[i] != module.steps[i - 1]]


def test_uniform_points_come_from_the_datas_own_sampler() -> None:
    _, data, _ = fit_line(laaf.ResampleCollocation(2), data=interval_data(8, sampler="latin_hypercube"), steps=2)
    points = data.residual_points()
    assert (8 * points).floor().flatten().sort().values.tolist() == list(range(8))
    assert not torch.equal(points, interval_data(8, sampler="latin_hypercube").residual_points())


@pytest.mark.parametrize(("power", "offset"), [(1.0, 1.0), (2.0, 0.0)])
def test_rad_points_are_distributed_by_the_residual(power: float, offset: float) -> None:
    callback = laaf.ResampleCollocation(1, "rad", num_candidates=40_000, power=power, offset=offset)
    _, data, _ = fit_line(callback, data=interval_data(500), steps=1)
    points = data.residual_points().flatten()
    assert len(set(points.tolist())) == 500

    # for |r| = a·x on [0, 1] the distribution function, and what it makes of its own draws
    level = (points ** (power + 1) + offset * points) / (1 + offset)
    assert stats.kstest(level.numpy(), "uniform").pvalue > 1e-3


def test_rar_adds_the_candidates_with_the_largest_residual_up_to_the_limit() -> None:
    points = Points()
    callback = laaf.ResampleCollocation(1, "rar", num_candidates=200, num_added=4, max_points=18)
    fit_line(callback, points, steps=3)
    first, second, third = (points.after[step] for step in (1, 2, 3))
    assert [len(first), len(second), len(third)] == [16, 18, 18]
    assert torch.equal(first[:12], interval_data().residual_points())
    assert torch.equal(second[:16], first)
    assert torch.equal(third, second)
    # r = a·x: four of 200 uniform candidates, all beyond every quantile that 196 of them lie below
    added = first[12:].flatten()
    assert added.tolist() == sorted(added.tolist(), reverse=True)
    assert added.min() > 0.95


def test_rar_adds_exactly_the_top_of_what_the_data_drew(monkeypatch: pytest.MonkeyPatch) -> None:
    data, candidates = interval_data(), torch.rand(50, 1, dtype=torch.float64)
    monkeypatch.setattr(data, "sample_residual_points", lambda count, seed: candidates[:count])
    fit_line(laaf.ResampleCollocation(1, "rar", num_candidates=50, num_added=5), data=data, steps=1)
    expected = np.sort(candidates.numpy().flatten())[-5:]
    assert sorted(data.residual_points()[12:].flatten().tolist()) == expected.tolist()


@pytest.mark.parametrize("method", METHODS)
def test_minibatches_are_of_the_new_points(method: Any) -> None:
    points = Points()
    module, _, _ = fit_line(laaf.ResampleCollocation(2, method), points, data=interval_data(batch_size=5))
    for step in range(2, 6):
        present = set(points.after[step].flatten().tolist())
        assert len(module.seen[step]) == 5
        assert set(module.seen[step].flatten().tolist()) <= present


@pytest.mark.parametrize(("until_step", "expected"), [(1, []), (3, [2]), (4, [2, 4]), (5, [2, 4])])
def test_points_are_fixed_after_the_last_step(until_step: int, expected: list[int]) -> None:
    module, _, _ = fit_line(laaf.ResampleCollocation(2, until_step=until_step), steps=9)
    assert changes(module.seen) == expected


@pytest.mark.parametrize(("from_step", "expected"), [(0, [2, 4, 6, 8]), (4, [4, 6, 8]), (5, [6, 8]), (9, [])])
def test_points_are_fixed_before_the_first_step(from_step: int, expected: list[int]) -> None:
    module, _, _ = fit_line(laaf.ResampleCollocation(2, from_step=from_step), steps=9)
    assert changes(module.seen) == expected


@pytest.mark.parametrize("method", METHODS)
def test_draws_depend_on_seed_and_step_alone(method: Any) -> None:
    def drawn(seed: int, global_seed: int, every: int = 2) -> Tensor:
        torch.manual_seed(global_seed)
        random.seed(global_seed)
        return fit_line(laaf.ResampleCollocation(every, method, seed=seed), steps=4)[1].residual_points()

    assert torch.equal(drawn(0, 1), drawn(0, 2))
    assert not torch.equal(drawn(0, 1), drawn(1, 1))
    if method == "uniform":
        assert torch.equal(drawn(0, 1, every=2), drawn(0, 1, every=4))


@pytest.mark.parametrize("method", METHODS)
def test_global_random_states_are_untouched(method: Any) -> None:
    torch.manual_seed(3)
    random.seed(3)
    fit_line(laaf.ResampleCollocation(1, method))
    after = torch.rand(2), random.random()
    torch.manual_seed(3)
    random.seed(3)
    assert torch.equal(after[0], torch.rand(2))
    assert after[1] == random.random()


def test_switched_off_it_needs_and_does_nothing() -> None:
    off = laaf.ResampleCollocation(1, enabled=False)
    one_epoch_trainer(off).fit(adapted(PlainModule()), Batches(regression_batches()))
    module, _, trainer = fit_line(laaf.ResampleCollocation(1, enabled=False))
    assert changes(module.seen) == []
    assert "collocation/points" not in trainer.callback_metrics


def test_logs_numbers_of_points_and_the_residual_at_the_candidates(tmp_path: Any) -> None:
    callback = laaf.ResampleCollocation(3, "rar", num_candidates=4000, num_added=2)
    module, _, trainer = fit_line(callback, steps=6, logger=CSVLogger(tmp_path))
    log = logged(tmp_path)
    assert {step: row["collocation/points"] for step, row in log.items()} == {2: 14, 5: 16}
    # |r| = a·x over x uniform on [0, 1]
    assert log[5]["collocation/mean_residual"] == pytest.approx(module.a.item() / 2, rel=0.05)
    assert log[5]["collocation/max_residual"] == pytest.approx(module.a.item(), rel=0.01)
    assert trainer.callback_metrics["collocation/points"] == 16


def test_uniform_draws_ask_for_no_residual(tmp_path: Any) -> None:
    module = Line()
    module.residual = None  # type: ignore[assignment,method-assign]
    module.loss_terms = lambda batch: {"residual": module.a**2, "data": module.b**2}  # type: ignore[method-assign]
    fit_line(laaf.ResampleCollocation(2), module=module, logger=CSVLogger(tmp_path))
    assert all(set(row) == {"collocation/points"} for row in logged(tmp_path).values())


@pytest.mark.parametrize("method", ["rad", "rar"])
def test_both_engines_of_a_pinn_choose_the_same_points(method: Any) -> None:
    chosen = []
    for engine in ("taylor", "autograd"):
        data, model = interval_data(), small_pinn(engine=engine)
        trainer = one_epoch_trainer(laaf.ResampleCollocation(1, method, chunk_size=50), **SETTINGS, max_steps=1)
        trainer.fit(model, datamodule=data)
        chosen.append(data.residual_points())
    assert torch.equal(*chosen)


def test_lightnings_other_package_trains_with_it() -> None:
    class Other(LineWork, lightning.pytorch.LightningModule):
        """Of the other package."""

    module = Other()
    callbacks = laaf.ResampleCollocation(2, "rad"), laaf.AdaptiveLossWeights(2)
    trainer: Any = one_epoch_trainer(*callbacks, namespace=lightning.pytorch, **SETTINGS, max_steps=4)
    trainer.fit(module, datamodule=interval_data())
    assert changes(module.seen) == [2]
    assert module.weight_data != 1
