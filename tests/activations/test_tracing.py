from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import SCOPES, AdaptiveActivation, Scope, adapt

# Not those of the tracer itself: such a warning says that a trace may be wrong, and fails the test.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")


def points(count: int, *sizes: int) -> Tensor:
    return torch.randn(count, *sizes, generator=torch.Generator().manual_seed(count))


def traced(model: nn.Module, *example: Tensor) -> Any:
    return torch.jit.trace(model, example)


@pytest.mark.parametrize("scope", SCOPES)
def test_the_trace_of_an_adapted_network_gives_the_same_values_and_gradients(scope: Scope) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16, 5), nn.SiLU(), nn.Linear(5, 1))
    model = adapt(plain, scope, n=3, example_input=points(1, 2, 4, 4))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.3)
    copy = traced(model, points(2, 2, 4, 4))
    z = points(7, 2, 4, 4)  # another batch size than in the trace
    assert torch.equal(copy(z), model(z))
    gradients = [torch.autograd.grad(m(z).square().sum(), list(m.parameters())) for m in (model, copy)]
    for eager, of_trace in zip(*gradients, strict=True):
        torch.testing.assert_close(of_trace, eager)


@pytest.mark.parametrize(
    ("shape", "like"), [((3,), (5, 3)), ((4, 1, 1), (2, 4, 6, 6)), ((1,), (5, 3)), ((3,), (5, 7, 3))]
)
def test_a_slope_that_broadcasts_is_traced(shape: tuple[int, ...], like: tuple[int, ...]) -> None:
    site = AdaptiveActivation("tanh", "neuron", 2.0, shape)
    z = points(*like)
    assert torch.equal(traced(site, z)(2 * z), site(2 * z))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_trace_keeps_the_dtype_of_the_input(dtype: torch.dtype) -> None:
    site, z = AdaptiveActivation("tanh", "neuron", 2.0, (3,)), points(5, 3).to(dtype)
    assert traced(site, z)(z).dtype == dtype


@pytest.mark.parametrize(("shape", "like"), [((3,), (5, 1)), ((3,), (5, 4)), ((3, 3), (3,)), ((4, 1, 1), (2, 3, 6, 6))])
def test_a_slope_that_would_change_the_shape_is_refused_in_a_trace_too(
    shape: tuple[int, ...], like: tuple[int, ...]
) -> None:
    site = AdaptiveActivation("tanh", "neuron", 2.0, shape)
    with pytest.raises(RuntimeError, match=r"expand"):
        traced(site, points(*like))


def test_a_traced_site_refuses_inputs_of_another_shape() -> None:
    copy = traced(AdaptiveActivation("tanh", "neuron", 2.0, (3,)), points(5, 3))
    with pytest.raises(RuntimeError, match=r"expand"):
        copy(points(5, 1))
