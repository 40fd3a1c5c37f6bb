from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, hessian, jacfwd, jvp, vmap

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.activations.product.scaled import plain_products
from tests.activations.cases import noise, parameter
from tests.activations.product.cases import KNOWN, WITHOUT_SIGMA, fuse_all

__all__ = ["fuse_all"]
# Forward-mode AD of torch 2.14 still loads its decompositions through torch.jit.script, which it deprecates itself.
pytestmark = [
    pytest.mark.usefixtures("fuse_all"),
    pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning"),
]
SIGMAS = [name for name in KNOWN if name not in {*WITHOUT_SIGMA, "Hardsigmoid"}]

TRANSFORMS: dict[str, Callable[[Any, Tensor, Tensor], Any]] = {
    "grad": lambda f, a, z: grad(f, (0, 1))(a, z),
    "each_sample": lambda f, a, z: vmap(grad(f), (None, 0))(a, z),
    "ensemble": lambda f, a, z: vmap(grad(f, (0, 1)), (0, None))(torch.stack([a, 2 * a]), z[0]),
    "of_vmap": lambda f, a, z: grad(lambda b: vmap(lambda x: f(b, x))(z).sum())(a),
    "jvp": lambda f, a, z: jvp(f, (a, z), (2 * a, 3 * z)),
    "forward_over_reverse": lambda f, a, z: jacfwd(grad(f, 1), 1)(a, z[0]),
    "hessian": lambda f, a, z: hessian(f, (0, 1))(a, z[0]),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", SIGMAS)
def test_function_transforms_equal_those_of_the_plain_product(name: str, transform: str) -> None:
    site = AdaptiveActivation(KNOWN[name], "neuron", 3.0, (4,)).double()

    def loss(a: Tensor, z: Tensor) -> Tensor:
        result: Tensor = functional_call(site, {"a": a}, z)
        return result.square().sum()

    a, z = parameter(site).detach() * 1.1, noise(3, 4)
    found = TRANSFORMS[transform](loss, a, z)
    with plain_products():
        expected = TRANSFORMS[transform](loss, a, z)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


class EverySigma(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        activations = [KNOWN[name] for name in KNOWN if name != "RReLU"]
        self.sites = nn.ModuleList(AdaptiveActivation(activation, n=3.0) for activation in activations)

    def forward(self, z: Tensor) -> Tensor:
        return torch.stack([site(z.clone()) for site in self.sites])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_trace_and_an_export_hold_plain_operations_with_the_same_bits(dtype: torch.dtype) -> None:
    model, z = EverySigma(), noise(64).to(dtype)
    expected = model(z)
    assert torch.equal(torch.jit.trace(model, z)(z), expected)
    exported = torch.export.export(model, (z,), strict=False)
    assert torch.equal(exported.module()(z), expected)
    assert not [node for node in exported.graph.nodes if "autograd" in str(node.target)]


@pytest.fixture
def _forget_compiled_code() -> Iterator[None]:
    yield
    torch.compiler.reset()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("_forget_compiled_code")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_sites_have_the_same_bits(dtype: torch.dtype) -> None:
    model, z = EverySigma(), noise(64).to(dtype)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(z), model(z))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(compiled(z), model(z))


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("_forget_compiled_code")
@pytest.mark.parametrize("shape", [(), (3,)])
def test_a_compiled_relu_keeps_no_more_and_has_the_gradients_of_the_plain_product(shape: tuple[int, ...]) -> None:
    def kept(slopes: bool) -> int:
        linears = nn.Linear(3, 3), nn.Linear(3, 3)
        activation = AdaptiveActivation("relu", "neuron", 3.0, (3,)) if slopes else nn.ReLU()
        compiled = torch.compile(nn.Sequential(linears[0], activation, linears[1]), backend="inductor", fullgraph=True)
        sizes: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        x = noise(1000, 3).float()
        compiled(x)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            compiled(x)
        return sum(sizes.values())

    if shape:
        assert kept(True) <= kept(False) + 100
    site = AdaptiveActivation("relu", "neuron" if shape else "layer", 3.0, shape or None).double()
    parameter(site).data.copy_(noise(*shape) if shape else torch.tensor(0.0))
    z = noise(20, 3).requires_grad_()
    g = noise(20, 3, seed=1)
    compiled = torch.compile(site, backend="aot_eager", fullgraph=True)
    found = torch.autograd.grad(compiled(z), [z, parameter(site)], g)
    with plain_products():
        expected = torch.autograd.grad(site(z), [z, parameter(site)], g)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
@pytest.mark.usefixtures("_forget_compiled_code")
def test_a_compiled_relu_passes_vmap_and_grad_and_is_plain_in_an_export() -> None:
    site, z = AdaptiveActivation("relu", "neuron", 3.0, (4,)), noise(5, 4).float()

    def gradients(z: Tensor) -> Any:
        return vmap(grad(lambda a, x: functional_call(site, {"a": a}, x).square().sum()), (None, 0))(parameter(site), z)

    for function in (vmap(site), gradients):
        compiled = torch.compile(function, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(z), function(z))
    exported = torch.export.export(site, (z,), strict=True)
    assert not [node for node in exported.graph.nodes if "autograd" in str(node.target)]
