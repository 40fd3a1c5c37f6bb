"""Networks that others have written: every call of an activation gets a slope, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from laaf_lightning.activations import activation_sites, adapt, named_slopes

pytestmark = pytest.mark.slow

OF_TORCHVISION: dict[str, tuple[int, int, dict[str, Any]]] = {  # calls of activations, size of images, options
    "resnet18": (17, 32, {}),
    "densenet121": (121, 32, {}),
    "googlenet": (61, 64, {"init_weights": False}),
    "squeezenet1_1": (26, 33, {}),
    "mobilenet_v3_small": (42, 32, {}),
    "efficientnet_b0": (65, 32, {}),
    "convnext_tiny": (18, 32, {}),
    "swin_v2_t": (36, 32, {}),
}
OF_TIMM = {"nfnet_f0": 76, "ghostnet_100": 49, "skresnet18": 33}
SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 100,
}  # fmt: skip
OF_TRANSFORMERS: dict[str, tuple[str, dict[str, Any], int]] = {
    "BertModel": ("BertConfig", SMALL, 3),
    "LlamaForCausalLM": ("LlamaConfig", SMALL, 2),
    "GPT2LMHeadModel": ("GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 100}, 2),
}


def outputs(model: nn.Module, example: Any, *, training: bool) -> list[Tensor]:
    torch.manual_seed(1)
    model.train(training)
    result = model(**example) if isinstance(example, dict) else model(example)
    leaves = tree_leaves(dict(result) if hasattr(result, "keys") else result)
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


def check(model: nn.Module, example: Any, calls: int) -> None:
    sites = activation_sites(model, example)
    assert len(sites) == calls, str(sites)
    adapted = adapt(model, "layer", 3, example, strict=True)
    assert len(dict(named_slopes(adapted))) == calls
    for training in (False, True):
        expected, got = outputs(model, example, training=training), outputs(adapted, example, training=training)
        assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))
    total = sum((leaf.float().square().mean() for leaf in got if leaf.requires_grad), torch.zeros(()))
    total.backward()
    assert all(p.grad is not None for name, p in adapted.named_parameters() if name.endswith(".a"))
    names = {name for name, _ in model.named_parameters()}
    assert names == {name for name, _ in adapted.named_parameters() if not name.endswith(".a")}


@pytest.mark.long
@pytest.mark.parametrize("name", OF_TORCHVISION)
def test_of_torchvision(name: str) -> None:
    calls, size, options = OF_TORCHVISION[name]
    torch.manual_seed(0)
    check(getattr(torchvision.models, name)(num_classes=4, **options), torch.randn(2, 3, size, size), calls)


@pytest.mark.parametrize("name", OF_TIMM)
def test_of_timm(name: str) -> None:
    timm = pytest.importorskip("timm", reason="the extra 'models'")
    torch.manual_seed(0)
    check(timm.create_model(name, num_classes=4), torch.randn(2, 3, 64, 64), OF_TIMM[name])


@pytest.mark.parametrize("name", OF_TRANSFORMERS)
def test_of_transformers(name: str) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra 'models'")
    config, settings, calls = OF_TRANSFORMERS[name]
    torch.manual_seed(0)
    model = getattr(transformers, name)(getattr(transformers, config)(**settings))
    check(model, {"input_ids": torch.randint(3, 90, (2, 7))}, calls)


def test_activations_of_transformers_and_timm_are_known_by_what_they_do() -> None:
    activations = pytest.importorskip("transformers.activations", reason="the extra 'models'")
    layers = pytest.importorskip("timm.layers.activations", reason="the extra 'models'")
    kinds = {
        name: activations.ACT2FN[name] for name in ("gelu_new", "quick_gelu", "relu2", "laplace", "gelu_10", "mish")
    }
    kinds |= {name: getattr(layers, name)() for name in ("Swish", "HardMish", "GELUTanh", "QuickGELU", "HardSwish")}
    for name, activation in kinds.items():
        adapted = adapt(nn.Sequential(nn.Linear(3, 4), activation), strict=True)
        assert [slope for slope, _ in named_slopes(adapted)] == ["1"], name
