"""An optimiser that takes matrices only, as torch.optim.Muon, which older versions of torch lack."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch.optim import SGD


class MatricesOnly(SGD):
    """Refuses other shapes when it is made."""

    def __init__(self, params: Iterable[Any], lr: float = 0.1) -> None:
        super().__init__(params, lr)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.dim() != 2:
                    raise ValueError(f"matrices only, not {tuple(parameter.shape)}")


MUON = [pytest.param(torch.optim.Muon, id="Muon")] if hasattr(torch.optim, "Muon") else []
MATRICES_ONLY = [pytest.param(MatricesOnly, id="MatricesOnly"), *MUON]
