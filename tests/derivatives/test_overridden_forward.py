from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.derivatives.overridden_forward import describes_forward, forward_of
from tests.derivatives.cases import Chain


class SameChain(Chain):
    """Inherits both."""


class OtherForward(Chain):
    def forward(self, x: Tensor) -> Tensor:
        return x * super().forward(x)


class OtherForwardAndLayers(OtherForward):
    def layers(self) -> list[nn.Module]:
        return [self.parts[0]]

    def forward(self, x: Tensor) -> Tensor:
        return self.parts[0](x)  # type: ignore[no-any-return]


class OtherLayers(OtherForward):
    def layers(self) -> list[nn.Module]:
        return []


class AttributeOfThatName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(1, 1)])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](x)  # type: ignore[no-any-return]


class PropertyOfThatName(Chain):
    @property
    def layers(self) -> Any:
        return self.parts


class NoForward:
    def layers(self) -> list[nn.Module]:
        return []


def with_forward_on_the_instance() -> nn.Module:
    chain = Chain(nn.Linear(1, 1))
    chain.forward = lambda x: 2 * x  # type: ignore[method-assign]
    return chain


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (Chain(), True),
        (SameChain(), True),
        (OtherForward(), False),
        (OtherForwardAndLayers(), True),
        (OtherLayers(), True),
        (AttributeOfThatName(), False),
        (PropertyOfThatName(), False),
        (nn.Linear(1, 1), False),
        (NoForward(), True),
        (object(), False),
        (with_forward_on_the_instance(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_method_describes_the_forward_unless_a_later_class_has_another(described: object, expected: bool) -> None:
    assert describes_forward(described, "layers") is expected


def test_forward_of_an_instance_is_that_of_its_class_also_if_parametrised() -> None:
    assert forward_of(nn.Linear(1, 1)) is nn.Linear.forward
    assert forward_of(torch.nn.utils.parametrizations.weight_norm(nn.Linear(1, 1))) is nn.Linear.forward
    assert forward_of(SameChain()) is Chain.forward
    assert forward_of(OtherForward()) is OtherForward.forward
    assert forward_of(with_forward_on_the_instance()) is None
