from __future__ import annotations

from typing import Any

import pytest
from torch.optim import Adam
from torch.optim.lr_scheduler import StepLR

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules.optimization.plain_factories import check_factory


def test_factories_pass_and_a_scheduler_may_be_left_out() -> None:
    check_factory("optimizer", Adam)
    check_factory("lr_scheduler", StepLR)
    check_factory("lr_scheduler", None)


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        (
            "optimizer",
            "adam",
            "^optimizer='adam' is a name: .*optimizer=torch.optim.Adam.*--model.optimizer torch.optim.A",
        ),
        ("optimizer", None, "^optimizer=<NoneType> is nothing that can be called"),
        ("lr_scheduler", "cosine", "^lr_scheduler='cosine' is a name: .*torch.optim.lr_scheduler.CosineAnnealingLR"),
    ],
)
def test_plain_mistakes_are_refused(argument: Any, value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_factory(argument, value)
