from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule

from laaf_lightning import (
    ConfigurationError,
    DiscontinuousFunctionDataModule,
    FreezeSlopes,
    FunctionRegressor,
    SelfScaledBroyden,
    SlopeRecovery,
    adapt,
    named_slopes,
)
from tests.trainers import quiet_trainer

LBFGS = partial(torch.optim.LBFGS, line_search_fn="strong_wolfe")


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, LBFGS, SelfScaledBroyden])
def test_slopes_stay_for_the_first_steps_and_move_afterwards(optimizer: Any) -> None:
    def slopes_after(steps: int) -> torch.Tensor:
        torch.manual_seed(0)
        model = FunctionRegressor(1, 1, width=4, depth=2, scope="neuron", n=2, optimizer=optimizer)
        before = [p.clone() for p in model.parameters()]
        trainer = quiet_trainer(FreezeSlopes(3), SlopeRecovery(), max_steps=steps, max_epochs=-1, limit_val_batches=0)
        trainer.fit(model, DiscontinuousFunctionDataModule(num_points=10))
        assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
        return torch.cat([slope.detach() for _, slope in named_slopes(model)])

    assert (slopes_after(3) == 1).all()
    assert (slopes_after(4) != 1).all()


@pytest.mark.parametrize("steps", [-1, 1.5, True, "3"])
def test_what_is_no_number_of_steps_is_refused(steps: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"steps=.* of FreezeSlopes must be a whole number >= 0"):
        FreezeSlopes(steps)


def test_manual_optimisation_is_refused() -> None:
    class Manual(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.net = adapt(torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Tanh()))

        def training_step(self, batch: Any) -> None: ...

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.1)

    trainer = quiet_trainer(FreezeSlopes(3), max_steps=1)
    with pytest.raises(ConfigurationError, match=r"FreezeSlopes\(steps=3\) does nothing for Manual"):
        trainer.fit(Manual(), [torch.ones(1, 1)])
