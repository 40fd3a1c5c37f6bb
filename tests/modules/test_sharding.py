from __future__ import annotations

import pytest
from pytorch_lightning.strategies import FSDPStrategy, ModelParallelStrategy

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules.refusals import refuse_sharding
from tests.modules.small import regression_data, small_regressor
from tests.trainers import quiet_trainer


def test_a_sharding_strategy_is_refused_before_training_with_the_reason_and_the_way_out() -> None:
    trainer = quiet_trainer(strategy=ModelParallelStrategy(), max_epochs=1)
    with pytest.raises(ConfigurationError, match=r"ModelParallelStrategy cuts .*fits one device: .*strategy ddp"):
        trainer.fit(small_regressor(), datamodule=regression_data())


def test_fsdp_is_refused_too() -> None:
    with pytest.raises(ConfigurationError, match="FSDPStrategy cuts every parameter into shards"):
        refuse_sharding(FSDPStrategy(), small_regressor())
