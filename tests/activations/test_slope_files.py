"""Slopes go through a file bit by bit, and any other file leaves the model as it is."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning import MLP
from laaf_lightning.activations import AdaptiveActivation, adapt, load_slopes, save_slopes
from laaf_lightning.errors import ConfigurationError

safetensors = pytest.importorskip("safetensors.torch")


def network(scope: Any = "neuron", n: float = 3, activation: Any = "tanh", **sizes: int) -> Any:
    torch.manual_seed(0)
    width, depth = sizes.get("width", 3), sizes.get("depth", 2)
    return MLP(2, 1, width=width, depth=depth, activation=activation, scope=scope, n=n)


def slopes(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if name.endswith(".a")}


def moved(model: Any) -> Any:
    for number, parameter in enumerate(model.parameters()):
        parameter.data += 0.1 * number + 0.01
    return model


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "slopes.safetensors"


@pytest.mark.parametrize("scope", ["global", "layer", "neuron"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_slopes_come_back_with_their_bits_and_weights_stay(file: Path, scope: str, dtype: torch.dtype) -> None:
    model = moved(network(scope)).to(dtype)
    save_slopes(model, file)
    other = network(scope).to(dtype)
    weight = other.linears[0].weight.detach().clone()
    load_slopes(other, file)
    assert all(torch.equal(value, slopes(model)[name]) for name, value in slopes(other).items())
    assert torch.equal(other.linears[0].weight, weight)
    tensors = safetensors.load_file(file)
    assert sorted(tensors) == (["global"] if scope == "global" else ["activations.0", "activations.1"])
    assert file.stat().st_size < 2000


def test_the_file_says_what_the_slopes_are_of(file: Path) -> None:
    from safetensors import safe_open

    save_slopes(adapt(nn.Sequential(nn.Linear(2, 2), nn.LeakyReLU(0.2, inplace=True)), "layer", 5), file)
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    assert json.loads(metadata["sites"]) == {
        "1": {"scope": "layer", "at": {"1": {"n": 5.0, "activation": "LeakyReLU(negative_slope=0.2)"}}}
    }
    assert metadata["torch"] == torch.__version__
    load_slopes(adapt(nn.Sequential(nn.Linear(2, 2), nn.LeakyReLU(0.2)), "layer", 5), file)


def test_slopes_of_calls_and_of_a_compiled_model_have_their_names(file: Path) -> None:
    class Calls(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(torch.tanh(self.a(x)))

    model: Any = adapt(Calls(), example_input=torch.ones(1, 2))
    model.adaptive_calls.relu_1.a.data.fill_(4.0)
    compiled: Any = torch.compile(model)
    save_slopes(compiled, file)
    other: Any = adapt(Calls(), example_input=torch.ones(1, 2))
    load_slopes(other, file)
    assert other.adaptive_calls.relu_1.a.item() == 4.0


OTHERS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "more layers": (lambda: network(depth=3), r"the model's 'activations\.2' is not in the file"),
    "fewer": (lambda: network(depth=1), r"the file's 'activations\.1' is not in the model"),
    "wider": (lambda: network(width=4), r"'activations\.0' has shape \(3,\), the model's \(4,\)"),
    "another n": (lambda: network(n=4), r"'activations\.0' has n=3\.0, the model's n=4\.0"),
    "another sigma": (lambda: network(activation="sin"), r"has activation='tanh', the model's activation='sin'"),
    "another scope": (lambda: network("channel"), r"has scope 'neuron', the model's 'channel'"),
    "another dtype": (
        lambda: network().double(),
        r"of torch\.float32, the model's of torch\.float64: model\.to\(torch\.",
    ),
    "global": (lambda: network("global"), r"the model's 'global' is not in the file; the file's 'activations\.0'"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_models_are_refused_and_left_alone(file: Path, name: str) -> None:
    make, text = OTHERS[name]
    save_slopes(moved(network()), file)
    model = make()
    before = slopes(model)
    with pytest.raises(ConfigurationError, match=text) as error:
        load_slopes(model, file)
    assert "build or adapt the model as it was" in str(error.value)
    assert all(torch.equal(value, before[key]) for key, value in slopes(model).items())


def test_one_slope_of_other_sites_is_refused(file: Path) -> None:
    def shared(*names: str) -> nn.Module:
        slope = nn.Parameter(torch.ones(()))
        return nn.ModuleDict({name: AdaptiveActivation("relu", "global", slope=slope) for name in names})

    save_slopes(shared("a", "b"), file)
    with pytest.raises(ConfigurationError, match="'global' is the slope of other sites: 'c' is in one of both only"):
        load_slopes(shared("a", "b", "c"), file)


def with_header(header: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def described(sites: Any, form: str = "laaf slopes 1") -> dict[str, Any]:
    return {"__metadata__": {"format": form, "sites": sites if isinstance(sites, str) else json.dumps(sites)}}


TENSOR = {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}
SITES: dict[str, dict[str, Any]] = {
    f"activations.{k}": {"scope": "neuron", "at": {f"activations.{k}": {"n": 3.0, "activation": "tanh"}}}
    for k in (0, 1)
}
PLACES_OF_NUMBERS = {key: {**value, "at": dict.fromkeys(value["at"], 5)} for key, value in SITES.items()}
NAN = struct.pack("<3f", 1, float("nan"), 1)
TWO = {"activations.0": TENSOR, "activations.1": {**TENSOR, "data_offsets": [12, 24]}}
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no file of save_slopes, or a damaged one"),
    "no safetensors": (b"PK\x03\x04 of another kind", "no file of save_slopes, or a damaged one"),
    "an endless header": (struct.pack("<Q", 2**63) + b"{}", "damaged"),
    "another's": (with_header({"w": TENSOR}, bytes(12)), "something else of safetensors"),
    "another version": (with_header(described(SITES, "laaf slopes 2") | TWO, bytes(24)), "something else"),
    "cut off": (with_header(described(SITES) | TWO, bytes(23)), "damaged"),
    "sites that are no JSON": (with_header(described("{") | TWO, bytes(24)), "damaged"),
    "sites nested deep": (with_header(described("[" * 100_000) | TWO, bytes(24)), "damaged"),
    "sites of digits": (with_header(described("1" * 9999) | TWO, bytes(24)), "damaged"),
    "sites that are a list": (with_header(described([1]) | TWO, bytes(24)), "does not say what 'activations.0' is"),
    "sites of other values": (with_header(described(dict.fromkeys(SITES, 1)) | TWO, bytes(24)), "does not say what"),
    "places of other values": (
        with_header(described(PLACES_OF_NUMBERS) | TWO, bytes(24)),
        "has n=None, the model's n=3.0",
    ),
    "not finite": (with_header(described(SITES) | TWO, NAN + bytes(12)), "'activations.0' is not finite"),
    "whole numbers": (
        with_header(described(SITES) | {key: {**value, "dtype": "I32"} for key, value in TWO.items()}, bytes(24)),
        "is of torch.int32, the model's of torch.float32;",
    ),
    "a long name": (with_header(described(SITES) | {"x" * 9000: TENSOR}, bytes(12)), "is not in the file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_and_hostile_files_are_one_error_and_touch_nothing(file: Path, name: str) -> None:
    content, text = HOSTILE[name]
    file.parent.mkdir()
    file.write_bytes(content)
    model = network()
    before = slopes(model)
    with pytest.raises(ConfigurationError) as error:
        load_slopes(model, file)
    assert text in str(error.value)
    assert len(str(error.value)) < 900
    assert all(torch.equal(value, before[key]) for key, value in slopes(model).items())


def test_missing_files_folders_and_models_without_slopes(tmp_path: Path) -> None:
    for path, text in (
        (tmp_path / "none.safetensors", "there is no such file"),
        (tmp_path / ("n" * 300), "there is no such file"),
        (tmp_path, "this is no file"),
    ):
        with pytest.raises(ConfigurationError, match=text):
            load_slopes(network(), path)
    for call in (save_slopes, load_slopes):
        with pytest.raises(ConfigurationError, match="MLP has no slopes; laaf_lightning"):
            call(network("fixed"), tmp_path / "x.safetensors")
        with pytest.raises(ConfigurationError, match="is a class"):
            call(MLP, tmp_path / "x.safetensors")  # type: ignore[arg-type]
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("path", [None, 5, "", ".", "a\0b"])
def test_what_is_no_name_of_a_file_is_refused(path: Any) -> None:
    for call in (save_slopes, load_slopes):
        with pytest.raises(ConfigurationError, match=r"path=.* is no name of a file: give one, 'slopes\.safetensors'"):
            call(network(), path)


def test_slopes_without_values_are_neither_saved_nor_loaded(file: Path) -> None:
    save_slopes(network(), file)
    for call in (save_slopes, load_slopes):
        with pytest.raises(ConfigurationError, match=r"the slope 'activations\.0' is on the meta device"):
            call(network().to("meta"), file)


def test_slopes_that_are_not_finite_are_not_saved_and_a_file_stays_whole(file: Path) -> None:
    model = network()
    save_slopes(model, file)
    content = file.read_bytes()
    model.activations[1].a.data[0] = float("inf")
    with pytest.raises(ConfigurationError, match=r"'activations\.1' is not finite"):
        save_slopes(model, file)
    assert file.read_bytes() == content
    with pytest.raises(ConfigurationError, match="cannot write the slopes"):
        save_slopes(network(), file / "below")
    save_slopes(moved(network()), file)
    assert file.read_bytes() != content
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_model_of_one_slope_goes_through_safetensors_own_functions(tmp_path: Path) -> None:
    model, other = moved(network("global")), network("global")
    safetensors.save_model(model, str(tmp_path / "model.safetensors"))
    safetensors.load_model(other, str(tmp_path / "model.safetensors"))
    x = torch.ones(1, 2)
    assert torch.equal(other(x), model(x))
    other.load_state_dict(network("global").state_dict())
    assert not torch.equal(other(x), model(x))
