from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from laaf_lightning.callbacks import SlopeRecovery
from laaf_lightning.callbacks.slope_recovery.slope_record import SlopeRecord
from laaf_lightning.callbacks.slope_recovery.slope_statistics import slope_statistics
from laaf_lightning.data import DiscontinuousFunctionDataModule
from laaf_lightning.figures import SlopeHistory
from laaf_lightning.modules import FunctionRegressor
from tests.trainers import quiet_trainer


def filled(steps: int, *sizes: int) -> SlopeRecord:
    record = SlopeRecord([f"act{k}" for k in range(len(sizes))])
    for step in range(steps):
        slopes = {f"act{k}": torch.arange(size, dtype=torch.float64) + step for k, size in enumerate(sizes)}
        record.add(step, slope_statistics(slopes)[0])
    return record


def test_a_layer_of_one_slope_has_no_band_and_one_of_several_has() -> None:
    history = filled(3, 1, 1).history()
    assert history is not None
    assert history.std is None
    assert history.mean.tolist() == [[0, 0], [1, 1], [2, 2]]
    history = filled(2, 1, 3).history()
    assert history is not None
    assert history.std is not None
    np.testing.assert_allclose(history.std, [[0, np.sqrt(2 / 3)]] * 2)
    assert SlopeRecord(["act"]).history() is None


def test_a_long_run_is_thinned_out_and_keeps_its_beginning() -> None:
    history = filled(10_000, 1).history()
    assert history is not None
    assert len(history.steps) <= 4096
    assert history.steps[0] == 0
    assert (np.diff(history.steps) > 0).all()
    assert history.steps[-1] > 9_990
    np.testing.assert_array_equal(history.mean[:, 0], history.steps)


def test_a_record_of_other_layers_is_not_taken_over() -> None:
    record, other = filled(2, 1), SlopeRecord(["another"])
    other.go_on_from(record.state())
    other.go_on_from(None)
    assert other.history() is None


@pytest.mark.parametrize("scope", ["layer", "neuron"])
def test_a_resumed_run_draws_its_whole_history(scope: str, tmp_path: Path) -> None:
    def fitted(steps: int, resume: Path | None = None) -> SlopeHistory:
        model = FunctionRegressor(1, 1, width=4, depth=2, scope=scope)  # type: ignore[arg-type]
        recovery = SlopeRecovery(log_every_n_steps=1)
        trainer = quiet_trainer(recovery, max_steps=steps, max_epochs=-1, limit_val_batches=0)
        data = DiscontinuousFunctionDataModule(num_points=10, steps_per_epoch=1)
        trainer.fit(model, data, ckpt_path=resume, weights_only=True)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        drawn = recovery.figure_data()["slope"]
        assert isinstance(drawn, SlopeHistory)
        return drawn

    torch.manual_seed(0)
    first = fitted(3)
    resumed = fitted(5, tmp_path / "last.ckpt")
    assert resumed.steps.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(resumed.mean[:3], first.mean)
    assert (resumed.std is None) == (scope == "layer")


def test_without_slopes_there_is_nothing_to_draw() -> None:
    recovery = SlopeRecovery(0.0, log_every_n_steps=1)
    assert recovery.figure_data() == {}
    trainer = quiet_trainer(recovery, max_steps=2, max_epochs=-1, limit_val_batches=0)
    trainer.fit(
        FunctionRegressor(1, 1, width=4, depth=1, scope="fixed"), DiscontinuousFunctionDataModule(num_points=10)
    )
    assert recovery.figure_data() == {}
