"""What slopes are on a CPU they are on a GPU: bits at the start, rounding, gradients, compiled, adapted."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from laaf_lightning import LeNet, adapt, fold, named_slopes
from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.activations.product.scaled import plain_product, scaled
from tests.activations.cases import noise, parameter
from tests.activations.product.cases import KNOWN, SLOPE_SHAPES, WITHOUT_SIGMA, every_number, fuse_all, same_bits

__all__ = ["fuse_all"]
GPU = "cuda"
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def site_of(name: str, scope: Any, shape: tuple[int, ...] | None) -> AdaptiveActivation:
    return AdaptiveActivation(copy.deepcopy(KNOWN[name]), scope, 3.0, shape).to(GPU)


@pytest.mark.usefixtures("fuse_all")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scope", ["layer", "neuron"])
@pytest.mark.parametrize("name", KNOWN)
def test_at_the_start_bits_are_those_of_the_function(name: str, scope: str, dtype: torch.dtype) -> None:
    z = every_number(dtype).to(GPU) if dtype.itemsize == 2 else (3 * noise(2**16)).to(GPU, dtype)
    site = site_of(name, scope, (2**16,) if scope == "neuron" else None)
    if name in WITHOUT_SIGMA:
        site = site.to(dtype)
    torch.manual_seed(0)
    expected = site.activation(z.clone())
    for mode in (False, True):
        with torch.set_grad_enabled(mode):
            torch.manual_seed(0)
            assert same_bits(site(z), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", [n for n in KNOWN if n not in WITHOUT_SIGMA])
def test_a_small_move_of_a_slope_is_not_lost(name: str, dtype: torch.dtype) -> None:
    z, site = every_number(dtype).to(GPU), site_of(name, "layer", None)
    parameter(site).data.mul_(1 + 2**-10)
    expected = copy.deepcopy(site.activation)(z.float() * site.slope).to(dtype)
    assert same_bits(site(z), expected)
    with torch.autocast(GPU, dtype=torch.bfloat16):
        y = site(z)
    assert y.dtype == dtype
    assert same_bits(y, expected)


@pytest.mark.usefixtures("fuse_all")
@pytest.mark.parametrize("shapes", SLOPE_SHAPES)
@pytest.mark.parametrize("name", [n for n in KNOWN if n not in WITHOUT_SIGMA])
def test_gradients_are_those_of_the_plain_product(name: str, shapes: str) -> None:
    of_z, of_s = SLOPE_SHAPES[shapes]
    z, s = (2 * noise(*of_z, seed=1)).to(GPU).requires_grad_(), noise(*of_s, seed=2).to(GPU).requires_grad_()
    found = [torch.autograd.grad(product(KNOWN[name], z, s).sin().sum(), [z, s]) for product in (scaled, plain_product)]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("scope", ["layer", "channel", "neuron"])
def test_compiled_is_as_eager(scope: Any, precision: str) -> None:
    torch.manual_seed(0)
    eager = LeNet(10, scope=scope, n=3).to(GPU)
    for _, slope in named_slopes(eager):
        slope.data.mul_(1.1)
    compiled: Any = torch.compile(copy.deepcopy(eager))
    x, y = torch.randn(64, 1, 28, 28, device=GPU), torch.randint(10, (64,), device=GPU)
    for network in (eager, compiled):
        with torch.autocast(GPU, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            nn.functional.cross_entropy(network(x), y).backward()
    tolerance = 2e-2 if precision == "bfloat16" else 2e-3  # cuDNN's float32 convolutions may round as TF32
    for (name, one), other in zip(eager.named_parameters(), compiled.parameters(), strict=True):
        assert one.grad is not None, name
        assert other.grad is not None, name
        assert (one.grad - other.grad).norm() <= tolerance * one.grad.norm(), name


@pytest.mark.parametrize("benchmark", [False, True])
@pytest.mark.parametrize("scope", ["layer", "channel", "neuron"])
@pytest.mark.parametrize(
    "make", [torchvision.models.resnet18, torchvision.models.densenet121, torchvision.models.vit_b_16]
)
def test_torchvisions_networks_are_adapted_there_and_folded(make: Any, scope: Any, benchmark: bool) -> None:
    torch.manual_seed(0)
    network, x = make(num_classes=10).to(GPU), torch.randn(4, 3, 224, 224, device=GPU)
    torch.backends.cudnn.benchmark = benchmark
    try:
        adapted = adapt(network, scope, n=3, example_input=x)
        assert all(slope.is_cuda for _, slope in named_slopes(adapted))
        torch.testing.assert_close(adapted.eval()(x), network.eval()(x), rtol=1e-3, atol=1e-3)
        for _, slope in named_slopes(adapted):
            slope.data.mul_(1.05)
        plain = fold(adapted, x)
        torch.testing.assert_close(plain(x), adapted(x), rtol=2e-2, atol=2e-2)
    finally:
        torch.backends.cudnn.benchmark = False
