from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from laaf_lightning.activations import Activation, AdaptiveActivation
from laaf_lightning.activations.product import scaled as module
from laaf_lightning.activations.product.scaled import plain_product, plain_products, scaled
from tests.activations.cases import noise
from tests.activations.product.cases import KNOWN, SLOPE_SHAPES, WITHOUT_SIGMA, fuse_all

__all__ = ["fuse_all"]
SLOPES = {"one": 1.0, "zero": 0.0, "negative": -1.3, "mixed": None}
TWICE = [name for name in KNOWN if name not in {*WITHOUT_SIGMA, "Hardsigmoid"}]  # torch has it once differentiable


def arguments(shapes: str, slope: float | None, channels_last: bool = False) -> tuple[Tensor, Tensor]:
    of_z, of_s = SLOPE_SHAPES[shapes]
    s = noise(*of_s, seed=2) if slope is None else torch.full(of_s, slope, dtype=torch.float64)
    if slope is None and s.ndim:
        s.view(-1)[0] = 0.0
    z = 2 * noise(*of_z, seed=1)
    if channels_last:
        z = z.contiguous(memory_format=torch.channels_last)
    return z.requires_grad_(), s.requires_grad_()


def derivatives(y: Tensor, z: Tensor, s: Tensor, second: bool = True) -> list[Tensor]:
    """Return first and second derivatives of a weighted sum, by z, s and mixed."""
    first = torch.autograd.grad((y * noise(*y.shape, seed=3)).sum(), [z, s], create_graph=second)
    found = [*first]
    for k, gradient in enumerate(first if second else ()):
        weighted = (gradient * noise(*gradient.shape, seed=4 + k)).sum()
        if weighted.requires_grad:
            further = torch.autograd.grad(weighted, [z, s], retain_graph=True, allow_unused=True)
            found += [torch.zeros_like(of) if d is None else d for d, of in zip(further, (z, s), strict=True)]
        else:
            found += [torch.zeros_like(z), torch.zeros_like(s)]
    return [d.detach() for d in found]


@pytest.mark.usefixtures("fuse_all")
@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("shapes", SLOPE_SHAPES)
@pytest.mark.parametrize("name", TWICE)
def test_values_and_first_and_second_derivatives_equal_the_plain_product(name: str, shapes: str, slope: str) -> None:
    z, s = arguments(shapes, SLOPES[slope])
    fused, plain = scaled(KNOWN[name], z, s), plain_product(KNOWN[name], z, s)
    assert torch.equal(fused, plain)
    with torch.no_grad():
        assert torch.equal(scaled(KNOWN[name], z, s), plain)
    expected = derivatives(plain, z, s)
    for one, other in zip(derivatives(fused, z, s), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    for one, other in zip(derivatives(scaled(KNOWN[name], z, s), z, s, second=False), expected, strict=False):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.usefixtures("fuse_all")
@pytest.mark.parametrize("name", ["relu", "silu", "mish", "gelu", "softsign", "ReLU6"])
def test_derivatives_equal_finite_differences(name: str) -> None:
    z, s = arguments("features", None)
    s = s.detach().where(s != 0, 0.9).requires_grad_()
    assert torch.autograd.gradcheck(lambda z, s: scaled(KNOWN[name], z, s), (z, s))
    assert torch.autograd.gradgradcheck(lambda z, s: scaled(KNOWN[name], z, s), (z, s))


@pytest.mark.usefixtures("fuse_all")
@pytest.mark.parametrize("name", ["relu", "silu"])
def test_channels_last_gives_the_same_in_its_own_order(name: str) -> None:
    (z, s), (flat, t) = arguments("layer", 0.7, channels_last=True), arguments("layer", 0.7)
    y = scaled(KNOWN[name], z, s)
    assert y.is_contiguous(memory_format=torch.channels_last)
    y.square().sum().backward()
    scaled(KNOWN[name], flat, t).square().sum().backward()
    for one, other in ((z, flat), (s, t)):
        assert one.grad is not None
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-12, atol=0)


@pytest.mark.usefixtures("fuse_all")
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_one_argument_alone_may_need_a_gradient(name: str, which: int) -> None:
    both = arguments("channels", None)
    expected = torch.autograd.grad(plain_product(KNOWN[name], *both).sum(), both[which])
    z, s = (x if k == which else x.detach() for k, x in enumerate(both))
    torch.testing.assert_close(torch.autograd.grad(scaled(KNOWN[name], z, s).sum(), both[which]), expected)


def kept_bytes(activation: Activation, z: Tensor, s: Tensor | None, plain: bool = False) -> int:
    """Count what the graph holds beside the result, which the next layer holds too."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        function = KNOWN[str(activation)]
        y = function(z) if s is None else (plain_product if plain else scaled)(function, z, s)
    kept.pop(y.untyped_storage().data_ptr(), None)
    return sum(kept.values())


@pytest.mark.usefixtures("fuse_all")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", [n for n in TWICE if "in_place" not in n])
def test_a_slope_keeps_nothing_more_than_the_function_alone(name: str, dtype: torch.dtype) -> None:
    z = noise(1000).to(dtype).requires_grad_() * 1
    s = torch.tensor(1.2, requires_grad=True)
    alone, fused = kept_bytes(name, z, None), kept_bytes(name, z, s) - s.nbytes
    if name.lower() in {"tanh", "sigmoid", "identity"}:
        assert (alone, fused) == (0, z.nbytes)  # z cannot be found from the result
    else:
        assert fused <= alone
        assert kept_bytes(name, z, s, plain=True) > alone + s.nbytes


def test_what_the_result_tells_is_not_kept_alive() -> None:
    z = (noise(1 << 15).float().requires_grad_() * 1,)
    y = scaled(torch.relu, z[0], torch.tensor(1.2, requires_grad=True))
    storage = z[0].untyped_storage().data_ptr()
    del z
    other = torch.empty(1 << 15)  # the allocator gives the same place again
    assert y.grad_fn is not None
    assert all(t.untyped_storage().data_ptr() != storage for t in y.grad_fn.saved_tensors)  # type: ignore[attr-defined]
    del other


def test_few_numbers_take_the_plain_product() -> None:
    s = torch.tensor(1.2, requires_grad=True)
    kept, again, features = module.FEWEST_KEPT, module.FEWEST_AGAIN, module.FEWEST_FEATURES

    def node(activation: Callable[[Tensor], Tensor], *shape: int) -> str:
        return type(scaled(activation, torch.ones(shape), s).grad_fn).__name__

    assert [node(torch.relu, k) for k in (kept, kept - 1)] == ["KeepsResultBackward", "ReluBackward0"]
    silu = nn.functional.silu
    assert [node(silu, k, 1, 1) for k in (again, again - 1)] == ["KeepsInputBackward", "SiluBackward0"]
    assert [node(silu, k, 1) for k in (features, features - 1)] == ["KeepsInputBackward", "SiluBackward0"]
    assert node(torch.tanh, 2 * features) == "TanhBackward0"
    with plain_products():
        assert node(torch.relu, kept) == "ReluBackward0"


@pytest.mark.usefixtures("fuse_all")
@pytest.mark.parametrize("name", [n for n in TWICE if "in_place" not in n])
def test_what_is_done_to_the_result_afterwards_is_right_or_refused_as_for_the_function(name: str) -> None:
    outcomes = []
    for s in (None, torch.tensor(1.0, dtype=torch.float64, requires_grad=True)):
        z = noise(50).requires_grad_()
        y = KNOWN[name](z) if s is None else scaled(KNOWN[name], z, s)
        y += noise(50, seed=1)
        if name in {"tanh", "Tanh", "sigmoid", "Sigmoid", "relu", "ReLU"}:
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                torch.autograd.grad(y.square().sum(), z)
        else:
            outcomes.append(torch.autograd.grad(y.square().sum(), z)[0])
    if not outcomes:
        return
    torch.testing.assert_close(outcomes[1], outcomes[0], rtol=1e-12, atol=1e-14)


@pytest.mark.usefixtures("fuse_all")
@pytest.mark.parametrize("name", KNOWN)
def test_z_is_left_as_it_is(name: str) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        site = AdaptiveActivation(copy.deepcopy(KNOWN[name]), n=3).to(dtype)
        z = noise(50).to(dtype)
        before = z.clone()
        for mode in (True, False):
            with torch.set_grad_enabled(mode):
                site(z)
        assert torch.equal(z, before)
        assert z._version == 0


SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e38, -1e38, 1e-40]


@pytest.mark.usefixtures("fuse_all")
@pytest.mark.parametrize("slope", [1.0, 0.0, -2.0])
@pytest.mark.parametrize("name", [n for n in TWICE if n.lower() != "softsign"])
def test_numbers_that_are_not_finite_go_through_as_in_the_plain_product(name: str, slope: float) -> None:
    for number in SPECIAL:
        results = []
        for product in (scaled, plain_product):
            z = torch.tensor([number], requires_grad=True)
            s = torch.tensor(slope, requires_grad=True)
            y = product(KNOWN[name], z, s)
            of_z, of_s = torch.autograd.grad(y, [z, s], torch.ones(1))
            # Of a result of 0, and of one cut off at 6, z is not known any more: there 0·inf is 0.
            lost = name.lower() in {"relu", "relu_in_place", "relu6_in_place"} and math.isinf(number)
            results.append(torch.stack([y.detach()[0], of_z[0], torch.zeros(()) if lost else of_s]))
        torch.testing.assert_close(*results, equal_nan=True)


@pytest.mark.usefixtures("fuse_all")
def test_an_unknown_function_and_its_hooks_are_called_themselves() -> None:
    seen: list[torch.dtype] = []
    relu = nn.ReLU()
    relu.register_forward_hook(lambda _module, _arguments, output: seen.append(output.dtype))
    site = AdaptiveActivation(relu, n=3)
    assert torch.equal(site(noise(5).float()), torch.relu(noise(5).float()))
    assert seen == [torch.float32]
