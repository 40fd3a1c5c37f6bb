from __future__ import annotations

import pytest
import torch
from torch import nn

from laaf_lightning.activations import AdaptiveActivation, slope_recovery
from tests.activations.cases import TRAINED, noise, parameter

MAPS = ["layer_of_maps", "channels", "neurons_of_maps"]
LOW = [torch.bfloat16, torch.float16]


def layer_before(case: str) -> nn.Module:
    """Make a layer that autocast runs in bfloat16 and whose output fits the case."""
    sample = TRAINED[case].sample
    return nn.Conv2d(sample[0], sample[0], 1) if case in MAPS else nn.Linear(sample[-1], sample[-1])


@pytest.mark.parametrize("case", TRAINED)
def test_autocast_promotes_no_activation_and_keeps_gradients_in_float32(case: str) -> None:
    model = nn.Sequential(layer_before(case), TRAINED[case].site(n=10))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model[0](TRAINED[case].z().float())
        output = model[1](hidden)
    assert hidden.dtype == output.dtype == torch.bfloat16
    output.float().square().sum().backward()
    gradient = parameter(model[1]).grad
    assert gradient is not None
    assert gradient.dtype == torch.float32
    assert gradient.abs().min() > 0


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("case", TRAINED)
def test_half_precision_module_computes_in_its_dtype(case: str, dtype: torch.dtype) -> None:
    site = TRAINED[case].moved_site("identity").to(dtype)
    a, z = parameter(site), TRAINED[case].z().to(dtype)
    assert a.dtype == dtype
    output = site(z)
    assert output.dtype == dtype
    slope = a.float() * 3 + (1 - 3 * torch.tensor(1 / 3, dtype=dtype).item())
    assert torch.equal(output, (z.float() * slope).to(dtype))


@pytest.mark.parametrize("dtype", LOW)
def test_product_of_n_and_a_is_formed_in_float32(dtype: torch.dtype) -> None:
    site = AdaptiveActivation("identity", n=3).to(dtype)
    exact = 3 * (1 + torch.finfo(dtype).eps)
    parameter(site).data.fill_(exact / 3)
    assert site.slope.dtype == torch.float32
    # 1/3 is rounded in half precision, and n·a + c is 1 there
    assert site.slope.item() == exact + 1 - 3 * torch.tensor(1 / 3, dtype=dtype).item()
    assert torch.tensor(exact, dtype=dtype).item() != exact


@pytest.mark.parametrize(
    ("of_slope", "of_z", "of_product"),
    [
        (torch.float32, torch.float32, torch.float32),
        (torch.float64, torch.float64, torch.float64),
        (torch.float64, torch.float32, torch.float64),
        (torch.float32, torch.bfloat16, torch.float32),
        (torch.bfloat16, torch.float32, torch.float32),
        (torch.float16, torch.float64, torch.float32),
    ],
)
@pytest.mark.parametrize("case", ["layer", "features"])
def test_output_has_the_dtype_of_its_input(
    case: str, of_slope: torch.dtype, of_z: torch.dtype, of_product: torch.dtype
) -> None:
    site = TRAINED[case].site().to(of_slope)
    assert site.slope.dtype == of_product
    assert site(TRAINED[case].z().to(of_z)).dtype == of_z


@pytest.mark.parametrize("dtype", LOW)
def test_slope_recovery_of_half_precision_slopes_is_computed_in_float32(dtype: torch.dtype) -> None:
    site = AdaptiveActivation("tanh", "neuron", shape=(1000,)).to(dtype)
    parameter(site).data.copy_(noise(1000))
    got = slope_recovery(site)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), (-parameter(site).double().mean()).exp(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("case", MAPS)
def test_channels_last_is_kept_forward_and_backward(case: str) -> None:
    site = TRAINED[case].site("tanh", n=10)
    z = TRAINED[case].z().float().contiguous(memory_format=torch.channels_last).requires_grad_()
    assert not z.is_contiguous()
    output = site(z)
    assert output.is_contiguous(memory_format=torch.channels_last)
    output.square().sum().backward()
    assert z.grad is not None
    assert z.grad.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(output, site(z.contiguous()))


@pytest.mark.parametrize("case", MAPS)
def test_channels_last_model_keeps_the_format_through_the_site_under_autocast(case: str) -> None:
    model = nn.Sequential(layer_before(case), TRAINED[case].site(), layer_before(case))
    model.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model[:2](TRAINED[case].z().float().contiguous(memory_format=torch.channels_last))
    assert output.is_contiguous(memory_format=torch.channels_last)
