"""One optimiser after another under Lightning, and from a configuration."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.optim import Adam
from torch.optim.lr_scheduler import StepLR

from laaf_lightning import FunctionRegressor, OffAfter, SlopeRecovery
from laaf_lightning.optimizers.self_scaled_broyden import SelfScaledBroyden
from laaf_lightning.optimizers.sequential import SequentialOptimizer
from tests.cli.command import CONFIGS, folder_of, laaf
from tests.modules.small import regression_data, small_regressor
from tests.trainers import quiet_trainer

ADAM = partial(Adam, lr=0.05)
HAND_OVER = 4
TOTAL = 8


def sequence(params: Iterable[Any]) -> SequentialOptimizer:
    return SequentialOptimizer(params, [ADAM, partial(SelfScaledBroyden, max_iter=3)], steps=[HAND_OVER])


class Weights(Callback):
    """W_a and the optimiser of each step."""

    def __init__(self, recovery: SlopeRecovery) -> None:
        self.recovery = recovery
        self.seen: list[tuple[float, str]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # The step is done, and the weight still the one that it was done with.
        done = trainer.optimizers[0]
        assert isinstance(done, SequentialOptimizer)
        assert trainer.global_step == done.steps_taken
        weight = self.recovery._recovery.weight if self.recovery._recovery else float("nan")
        self.seen.append((weight, type(done.current).__name__))


def fit(steps: int, checkpoint: Path | None = None) -> tuple[FunctionRegressor, Trainer, Weights]:
    torch.manual_seed(0)
    model = small_regressor(scope="layer", optimizer=sequence, lr_scheduler=partial(StepLR, step_size=2, gamma=0.5))
    recovery = SlopeRecovery(weight=OffAfter(steps=HAND_OVER))
    weights = Weights(recovery)
    trainer = quiet_trainer(
        max_steps=steps, max_epochs=-1, limit_val_batches=0, precision="64-true", callbacks=[recovery, weights]
    )
    data = regression_data(steps_per_epoch=3)
    trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    assert trainer.global_step == steps
    return model, trainer, weights


def test_slope_recovery_ends_at_the_hand_over() -> None:
    _, _, weights = fit(TOTAL)
    # The step that ends a stage leaves the next one in charge.
    names = ["Adam"] * (HAND_OVER - 1) + ["SelfScaledBroyden"] * (TOTAL - HAND_OVER + 1)
    assert [name for _, name in weights.seen] == names
    assert [weight for weight, _ in weights.seen] == [1.0] * HAND_OVER + [0.0] * (TOTAL - HAND_OVER)


# Lightning's warning about a loader that cannot be resumed mid-epoch; a full batch has no place to resume at.
@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended:UserWarning")
@pytest.mark.parametrize("stop", [2, HAND_OVER, HAND_OVER + 2])
def test_a_run_resumed_by_lightning_equals_one_that_never_stopped(stop: int, tmp_path: Path) -> None:
    whole, _, _ = fit(TOTAL)
    _, trainer, _ = fit(stop)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    resumed, _, _ = fit(TOTAL, tmp_path / "half.ckpt")
    for expected, found in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(found, expected)


YAML = """
model:
  init_args:
    optimizer:
      class_path: laaf_lightning.optimizers.sequential.SequentialOptimizer
      init_args:
        steps: [3]
        optimizers:
          - class_path: torch.optim.Adam
            init_args: {lr: 0.005}
          - class_path: laaf_lightning.optimizers.SelfScaledBroyden
            init_args: {max_iter: 2}
"""


@pytest.mark.long
def test_a_configuration_names_it_and_its_saved_copy_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sequence.yaml").write_text(YAML, encoding="utf-8")
    quick = ("--trainer.max_steps=5", "--trainer.precision=64-true", "--trainer.limit_val_batches=0")
    small = ("--data.num_residual=64", "--model.width=5", "--model.depth=2")
    first = laaf("fit", f"--config={CONFIGS / 'burgers_paper.yaml'}", "--config=sequence.yaml", *quick, *small)
    again = laaf("fit", f"--config={folder_of(first) / 'config.yaml'}")
    for run in (first, again):
        (optimizer,) = run.trainer.optimizers
        assert isinstance(optimizer, SequentialOptimizer)
        assert optimizer.steps_taken == 5
        assert isinstance(optimizer.current, SelfScaledBroyden)
        assert optimizer.current.param_groups[0]["max_iter"] == 2
        assert [group["lr"] for group in optimizer.param_groups] == [0.005, 0.005]
    for one, other in zip(first.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)
