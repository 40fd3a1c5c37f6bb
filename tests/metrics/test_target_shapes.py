from __future__ import annotations

import re

import pytest
import torch

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.metrics.target_shapes import targets_like


@pytest.mark.parametrize("shape", [(3, 1), (3, 2), (3,), (), (3, 4, 5)])
def test_targets_that_fit_are_left_as_they_are(shape: tuple[int, ...]) -> None:
    targets = torch.rand(shape)
    assert targets_like(torch.zeros(shape), targets) is targets


def test_one_number_a_point_is_a_column() -> None:
    assert targets_like(torch.zeros(3, 1), torch.arange(3)).tolist() == [[0], [1], [2]]
    assert targets_like(torch.zeros(1, 1), torch.arange(1)).tolist() == [[0]]


@pytest.mark.parametrize(
    ("outputs", "targets"),
    [
        ((3, 1), (1,)),
        ((3, 1), ()),
        ((3, 1), (1, 3)),
        ((3, 1), (3, 2)),
        ((3, 1), (1, 1)),
        ((3, 2), (3, 1)),
        ((3, 2), (3,)),
        ((2, 2), (2,)),
        ((3,), (3, 1)),
        ((3, 1), (3, 1, 1)),
    ],
)
def test_everything_else_is_refused_with_both_shapes(outputs: tuple[int, ...], targets: tuple[int, ...]) -> None:
    text = f"targets of shape {targets} do not fit outputs of shape {outputs} and would be broadcast: give targets"
    with pytest.raises(ConfigurationError, match=re.escape(text)):
        targets_like(torch.zeros(outputs), torch.zeros(targets))
