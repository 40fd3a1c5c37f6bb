from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import LightningModule
from torch import nn

from laaf_lightning.callbacks.undisturbed import undisturbed


class Normed(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.dropout = nn.BatchNorm1d(2), nn.Dropout()
        self.dropout.eval()

    def measure(self) -> None:
        self.train()
        self.norm(torch.rand(4, 2))
        assert self.norm.num_batches_tracked == 1


def assert_untouched(module: Normed) -> None:
    assert (module.training, module.norm.training, module.dropout.training) == (True, True, False)
    expected = Normed().state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in module.state_dict().items())


def random_states() -> list[Any]:
    return [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state(legacy=False)]  # noqa: NPY002


def test_modes_buffers_and_random_states_are_put_back() -> None:
    module, before = Normed(), random_states()
    with undisturbed(module):
        module.measure()
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002  # the global state is what must not move
        assert str(random_states()) != str(before)
    assert str(random_states()) == str(before)
    assert_untouched(module)


def test_modes_and_buffers_are_put_back_after_an_error() -> None:
    module = Normed()

    def fail() -> None:
        with undisturbed(module):
            module.measure()
            raise ValueError("the measurement failed")

    with pytest.raises(ValueError, match="the measurement failed"):
        fail()
    assert_untouched(module)
