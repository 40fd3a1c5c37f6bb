from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from laaf_lightning import (
    ConfigurationError,
    DiscontinuousFunctionDataModule,
    FunctionRegressor,
    SelfScaledBroyden,
    SequentialOptimizer,
)
from tests.trainers import quiet_trainer

SEQUENCE = partial(SequentialOptimizer, optimizers=[torch.optim.Adam, SelfScaledBroyden], steps=[3])


@pytest.mark.parametrize(
    ("optimizer", "name"),
    [(torch.optim.LBFGS, "LBFGS"), (SelfScaledBroyden, "SelfScaledBroyden"), (SEQUENCE, "SelfScaledBroyden")],
)
@pytest.mark.parametrize("setting", [{"gradient_clip_val": 0.1}, {"accumulate_grad_batches": 4}], ids=["clip", "sum"])
def test_what_harms_a_line_search_is_refused_with_the_way_out(optimizer: Any, name: str, setting: Any) -> None:
    ((key, value),) = setting.items()
    model = FunctionRegressor(1, 1, width=2, depth=1, optimizer=optimizer)
    trainer = quiet_trainer(max_steps=1, max_epochs=-1, limit_val_batches=0, **setting)
    with pytest.raises(ConfigurationError, match=rf"{key}={value} beside {name}: .*--trainer\.{key} (null|1)"):
        trainer.fit(model, DiscontinuousFunctionDataModule(num_points=10))


@pytest.mark.parametrize("setting", [{"gradient_clip_val": 0.1}, {"accumulate_grad_batches": 4}], ids=["clip", "sum"])
def test_other_optimisers_take_both(setting: Any) -> None:
    trainer = quiet_trainer(max_steps=1, max_epochs=-1, limit_val_batches=0, **setting)
    trainer.fit(FunctionRegressor(1, 1, width=2, depth=1), DiscontinuousFunctionDataModule(num_points=10))
    assert trainer.global_step == 1
