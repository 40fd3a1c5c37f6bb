"""The table of a model's activations, and the choice among them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from laaf_lightning.activations import activation_sites, adapt, named_slopes
from laaf_lightning.activations.adapting.sites import ActivationSite
from laaf_lightning.errors import ConfigurationError
from tests.activations.adapting.models import Auxiliary, Functions, Quick, Repeated, Siamese

X = torch.ones(2, 4)


def test_rows_say_what_is_called_and_where_its_features_lie() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4), Functions())
    assert activation_sites(model, X)[:3] == (
        ActivationSite("1", "ReLU", 1, (8,), 1),
        ActivationSite("3.act", "Tanh", 1, (4,), 1),
        ActivationSite("3.adaptive_calls.leaky_relu_1", "leaky_relu", 1, (4,), 1),
    )
    text = str(activation_sites(model, X)).splitlines()
    assert text[0].split() == ["site", "kind", "calls", "sample", "features", "slope"]
    assert text[1].split() == ["1", "ReLU", "1", "8", "dim", "1", "yes"]


def test_the_names_are_those_that_slopes_have() -> None:
    for model in (Functions(), Repeated(), Auxiliary(), nn.Sequential(Functions(), nn.Linear(2, 4), Repeated())):
        sites = activation_sites(model, X)
        assert {site.name for site in sites} == {name for name, _ in named_slopes(adapt(model, example_input=X))}


def test_calls_that_share_a_slope_are_counted() -> None:
    sites = activation_sites(Siamese(), (X, X))
    assert {site.calls for site in sites} == {2}
    assert "yes, shared by its calls" in str(sites)


def test_a_model_that_needs_more_in_training_mode_is_seen_in_evaluation_mode() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU())
    sites = activation_sites(model, torch.ones(1, 4))
    assert [site.name for site in sites] == ["2"]
    assert "not run in training mode: ValueError: Expected more than 1 value per channel" in str(sites)
    assert adapt(model, example_input=torch.ones(1, 4)).training


def test_nothing_is_changed() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), Functions())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    text, random = str(model), torch.get_rng_state()
    activation_sites(model, torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    assert str(model) == text
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(hasattr(p, "_laaf_layout") for p in model.parameters())


def test_without_an_example_only_modules_are_found() -> None:
    sites = activation_sites(nn.Sequential(Functions(), Quick()))
    assert [(site.name, site.kind, site.calls) for site in sites] == [("0.act", "Tanh", None), ("1", "Quick", None)]


class Positions(nn.Module):
    """A sine of positions, which is no activation, and one of a layer's output, which is."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        positions = torch.arange(4.0).sin()
        return torch.sin(30 * self.layer(x)) + positions


def test_a_sine_is_an_activation_where_a_layer_stands_before_it() -> None:
    sites = activation_sites(Positions(), X)
    assert [(site.name, site.sample_shape) for site in sites] == [("adaptive_calls.sin_1", (4,))]
    adapted = adapt(Positions(), example_input=X)
    adapted.get_parameter("adaptive_calls.sin_1.a").data.fill_(2)
    expected = torch.sin(60 * adapted.layer(X)) + torch.arange(4.0).sin()
    torch.testing.assert_close(adapted(X), expected)


WHERE: dict[str, tuple[Any, list[str]]] = {
    "expression": (r"gelu|^act$", ["act", "adaptive_calls.gelu_1"]),
    "names": (["act"], ["act"]),
    "site": (lambda site: site.kind == "sigmoid", ["adaptive_calls.sigmoid_1"]),
    "module and name": (lambda module, name: isinstance(module, nn.Tanh), ["act"]),
}


@pytest.mark.parametrize("name", WHERE)
def test_where_chooses(name: str, recwarn: pytest.WarningsRecorder) -> None:
    where, names = WHERE[name]
    adapted = adapt(Functions(), example_input=X, where=where, strict=True)
    assert [slope for slope, _ in named_slopes(adapted)] == names
    left = [site for site in activation_sites(Functions(), X, where) if not site.adapted]
    assert {site.left_out for site in left} == {"left out by where"}
    assert len(left) == 6 - len(names)
    assert not recwarn


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("elu(", r"where='elu\(' is no regular expression"),
        ("nothing", r"where='nothing' chooses none of 6 activations: act, "),
        (["acts"], r"unknown where 'acts': .* did you mean 'act'\?"),
        (5, "where=5 is neither a regular expression, nor names, nor a predicate"),
        (nn.Tanh, "where=<class .*Tanh'> is neither"),
        (nn.Tanh(), r"where=Tanh\(\) is neither"),
        (b"act", "where=b'act' is neither"),
        (lambda: True, "where=<function .*> is neither"),
    ],
)
def test_a_choice_that_is_none(where: Any, text: str) -> None:
    for use in (activation_sites, lambda m, x, w: adapt(m, example_input=x, where=w)):
        with pytest.raises(ConfigurationError, match=text):
            use(Functions(), X, where)


def test_gates_of_a_mobilenet_can_be_left_out() -> None:
    model = torchvision.models.mobilenet_v3_small(num_classes=2)
    adapted = adapt(model, example_input=torch.ones(2, 3, 32, 32), where=lambda site: site.kind != "Hardsigmoid")
    gates = {name for name, module in model.named_modules() if isinstance(module, nn.Hardsigmoid)}
    assert len(gates) == 9
    assert len(dict(named_slopes(adapted))) == 33
    assert not gates & dict(named_slopes(adapted)).keys()


def test_a_shared_module_keeps_plain_what_is_left_out() -> None:
    tanh = nn.Tanh()
    model = nn.Sequential(nn.Linear(4, 4), tanh, nn.Linear(4, 4), tanh)
    adapted = adapt(model, example_input=X, where=["1"], inplace=True)
    assert adapted[3] is tanh
    assert type(tanh) is nn.Tanh
    assert re.search(r"\(1\): Tanh\(scope=layer, n=1, shape=\(\)\)", str(adapted))
