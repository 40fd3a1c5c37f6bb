from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch.optim import SGD

from laaf_lightning.modules import AdaptiveModule
from tests.modules.small import image_batches, regression_data, small_classifier, small_regressor
from tests.trainers import quiet_trainer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("job", ["regressor", "classifier"])
# torch 2.14's inductor calls a function of its own by a deprecated name.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_compiled_network_trains_as_the_eager_one(job: str) -> None:
    make: Callable[..., AdaptiveModule] = small_regressor if job == "regressor" else small_classifier

    def fit(compile: bool) -> AdaptiveModule:
        model = make(scope="neuron", compile=compile, optimizer=partial(SGD, lr=0.05))
        trainer = quiet_trainer(max_steps=3, limit_val_batches=0)
        data: dict[str, Any] = {"train_dataloaders": image_batches(), "val_dataloaders": image_batches(1)}
        trainer.fit(model, **({"datamodule": regression_data()} if job == "regressor" else data))
        return model

    eager, compiled = fit(compile=False), fit(compile=True)
    assert compiled.network._compiled_call_impl is not None
    assert eager.network._compiled_call_impl is None
    torch.testing.assert_close(compiled.state_dict(), eager.state_dict(), rtol=1e-4, atol=1e-6)
