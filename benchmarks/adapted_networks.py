"""What `adapt` finds in networks of torchvision, timm and transformers: a table, then JSON.

For each network: the calls of activations that one forward makes, those that got a slope, whether the adapted network
computes at n·a = 1 what the plain one does (bit for bit, in evaluation and in training mode), whether every slope gets
a gradient, and, with slopes moved away from 1, whether it is folded, exported and compiled to the same values.

    pip install -e ".[models]"
    python benchmarks/adapted_networks.py                  # all, an hour on two cores
    python benchmarks/adapted_networks.py resnet Bert      # those whose name holds one of the words
    python benchmarks/adapted_networks.py --no-compile
"""

from __future__ import annotations

import argparse
import gc
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import timm
import torch
import torchvision
import transformers
from report import circumstances, print_json, table
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

import laaf_lightning as laaf


class Network(NamedTuple):
    """A network and what it is called with."""

    name: str
    make: Callable[[], tuple[nn.Module, Any]]


def of_torchvision(name: str, size: int = 64, **options: Any) -> Network:
    """Name a network of torchvision for square images."""
    make = getattr(torchvision.models, name)
    return Network(f"torchvision {name}", lambda: (make(weights=None, **options), torch.randn(2, 3, size, size)))


def of_timm(name: str, size: int = 64) -> Network:
    """Name a network of timm for square images."""
    return Network(f"timm {name}", lambda: (timm.create_model(name), torch.randn(2, 3, size, size)))


def of_transformers(name: str, config: str, example: Callable[[], dict[str, Tensor]], **options: Any) -> Network:
    """Name a network of transformers, small."""

    def make() -> tuple[nn.Module, Any]:
        # torch.export knows no cache among the outputs of the plain model either
        model = getattr(transformers, name)(getattr(transformers, config)(use_cache=False, **options))
        model.config.use_cache = False
        return model, example()

    return Network(f"transformers {name}", make)


def tokens(*names: str) -> Callable[[], dict[str, Tensor]]:
    """Give random tokens under some names."""
    return lambda: {name: torch.randint(3, 90, (2, 7)) for name in names}


SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 100,
}
T5 = {"d_model": 32, "d_ff": 64, "num_layers": 2, "num_heads": 2, "d_kv": 16, "vocab_size": 100}
IDS = tokens("input_ids")
NETWORKS = [
    *map(of_torchvision, ("vgg11", "vgg11_bn", "resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2")),
    *map(of_torchvision, ("densenet121", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "mnasnet0_5")),
    *map(of_torchvision, ("shufflenet_v2_x0_5", "efficientnet_b0", "efficientnet_v2_s", "regnet_y_400mf")),
    *map(of_torchvision, ("convnext_tiny", "swin_t", "swin_v2_t")),
    of_torchvision("alexnet", 96),
    of_torchvision("googlenet", 96, init_weights=False),
    of_torchvision("inception_v3", 299, init_weights=False),
    of_torchvision("vit_b_16", 64, image_size=64),
    of_torchvision("maxvit_t", 224),
    *map(of_timm, ("nfnet_f0", "eca_nfnet_l0", "resnetv2_50", "tf_efficientnet_b0", "mobilevit_s", "ghostnet_100")),
    *map(of_timm, ("res2net50_26w_4s", "hrnet_w18_small", "convmixer_768_32", "edgenext_xx_small", "skresnet18")),
    *map(of_timm, ("repvgg_a0", "poolformer_s12")),
    *(of_timm(name, 224) for name in ("mixer_s32_224", "levit_128s", "deit_tiny_patch16_224", "coatnet_0_rw_224")),
    *(of_timm(name, 224) for name in ("xcit_nano_12_p16_224", "gmlp_s16_224")),
    of_transformers("BertModel", "BertConfig", IDS, **SMALL),
    of_transformers("BertForMaskedLM", "BertConfig", IDS, **SMALL),
    of_transformers("RobertaModel", "RobertaConfig", IDS, **SMALL),
    of_transformers("ElectraModel", "ElectraConfig", IDS, **SMALL),
    of_transformers("GPT2LMHeadModel", "GPT2Config", IDS, n_embd=32, n_layer=2, n_head=2, vocab_size=100),
    of_transformers("LlamaForCausalLM", "LlamaConfig", IDS, **SMALL),
    of_transformers("BloomForCausalLM", "BloomConfig", IDS, hidden_size=32, n_layer=2, n_head=2, vocab_size=100),
    of_transformers("T5ForConditionalGeneration", "T5Config", tokens("input_ids", "decoder_input_ids"), **T5),
    of_transformers("DistilBertModel", "DistilBertConfig", IDS, dim=32, n_layers=2, n_heads=2, hidden_dim=64),
    of_transformers("MambaForCausalLM", "MambaConfig", IDS, hidden_size=32, num_hidden_layers=2, vocab_size=100),
    of_transformers(
        "ViTModel",
        "ViTConfig",
        lambda: {"pixel_values": torch.randn(2, 3, 32, 32)},
        image_size=32,
        patch_size=8,
        **SMALL,
    ),
    of_transformers("Wav2Vec2Model", "Wav2Vec2Config", lambda: {"input_values": torch.randn(2, 4000)}, **SMALL),
]


def output(model: nn.Module, example: Any, *, training: bool = False) -> list[Tensor]:
    """Call a model; return the tensors of its output."""
    torch.manual_seed(1)
    result = model.train(training)(**example) if isinstance(example, dict) else model.train(training)(example)
    leaves = tree_leaves(dict(result) if hasattr(result, "keys") else result)
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


def same(one: list[Tensor], other: list[Tensor], tolerance: float = 0.0) -> bool:
    """Compare outputs, bit for bit or relative to the largest value."""
    return len(one) == len(other) and all(
        torch.equal(a, b) or bool((a - b).abs().max() <= tolerance * b.abs().max())
        for a, b in zip(one, other, strict=True)
    )


def yes(check: Callable[[], bool]) -> str:
    """Run a check, and name what stops it."""
    try:
        return "yes" if check() else "no"
    except Exception as error:
        return type(error).__name__


def row(network: Network, *, compiles: bool) -> dict[str, Any]:
    """Adapt one network and look at it."""
    torch.manual_seed(0)
    model, example = network.make()
    adapted = laaf.adapt(model, "layer", 3, example)
    sites = laaf.activation_sites(model, example)
    positional, named = ((), example) if isinstance(example, dict) else ((example,), {})

    def exported() -> bool:
        program = torch.export.export(adapted.eval(), positional, named, strict=False)
        return same(output_of(program.module()(*positional, **named)), moved, 1e-4)

    def output_of(result: Any) -> list[Tensor]:
        return [
            leaf
            for leaf in tree_leaves(dict(result) if hasattr(result, "keys") else result)
            if isinstance(leaf, Tensor)
        ]

    def gradients() -> bool:
        outputs = output(adapted, example, training=True)
        sum(leaf.float().square().mean() for leaf in outputs if leaf.requires_grad).backward()  # type: ignore[union-attr]
        return all(p.grad is not None for name, p in adapted.named_parameters() if name.endswith(".a"))

    equal = yes(lambda: same(output(adapted, example), output(model, example)))
    in_training = yes(lambda: same(output(adapted, example, training=True), output(model, example, training=True)))
    trained = yes(gradients)
    with torch.no_grad():
        for name, p in adapted.named_parameters():
            if name.endswith(".a"):
                p.mul_(1.05)
        moved = output(adapted, example)
        folded = yes(lambda: same(output(laaf.fold(adapted, example), example), moved, 1e-3))
        exports = yes(exported)
        torch._dynamo.reset()
        compiled = "–"
        if compiles:
            compiled = yes(lambda: same(output_of(torch.compile(adapted.eval())(*positional, **named)), moved, 1e-3))
    return {
        "network": network.name,
        "calls": sum(site.calls or 0 for site in sites),
        "sites": len(sites),
        "adapted": sum(site.adapted for site in sites),
        "equal": equal,
        "equal in training": in_training,
        "gradients": trained,
        "folded": folded,
        "exported": exports,
        "compiled": compiled,
    }


def main() -> None:
    """Print a row for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only networks whose name holds one of these")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for network in NETWORKS:
        if options.words and not any(word in network.name for word in options.words):
            continue
        rows.append(row(network, compiles=not options.no_compile))
        print(rows[-1], flush=True)
        gc.collect()
    print(table([*rows[0]], [[str(value) for value in each.values()] for each in rows]))
    print_json({"networks": rows} | circumstances("torchvision", "timm", "transformers"))


if __name__ == "__main__":
    main()
