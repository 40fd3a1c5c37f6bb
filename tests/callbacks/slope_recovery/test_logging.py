from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor

import laaf_lightning as laaf
from tests.callbacks.plain_training import (
    Batch,
    Batches,
    PlainModule,
    adapted,
    one_epoch_trainer,
    oracle_recovery,
    regression_batches,
    slopes_of,
)

BATCHES = regression_batches()
OBJECTIVE = {"slope_recovery", "slope_recovery_objective"}
MEANS = {"slope/net.1/mean", "slope/net.3/mean"}
BANDS = {f"slope/net.{layer}/{part}" for layer in (1, 3) for part in ("std", "lower", "upper")}


class Truth(Callback):
    """Keep the loss before each step and the slopes a after it, in NumPy."""

    def __init__(self, weight: float = 0.0) -> None:
        self.weight = weight
        self.objectives: list[float] = []
        self.slopes: list[list[Any]] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        with torch.no_grad():
            self.objectives.append(float(pl_module.loss(batch) + self.weight * oracle_recovery(pl_module)))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.slopes.append([a.detach().numpy().copy() for a in slopes_of(pl_module)])


def logged(folder: Path) -> dict[int, dict[str, float]]:
    """Read the CSV log: step to the values there."""
    (file,) = folder.rglob("metrics.csv")
    with file.open(newline="") as lines:
        rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(lines)]
    steps: dict[int, dict[str, float]] = {}
    for row in rows:
        steps.setdefault(int(row.pop("step")), {}).update(row)
    return dict(sorted(steps.items()))


def fit(folder: Path, module: Any, *callbacks: Any, **settings: Any) -> dict[int, dict[str, float]]:
    one_epoch_trainer(*callbacks, logger=CSVLogger(folder), **settings).fit(module, Batches(BATCHES))
    return logged(folder)


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_every_value_equals_numpys_for_slopes_after_and_loss_before_the_step(tmp_path: Path, weight: float) -> None:
    truth = Truth(weight)
    log = fit(tmp_path, adapted(PlainModule(), "neuron", 3), laaf.SlopeRecovery(weight), truth)
    assert list(log) == list(range(len(BATCHES)))
    for step, row in log.items():
        layers = dict(zip(("net.1", "net.3"), truth.slopes[step], strict=True))
        expected = {"slope_recovery": 1 / np.mean([np.exp(a.mean()) for a in layers.values()])}
        expected["slope_recovery_objective"] = truth.objectives[step]
        for name, a in layers.items():
            mean, std = 3 * a.mean(), 3 * np.std(a)
            expected |= {f"slope/{name}/mean": mean, f"slope/{name}/std": std}
            expected |= {f"slope/{name}/lower": mean - std, f"slope/{name}/upper": mean + std}
        assert row == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("scope", "keys"), [("layer", MEANS), ("global", {"slope/global/mean"})])
def test_a_single_slope_has_no_band(tmp_path: Path, scope: str, keys: set[str]) -> None:
    log = fit(tmp_path, adapted(PlainModule(), scope), laaf.SlopeRecovery())
    assert all(set(row) == keys | OBJECTIVE for row in log.values())


@pytest.mark.parametrize(
    ("own", "trainers", "steps"),
    [(None, 2, [1, 3, 5, 7, 9, 11]), (5, 1, [4, 9]), (1, 3, list(range(12))), (None, 7, [6])],
)
def test_only_its_own_keys_appear_at_the_trainers_log_steps_or_its_own(
    tmp_path: Path, own: int | None, trainers: int, steps: list[int]
) -> None:
    class Logs(PlainModule):
        def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
            self.log("mine", float(batch_idx))
            return self.loss(batch)

    # 7: the Trainer remarks that its interval is longer than the epoch.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of training batches")
        callback = laaf.SlopeRecovery(log_every_n_steps=own)
        log = fit(tmp_path, adapted(Logs(), "neuron"), callback, log_every_n_steps=trainers, max_epochs=2)
    assert [step for step, row in log.items() if set(row) & OBJECTIVE] == steps
    assert [step for step, row in log.items() if "mine" in row] == list(range(trainers - 1, 12, trainers))
    known = MEANS | BANDS | OBJECTIVE
    assert all(
        set(row) <= known | {"mine", "epoch"} and len(set(row) & known) in {0, len(known)} for row in log.values()
    )


def test_accumulated_batches_make_one_entry_a_step_with_the_undivided_objective(tmp_path: Path) -> None:
    truth = Truth(0.7)
    log = fit(tmp_path, adapted(PlainModule()), laaf.SlopeRecovery(0.7), truth, accumulate_grad_batches=3)
    assert list(log) == [0, 1]
    # of the last of the batches that were accumulated, as the Trainer's own step values are
    assert [row["slope_recovery_objective"] for row in log.values()] == pytest.approx(
        [truth.objectives[2], truth.objectives[5]], rel=1e-6
    )


class TwoOptimizers(PlainModule):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            optimizer.zero_grad()
            self.manual_backward(self.loss(batch))
            optimizer.step()
        return self.loss(batch)  # which need not be on every rank, nor be what was minimised

    def configure_optimizers(self) -> Any:
        first, *_, last = self.net.children()
        return [torch.optim.SGD(part.parameters(), lr=0.1) for part in (first, last)]


def test_with_manual_optimisation_slopes_are_logged_once_an_interval_of_optimiser_steps(tmp_path: Path) -> None:
    log = fit(tmp_path, adapted(TwoOptimizers()), laaf.SlopeRecovery(0), log_every_n_steps=3, max_epochs=1)
    assert list(log) == [3, 5, 9, 11]  # two steps a batch: each multiple of 3 is reached or passed once
    assert all(set(row) == MEANS | {"slope_recovery"} for row in log.values())


def test_a_model_without_slopes_logs_nothing_and_trains_at_weight_zero(tmp_path: Path) -> None:
    module = PlainModule()
    before = [parameter.detach().clone() for parameter in module.parameters()]
    one_epoch_trainer(laaf.SlopeRecovery(0), logger=CSVLogger(tmp_path)).fit(module, Batches(BATCHES))
    assert not any(map(torch.equal, before, module.parameters()))
    assert not list(tmp_path.rglob("metrics.csv"))


def test_values_are_there_for_other_callbacks_without_any_logger() -> None:
    stopping = EarlyStopping("slope/net.1/mean", mode="max", stopping_threshold=0.5, check_on_train_epoch_end=True)
    trainer = one_epoch_trainer(laaf.SlopeRecovery(), stopping, max_epochs=5)
    module = adapted(PlainModule())
    trainer.fit(module, Batches(BATCHES))
    assert trainer.current_epoch == 1
    assert set(trainer.callback_metrics) == MEANS | OBJECTIVE
    assert trainer.callback_metrics["slope/net.1/mean"] == pytest.approx(2 * slopes_of(module)[0].item())


@pytest.mark.parametrize("settings", [{"fast_dev_run": 2}, {"barebones": True, "enable_progress_bar": False}])
def test_trainers_without_logs_train_with_the_term(settings: dict[str, Any]) -> None:
    import pytorch_lightning

    module = adapted(PlainModule())
    before = [a.item() for a in slopes_of(module)]
    trainer = pytorch_lightning.Trainer(
        accelerator="cpu",
        max_epochs=1,
        callbacks=[laaf.SlopeRecovery(1e4)],
        **{"enable_progress_bar": False, **settings},
    )
    trainer.fit(module, Batches(BATCHES))
    assert all(a.item() > old for a, old in zip(slopes_of(module), before, strict=True))


def test_a_slope_that_crosses_zero_warns_once_in_a_fit() -> None:
    module = adapted(PlainModule(), "neuron")
    with torch.no_grad():
        slopes_of(module)[0][2] = -0.5
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            one_epoch_trainer(laaf.SlopeRecovery()).fit(module, Batches(BATCHES))
        texts = [str(warning.message) for warning in caught if "slope" in str(warning.message)]
        assert len(texts) == 1
        assert "a slope n·a is <= 0 at step 0" in texts[0]
        assert "slope_lr" in texts[0]


def with_frozen_slopes(*values: float) -> PlainModule:
    module = adapted(PlainModule())
    for a, value in zip(slopes_of(module), values, strict=True):
        a.requires_grad_(False).fill_(value)
    return module


@pytest.mark.filterwarnings("ignore:a slope n·a is <= 0:UserWarning")  # meant here
@pytest.mark.parametrize(
    ("operator", "values", "text"),
    [
        (
            "identity",
            (0.5, -2.0),
            r"S\(a\) = -1\.33333 with operator 'identity' .* layer 'net\.3' gives -2; take operator 'exp'",
        ),
        ("identity", (-3.0, 3.0), r"S\(a\) = inf with operator 'identity' .* layer 'net\.1' gives -3"),
        ("exp", (0.5, float("nan")), r"S\(a\) = nan: slopes are NaN, as all weights are once the data.*FiniteGuard"),
        ("exp", (1e4, 0.5), r"S\(a\) = 0 with operator 'exp' .* layer 'net\.1' gives inf; the slopes have diverged"),
    ],
)
def test_an_unusable_s_is_an_error_that_names_operator_and_layer(
    operator: Any, values: tuple[float, float], text: str
) -> None:
    with pytest.raises(laaf.ConfigurationError, match=text):
        one_epoch_trainer(laaf.SlopeRecovery(1.0, operator)).fit(with_frozen_slopes(*values), Batches(BATCHES))


@pytest.mark.filterwarnings("ignore:a slope n·a is <= 0:UserWarning")  # meant here
@pytest.mark.parametrize("weight", [0.0, laaf.OffAfter(steps=1)])
def test_an_unusable_s_is_only_logged_while_it_has_no_weight(weight: float | laaf.WeightSchedule) -> None:
    trainer = one_epoch_trainer(laaf.SlopeRecovery(weight, "identity"), log_every_n_steps=2)
    trainer.fit(with_frozen_slopes(-2.0, 0.5), Batches(BATCHES))
    assert trainer.callback_metrics["slope_recovery"] == pytest.approx(1 / np.mean([-2.0, 0.5]))


def test_slopes_that_are_frozen_still_log_a_constant(tmp_path: Path) -> None:
    log = fit(tmp_path, with_frozen_slopes(0.25, 0.25), laaf.SlopeRecovery())
    assert [row["slope_recovery"] for row in log.values()] == pytest.approx([np.exp(-0.25)] * len(BATCHES), rel=1e-6)
