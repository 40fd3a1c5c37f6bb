"""Models that have to be adapted before something else is done to them, and what is done after."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
import torch
import torch.fx
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation, activation_sites, adapt, named_slopes
from laaf_lightning.errors import ConfigurationError
from tests.activations.adapting.models import Auxiliary, Functions, Repeated

X = torch.linspace(-2, 2, 24).reshape(6, 4)


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU())


def compiled_in_place() -> nn.Module:
    model = plain()
    model.compile(backend="eager")
    return model


def quietly(function: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function()


MODELS: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "data parallel": (lambda: nn.DataParallel(plain()), {}, r"wrapped in DataParallel: adapt first, .*model\.module"),
    "compiled": (
        lambda: torch.compile(plain(), backend="eager"),
        {},
        r"is compiled: adapt first, .*_orig_mod, …\)",
    ),
    "in place": (compiled_in_place, {"inplace": True}, r"compiled in place: adapt first, then model\.compile\(\)"),
    "scripted": (lambda: torch.jit.script(plain()), {}, r"RecursiveScriptModule of TorchScript: adapt the model that"),
    "traced": (lambda: torch.jit.trace(plain(), X), {}, r"of TorchScript: adapt the model that it was made from"),
    "exported": (lambda: torch.export.export(plain(), (X,)).module(), {}, r"was exported: adapt the model that"),
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(3), nn.ReLU()), {}, r"'0.weight' is not initialised: run a batch"),
    "compiled within": (
        lambda: nn.Sequential(nn.Linear(4, 4), cast(nn.Module, torch.compile(plain(), backend="eager"))),
        {},
        r"1 is compiled: put 1\._orig_mod there, adapt, then compile it again",
    ),
    "symbolic": (
        lambda: torch.fx.symbolic_trace(Repeated()),
        {"example_input": X},
        r"act \(ReLU\): .*|a traced, scripted or exported graph: adapt the model before",
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_is_refused_with_the_order_that_works(name: str) -> None:
    make, options, text = MODELS[name]
    model = quietly(make)
    with pytest.raises(ConfigurationError, match=text):
        adapt(model, **options)
    if not options:
        for example in (None, X):
            with pytest.raises(ConfigurationError, match=text):
                activation_sites(model, example)


class KeepsAll(nn.Sequential):
    """A module that is copied with all that it holds, as Lightning's are."""

    def __getstate__(self) -> dict[str, Any]:
        return dict(vars(self))


@pytest.mark.parametrize("kind", [nn.Sequential, KeepsAll])
@pytest.mark.parametrize("example", [None, X])
def test_a_copy_of_a_model_that_is_compiled_in_place_has_its_slopes(kind: type[nn.Module], example: Any) -> None:
    model = kind(nn.Linear(4, 4), nn.ReLU())
    model.compile(backend="eager")
    model(X)
    adapted = adapt(model, example_input=example)
    site = adapted[1]  # type: ignore[index]
    site.a.data.fill_(3)
    torch.testing.assert_close(adapted(X), torch.relu(3 * adapted[0](X)))  # type: ignore[index]


def test_the_forward_of_an_instance_is_left_alone() -> None:
    model: Any = Functions()
    model.forward = lambda x: Functions.forward(model, x)
    with pytest.warns(UserWarning, match="its forward was replaced on the instance: adapt the model before"):
        adapted = adapt(model, example_input=X, inplace=True)
    assert [name for name, _ in named_slopes(adapted)] == ["act"]


@pytest.mark.parametrize("kind", [plain, Functions, Repeated])
def test_an_adapted_model_cannot_be_scripted_without_its_slopes(kind: Callable[[], nn.Module]) -> None:
    adapted = adapt(kind(), example_input=X)
    with pytest.raises(Exception, match=r".+"):
        quietly(lambda: torch.jit.script(adapted))


class Keywords(nn.Module):
    """A forward of keyword arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, *, x: Tensor, double: bool = False) -> Tensor:
        return torch.relu(self.layer(x)) * (1 + double)


class Pairs(Keywords):
    """A LightningModule in all that counts here: it trains on pairs."""

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Train on nothing."""


class OnBatch(nn.Module):
    """A LightningModule whose forward takes x alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layer(x))

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Train on nothing."""


class Listed(nn.Module):
    """A detector's forward: a list of images."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, images: list[Tensor]) -> list[Tensor]:
        return [torch.relu(self.layer(image)) for image in images]


@pytest.mark.parametrize(
    ("model", "example", "slopes"),
    [
        (Keywords(), {"x": X}, 1),
        (Keywords(), {"x": X, "double": True}, 1),
        (Pairs(), {"x": X, "target": X}, 1),
        (OnBatch(), (X, torch.ones(6)), 1),
        (OnBatch(), [X, torch.ones(6)], 1),
        (Listed(), [X, X], 2),
    ],
)
def test_example_inputs(model: nn.Module, example: Any, slopes: int) -> None:
    assert len(dict(named_slopes(adapt(model, "neuron", example_input=example)))) == slopes


@pytest.mark.parametrize(
    ("model", "example", "text"),
    [
        (Keywords(), X, r"a tensor of shape \(6, 4\) does not fit Keywords.forward: too many positional arguments"),
        (Keywords(), {"y": X}, r"does not fit Keywords.forward: missing a required .*'x'"),
        (plain(), (X, X), r"does not fit Sequential.forward: too many positional"),
    ],
)
def test_example_inputs_that_do_not_fit(model: nn.Module, example: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        adapt(model, example_input=example)


def test_padding_masks_in_evaluation_mode() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, activation=nn.ReLU(), dropout=0.0, batch_first=True)

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.TransformerEncoder(layer, 2)

        def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
            output: Tensor = self.encoder(x, src_key_padding_mask=mask)
            return output

    torch.manual_seed(0)
    x, mask = torch.randn(2, 7, 8), torch.tensor([[False] * 7, [False] * 4 + [True] * 3])
    model = Encoder().eval()
    for example in (x, (x, mask)):
        adapted = adapt(model, "neuron", example_input=example)
        assert len(dict(named_slopes(adapted))) == 2
        with torch.no_grad():
            outputs = quietly(lambda: (adapted(x, mask), model(x, mask)))  # noqa: B023
            torch.testing.assert_close(outputs[0][~mask], outputs[1][~mask])


def test_parametrised_layers_and_frozen_weights() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    model = nn.Sequential(layer, nn.ReLU()).requires_grad_(requires_grad=False)
    adapted = adapt(model, "neuron", example_input=X)
    adapted(X).sum().backward()
    assert [name for name, p in adapted.named_parameters() if p.grad is not None] == ["1.a"]


class Broken(Functions):
    """A forward that torch.compile takes in parts."""

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.a(x))
        torch._dynamo.graph_break()
        return torch.sigmoid(super().forward(y))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["eager", "aot_eager", "inductor"])
def test_compiled_in_parts(backend: str) -> None:
    adapted = adapt(Broken(), example_input=X)
    for site in adapted.modules():
        if isinstance(site, AdaptiveActivation) and site.a is not None:
            site.a.data.fill_(1.5)
    compiled = torch.compile(adapted, backend=backend)
    with torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(compiled(X), adapted(X))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Functions, Repeated, Auxiliary])
def test_compiled_exported_and_traced_after_it_was_adapted(kind: type[nn.Module]) -> None:
    adapted = adapt(kind(), "neuron", 2, X).eval()
    for module in adapted.modules():
        if isinstance(module, AdaptiveActivation) and module.a is not None:
            module.a.data.mul_(1.5)
    expected = adapted(X)
    others: Mapping[str, Any] = {
        "compile": torch.compile(adapted, backend="aot_eager"),
        "export": torch.export.export(adapted, (X,)).module(),
        "trace": quietly(lambda: torch.jit.trace(adapted, X)),
    }
    for name, other in others.items():
        torch.testing.assert_close(other(X), expected, msg=name)
