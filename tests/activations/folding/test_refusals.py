"""What cannot be folded is refused by name, and nothing is changed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation, adapt, fold
from laaf_lightning.errors import ConfigurationError
from tests.activations.folding.models import Net, adapted

X = torch.linspace(-2, 2, 24, dtype=torch.float64).reshape(6, 4)


def test_what_is_not_finite_is_refused_by_name_and_nothing_is_changed() -> None:
    model: Any = adapted(nn.Sequential(nn.Linear(4, 4), nn.Tanh()).double(), X)
    model[1].a.data.fill_(float("nan"))
    with pytest.raises(ConfigurationError, match=r"fold: '1\.a' is not finite"):
        fold(model, X, inplace=True)
    model[1].a.data.fill_(1e300)
    model[0].weight.data.fill_(1e300)
    with pytest.raises(ConfigurationError, match=r"0\.weight times the slope of 1 is not finite in torch"):
        fold(model, X, inplace=True)
    assert torch.equal(model[0].weight, torch.full((4, 4), 1e300, dtype=torch.float64))
    behind = adapted(nn.Sequential(nn.Softmax(1), nn.Tanh()).double(), X)
    behind[1].a.data.fill_(1.5e308)
    with pytest.raises(ConfigurationError, match=r"fold: n·a of '1' is not finite in torch\.float64"):
        fold(behind, X)
    model[0].weight.data[0, 0] = float("inf")
    with pytest.raises(ConfigurationError, match=r"'0\.weight' is not finite"):
        fold(model)


def test_weights_that_are_used_behind_the_recording_are_an_error_and_nothing_is_changed() -> None:
    def forward(net: Any, x: Tensor) -> Any:
        bias = torch.tensor(net.a.bias.tolist(), dtype=torch.float64)
        return net.act(net.a(x)) + bias

    model = adapted(Net(forward).double(), X)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ConfigurationError, match=r"the folded Net computes something else on example_input \(relative"):
        fold(model, X, inplace=True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_rounding_that_grows_through_the_layers_is_named_where_a_wider_dtype_has_less() -> None:
    torch.manual_seed(0)
    layers = [layer for _ in range(20) for layer in (nn.Linear(32, 32), AdaptiveActivation("tanh"))]
    model: Any = nn.Sequential(*layers)
    for site in model[1::2]:
        site.a.data.fill_(20.0)
    x = torch.randn(4, 32)
    with pytest.raises(ConfigurationError, match=r"or rounding grows in it: try fold\(model\.double\(\), …\)"):
        fold(model, x)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (nn.Linear, "is a class"),
        (nn.DataParallel(nn.Linear(2, 2)), r"fold\(model\.module, …\)"),
        (nn.Sequential(nn.LazyLinear(3), nn.ReLU()), "not initialised"),
        (nn.Linear(2, 2, device="meta"), "meta device"),
    ],
)
def test_models_that_cannot_be_folded_are_refused_with_what_to_do(model: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        fold(model)


def test_wrong_examples_and_subclasses_are_refused() -> None:
    model = adapt(nn.Sequential(nn.Linear(4, 4), nn.Tanh()))
    with pytest.raises(ConfigurationError, match="fold: Sequential does not run on example_input: RuntimeError: mat1"):
        fold(model, torch.ones(2, 3))
    with pytest.raises(ConfigurationError, match=r"does not fit Sequential\.forward"):
        fold(model, {"images": torch.ones(2, 4)})

    class Own(AdaptiveActivation):
        pass

    with pytest.raises(ConfigurationError, match="'0' is a Own, and what it computes without a slope"):
        fold(nn.Sequential(Own("tanh")))
    with pytest.raises(ConfigurationError, match="in place"):
        fold(AdaptiveActivation("tanh"), inplace=True)
