"""What stands for the recording of a CUDA graph where there is no GPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from laaf_lightning.solutions import cuda_graphs
from laaf_lightning.solutions.cuda_graphs import Work


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """Record nothing, but do the work again at every replay, in the same memory: without a GPU."""
    recorded: list[Work] = []

    def record(function: Work, device: torch.device) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
        recorded.append(function)
        results = tuple(result.clone() for result in function())

        def replay() -> None:
            for result, again in zip(results, function(), strict=True):
                result.copy_(again)

        return replay, results

    monkeypatch.setattr(cuda_graphs, "record", record)
    return recorded
