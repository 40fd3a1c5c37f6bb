"""An adapted model computes what the model computed, bit for bit, or is refused before anything is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import SCOPES, AdaptiveActivation, Scope, adapt, named_slopes
from laaf_lightning.errors import ConfigurationError
from tests.activations.adapting.models import Auxiliary, Functions, OverwritesOnly, OverwritesSkip, Quick, Repeated

X = torch.linspace(-2, 2, 24).reshape(6, 4)


class QuickInPlace(Quick):
    """An activation of another library that overwrites its argument."""

    def forward(self, z: Tensor) -> Tensor:
        return z.mul_(torch.sigmoid(1.702 * z))


class OverwritesByAnother(OverwritesSkip):
    """The same with that activation."""

    def __init__(self) -> None:
        super().__init__()
        self.act = QuickInPlace()  # type: ignore[assignment]


class OverwritesInTraining(OverwritesSkip):
    """The skip connection is there in training mode only."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        y: Tensor = self.b(self.act(h))
        return y + h if self.training else y


OVERWRITING: dict[type[nn.Module], str] = {
    OverwritesSkip: "act",
    OverwritesOnly: "adaptive_calls.relu_1",
    OverwritesByAnother: "act",
    OverwritesInTraining: "act",
}


@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize("kind", OVERWRITING)
def test_an_effect_in_place_that_the_forward_relies_on_is_refused_by_name(kind: type[nn.Module], inplace: bool) -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True)), kind())
    text, expected = str(model), model(X)
    with pytest.raises(ConfigurationError, match=rf"relies on 1\.{OVERWRITING[kind]} overwriting the argument"):
        adapt(model, example_input=X, inplace=inplace)
    assert str(model) == text
    assert torch.equal(model(X), expected)
    left = adapt(model, example_input=X, where=r"^0")
    assert torch.equal(left(X), expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n", [1, 3, 10, 41, 0.7])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("kind", [Functions, Repeated, Auxiliary, Quick])
def test_bit_for_bit_at_the_start(kind: type[nn.Module], scope: Scope, n: float, training: bool) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), kind()).train(training)
    adapted = adapt(model, scope, n, X)
    for _ in range(2):
        outputs: list[Any] = []
        for one in (model, adapted):
            torch.manual_seed(0)
            outputs.append(one(X))
        for a, b in zip(*([*out] if isinstance(out, tuple) else [out] for out in outputs), strict=True):
            assert torch.equal(a, b)


def test_a_model_that_is_never_twice_the_same_is_adapted() -> None:
    class Counts(Functions):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            Counts.calls += 1
            return super().forward(x) + Counts.calls

    assert len(dict(named_slopes(adapt(Counts(), example_input=X)))) == 6


def test_views_with_gaps_may_be_rounded_otherwise() -> None:
    class Slices(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.act = nn.Linear(4, 40), nn.GELU()

        def forward(self, x: Tensor) -> Tensor:
            output: Tensor = self.act(self.layer(x)[:, :-1].t())
            return output

    model = Slices()
    torch.testing.assert_close(adapt(model, example_input=X)(X), model(X))


@dataclass
class Result:
    """What a model of others may return: no container that torch knows."""

    y: Tensor


class Returns(OverwritesSkip):
    """A skip connection that relies on an in-place activation, and the output in a wrapping of its own."""

    def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.wrap = wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(super().forward(x))


@pytest.mark.parametrize(
    "wrap",
    [
        Result,
        lambda y: {"results": [Result(y)]},
        lambda y: torch.distributions.Normal(y, 1.0),
        lambda y: y.to_sparse(),
        lambda y: torch.complex(y, torch.full_like(y, torch.nan)),
    ],
    ids=["data class", "nested", "distribution", "sparse", "complex"],
)
def test_difference_is_seen_in_whatever_a_model_returns(wrap: Callable[[Tensor], Any]) -> None:
    with pytest.raises(ConfigurationError, match="relies on act overwriting the argument"):
        adapt(Returns(wrap), example_input=X)


class ReturnsItsBuffer(OverwritesSkip):
    """The output is given out in a tensor that the next forward writes over."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("room", torch.zeros(6, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.get_buffer("room").copy_(super().forward(x))


def test_output_that_is_a_buffer_is_compared_too() -> None:
    with pytest.raises(ConfigurationError, match="relies on act overwriting the argument"):
        adapt(ReturnsItsBuffer(), example_input=X)


class GoesThroughChildren(nn.Module):
    """A forward that takes its children for its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = torch.relu(layer(x))
        return x


class CountsChildren(OverwritesSkip):
    """A forward that counts its children, beside a call of a function."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.b(self.act(self.a(x)))) * len([*self.children()])


@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize(
    ("kind", "text"),
    [(GoesThroughChildren, "goes through its own children"), (CountsChildren, "computes something else in training")],
)
def test_a_refused_model_is_what_it_was_whatever_was_done_to_it(kind: Any, text: str, inplace: bool) -> None:
    model = kind()
    keys, modules, output = [*model.state_dict()], [*model.modules()], model(X)
    with pytest.raises(ConfigurationError, match=text):
        adapt(model, example_input=X, inplace=inplace)
    assert ([*model.state_dict()], [*model.modules()], type(model)) == (keys, modules, kind)
    assert torch.equal(model(X), output)
    assert not any(isinstance(module, AdaptiveActivation) for module in model.modules())
