from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import laaf_lightning as laaf
from laaf_lightning.activations.replay.from_state import noted_slopes, settings_of


@pytest.mark.parametrize("scope", ["global", "layer", "channel", "neuron"])
def test_a_state_tells_scope_n_and_sites(scope: Any) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 3, 3), nn.Tanh())
    state = laaf.adapt(model, scope, 3.0, torch.rand(2, 1, 8, 8)).state_dict()
    slopes = noted_slopes(state)
    assert slopes == {"1.a", "1.n", "3.a", "3.n"}
    assert settings_of(state, slopes) == {"scope": scope, "n": 3.0, "where": ["1", "3"]}


def test_parameters_of_the_same_name_are_no_slopes() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.ones(2))

    assert noted_slopes(nn.Sequential(Named(), nn.Linear(2, 2)).state_dict()) == set()
    assert noted_slopes(Named().state_dict()) == set()


def test_slopes_of_several_kinds_are_refused() -> None:
    state = {f"{k}.{name}": value for k, n in (("x", 1.0), ("y", 2.0)) for name, value in
             (("a", torch.ones(())), ("n", torch.tensor(n)))}  # fmt: skip
    with pytest.raises(laaf.ConfigurationError, match=r"several kinds, n=\[1.0, 2.0\]"):
        settings_of(state, noted_slopes(state))
