from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

import laaf_lightning as laaf
from tests.callbacks.resampling.collocation_cases import SETTINGS, Line, fit_line, interval_data, small_pinn
from tests.trainers import quiet_trainer

# Lightning's words on every loader without a state_dict, though all batches are the same here, and on the
# ModelCheckpoint that the resumed runs do without.
pytestmark = [
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended"),
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks used to create the checkpoint"),
]

METHODS: list[Any] = ["uniform", "rad", "rar"]
STEPS, EVERY = 7, 3


def adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.01)


class SavesBeforeTheRedraw(Callback):
    """Comes before the callback that redraws, so that the points in its checkpoints are old."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        trainer.save_checkpoint(self.folder / f"early-{trainer.global_step}.ckpt")


def trained(method: Any, *callbacks: Callback, checkpoint: Path | None = None, **settings: Any) -> dict[str, Any]:
    """Train a small PINN in a fresh DataModule and Trainer; return all that must be equal."""
    redraw = laaf.ResampleCollocation(EVERY, method, num_added=2, until_step=6)
    weights = laaf.AdaptiveLossWeights(2, slope_recovery=True)
    first, last = callbacks[:1], callbacks[1:]
    module, data = small_pinn(optimizer=adam), interval_data()
    # in float32: Lightning loads a checkpoint before it makes a module float64, which rounds it
    settings = {**SETTINGS, "precision": "32-true", **settings}
    trainer = quiet_trainer(*first, redraw, weights, laaf.SlopeRecovery(0.5), *last, **settings)
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    state: dict[str, Any] = {name: value.clone() for name, value in module.state_dict().items()}
    optimizer = trainer.optimizers[0].state_dict()["state"]
    state |= {f"moment {key} {name}": value for key, part in optimizer.items() for name, value in part.items()}
    return {**state, "points": data.residual_points(), "weights": (module.weight_residual, module.weight_data)}


def assert_equal(state: dict[str, Any], expected: dict[str, Any]) -> None:
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(state[name], value) if isinstance(value, Tensor) else state[name] == value, name


@pytest.mark.parametrize("method", METHODS)
def test_a_run_resumed_at_any_step_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path, method: Any) -> None:
    saving = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1, monitor=None)
    settings: dict[str, Any] = {"max_steps": STEPS}
    unbroken = trained(method, SavesBeforeTheRedraw(tmp_path), saving, enable_checkpointing=True, **settings)
    files = sorted(tmp_path.glob("*.ckpt"))
    assert len(files) == 2 * STEPS
    for file in files:
        assert_equal(trained(method, checkpoint=file, **settings), unbroken)


def test_the_oracle_sees_points_and_weights(tmp_path: Path) -> None:
    """What the test above compares differs between methods, so that it could differ."""
    uniform, rad = trained("uniform", max_steps=STEPS), trained("rad", max_steps=STEPS)
    assert not torch.equal(uniform["points"], rad["points"])
    assert uniform["weights"] != rad["weights"]
    assert not torch.equal(uniform["network.linears.0.weight"], rad["network.linears.0.weight"])


def test_a_checkpoint_of_a_run_without_the_callback_resumes_with_it(tmp_path: Path) -> None:
    _, _, trainer = fit_line(steps=3)
    trainer.save_checkpoint(tmp_path / "plain.ckpt")
    module, data = Line(), interval_data()
    resumed = quiet_trainer(laaf.ResampleCollocation(2), **SETTINGS, max_steps=6)
    resumed.fit(module, datamodule=data, ckpt_path=tmp_path / "plain.ckpt", weights_only=True)
    same = [torch.equal(seen, module.seen[0]) for seen in module.seen]
    assert same == [True, False, False], "redrawn after step 4"


def test_points_stay_with_the_data_after_the_fit_and_a_callback_serves_several_fits() -> None:
    callback, data = laaf.ResampleCollocation(2), interval_data()
    first, _, _ = fit_line(callback, data=data, steps=5)
    second, _, _ = fit_line(callback, data=data, steps=5)
    assert torch.equal(second.seen[0], first.seen[-1])
    assert torch.equal(second.seen[-1], first.seen[-1]), "the same seed and step"


def test_a_checkpoint_opens_with_weights_only_and_only_the_fit_that_loads_it_takes_its_points(tmp_path: Path) -> None:
    _, data, trainer = fit_line(laaf.ResampleCollocation(2), steps=4)
    trainer.save_checkpoint(tmp_path / "all.ckpt")
    state = torch.load(tmp_path / "all.ckpt", weights_only=True)["laaf_lightning.ResampleCollocation"]
    assert torch.equal(state["points"], data.residual_points())
    assert state["step"] == 4

    callback, fresh = laaf.ResampleCollocation(2), interval_data()
    expected = fresh.residual_points()
    evaluating = quiet_trainer(callback, limit_val_batches=0)
    evaluating.validate(Line(), datamodule=fresh, ckpt_path=tmp_path / "all.ckpt", weights_only=True, verbose=False)
    module, _, _ = fit_line(callback, data=fresh, steps=1)
    assert torch.equal(module.seen[0], expected)
