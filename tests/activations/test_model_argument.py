from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule
from torch import nn

from laaf_lightning.activations import AdaptiveActivation, adapt, fold, named_slopes, slope_recovery
from laaf_lightning.activations.model_argument import copy_of
from laaf_lightning.errors import ConfigurationError


@pytest.mark.parametrize("use", [adapt, slope_recovery, lambda model: list(named_slopes(model))])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (nn.Linear, r"^model=Linear is a class: give an instance, model=Linear\(…\)$"),
        ("mlp", "^model='mlp' is no model: give a torch.nn.Module$"),
        (None, "^model=None is no model"),
    ],
)
def test_classes_and_names_are_no_models(use: Any, given: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        use(given)


class Module(LightningModule):
    """One that is compiled in place; Lightning's copies go on holding the code of the original."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 2), AdaptiveActivation("tanh"))

    def forward(self, x: torch.Tensor) -> Any:
        return self.net(x)


@pytest.mark.parametrize("use", [lambda model, _x: copy_of(model, "fold", "…"), fold])
def test_a_copy_of_a_module_that_was_compiled_in_place_runs_itself(use: Any) -> None:
    model = Module()
    model.compile(backend="eager")
    other = use(model, torch.ones(1, 2))
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert torch.equal(other(torch.ones(1, 2)), torch.zeros(1, 2))


def test_a_model_that_cannot_be_copied_is_refused_in_a_sentence() -> None:
    model: Any = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    model.last = model(torch.ones(1, 2))
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(model)
    for use, way_out in ((adapt, "inplace=True"), (fold, "fold the part of it that holds the network")):
        with pytest.raises(ConfigurationError, match=rf"{use.__name__}: Sequential cannot be copied.*{way_out}"):
            use(model)
