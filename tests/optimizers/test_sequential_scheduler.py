from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, SequentialLR

from laaf_lightning import ConfigurationError, SequentialScheduler

STAGES: list[Any] = [partial(LinearLR, start_factor=0.1, total_iters=3), partial(CosineAnnealingLR, T_max=5)]


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)


def test_it_is_torchs_own_with_schedulers_made_for_it() -> None:
    ours, theirs = optimizer(), optimizer()
    schedule = SequentialScheduler(ours, STAGES, [3])
    expected = SequentialLR(theirs, [make(theirs) for make in STAGES], [3])
    for _ in range(9):
        assert ours.param_groups[0]["lr"] == theirs.param_groups[0]["lr"]
        for each in (ours, theirs, schedule, expected):
            each.step()


@pytest.mark.parametrize(
    ("stages", "milestones", "words"),
    [
        (STAGES[:1], [], "schedulers of SequentialScheduler has 1, and must have at least two"),
        (STAGES, [], "must be 1 rising whole numbers"),
        (STAGES, [0], "must be 1 rising"),
        ([*STAGES, ConstantLR], [5, 3], r"milestones=\[5, 3\].* must be 2 rising"),
    ],
)
def test_milestones_that_do_not_fit_are_refused(stages: list[Any], milestones: list[int], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        SequentialScheduler(optimizer(), stages, milestones)
