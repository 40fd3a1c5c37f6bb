from __future__ import annotations

import copy
import math
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation, adapt, named_slopes
from laaf_lightning.activations.product.start import HELD, offset_at_start, start_value
from tests.activations.cases import noise, parameter

FACTORS = [*map(float, range(1, 1001)), *(k / 10 for k in range(1, 1000)), 1e-3, 1e6, math.pi, 1 / 3, 49.7, 1e-4]
FEW = [1.0, 3.0, 10.0, 41.0, 49.0, 55.0, 0.1, 1e-3, 1e6, math.pi]
# Factors whose start overflows float16, or is below half of its smallest number: the latter still starts at 1.
SMALLEST_FACTOR = {torch.float16: 1e-4}


def wrong(dtype: torch.dtype, made: torch.dtype | None = None) -> list[float]:
    """Return the factors whose slope, made in one dtype and held in another, does not start at 1."""
    found = []
    for n in FACTORS:
        if 1 / n > torch.finfo(dtype).max:
            continue
        slope = nn.Parameter(torch.full((), 1 / n, dtype=made or dtype))
        site = AdaptiveActivation("tanh", "layer", n, slope=slope).to(dtype)
        if site.slope.item() != 1:
            found.append(n)
    return found


@pytest.mark.parametrize("dtype", HELD)
def test_the_effective_slope_starts_at_exactly_one(dtype: torch.dtype) -> None:
    assert wrong(dtype) == []


@pytest.mark.parametrize("dtype", HELD)
@pytest.mark.parametrize("made", [torch.float32, torch.float64])
def test_it_does_in_another_dtype_than_it_was_made_in(made: torch.dtype, dtype: torch.dtype) -> None:
    assert wrong(dtype, made) == []


def test_the_product_alone_misses_one_and_mostly_needs_no_offset() -> None:
    whole = FACTORS[:1000]
    assert sum(np.float32(1 / n) * np.float32(n) != 1 for n in whole) == 135
    assert sum(offset_at_start(n, torch.float32) != 0 for n in whole) == 135
    assert max(abs(offset_at_start(n, torch.float32)) for n in whole) < 2**-23
    assert max(abs(offset_at_start(n, torch.float64)) for n in whole) < 2**-52


@pytest.mark.parametrize("dtype", HELD)
def test_one_rounding_of_product_and_sum_gives_one_too(dtype: torch.dtype) -> None:
    formed: Any = np.float64 if dtype == torch.float64 else np.float32
    for n in FACTORS:
        if (start := start_value(n, dtype)) < torch.finfo(dtype).max:
            exact = Fraction(start) * Fraction(float(formed(n))) + Fraction(offset_at_start(n, dtype))
            # Fractions become the nearest double; one more rounding to float32 is the right one this near to 1
            assert formed(float(exact)) == 1
            assert abs(exact - 1) <= Fraction(float(np.finfo(formed).eps)) / 2


@pytest.mark.parametrize("n", FEW)
@pytest.mark.parametrize("dtype", HELD)
def test_the_gradient_of_the_slope_is_n_and_moves_keep_their_size(n: float, dtype: torch.dtype) -> None:
    if 1 / n > torch.finfo(dtype).max:
        pytest.skip("1/n is infinite there")
    site = AdaptiveActivation("tanh", n=n).to(dtype)
    (gradient,) = torch.autograd.grad(site.slope, parameter(site))
    assert gradient == torch.tensor(n, dtype=dtype)
    start = parameter(site).item()
    parameter(site).data.mul_(1.5)
    moved = (parameter(site).item() - start) * n
    assert site.slope.item() == pytest.approx(1 + moved, rel=4 * torch.finfo(site.slope.dtype).eps)


@pytest.mark.parametrize("n", FEW)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_a_copy_starts_at_one_in_every_dtype(copied: Any, n: float) -> None:
    site = copied(AdaptiveActivation("tanh", "neuron", n, (3,)))
    for dtype in (torch.bfloat16, torch.float32, torch.float64, torch.float32, torch.bfloat16, torch.float64):
        assert site.to(dtype).slope.tolist() == [1, 1, 1]


def test_a_whole_module_that_was_pickled_without_offsets_has_them() -> None:
    site = AdaptiveActivation("tanh", n=41)
    state = {name: value for name, value in vars(site).items() if name != "_offsets"}
    earlier = AdaptiveActivation.__new__(AdaptiveActivation)
    earlier.__setstate__(state)
    assert earlier.slope.item() == 1


@pytest.mark.parametrize("n", FEW)
@pytest.mark.parametrize("scope", ["global", "layer", "channel", "neuron"])
def test_an_adapted_model_computes_the_same_bits(scope: Any, n: float) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 4), nn.GELU())
    x = noise(5, 2, 4, 4).float()
    model = adapt(plain, scope, n, example_input=x)
    assert torch.equal(model(x), plain(x))
    assert all(bool((slope == 1).all()) for _, slope in named_slopes(model))
    assert torch.equal(model.double()(x.double()), plain.double()(x.double()))


def test_a_change_of_dtype_keeps_the_distance_from_the_start() -> None:
    site = AdaptiveActivation("tanh", "neuron", 3, (200,))
    parameter(site).data.add_(noise(200).float() / 10)
    slope, a = site.slope.double(), parameter(site).detach().clone()
    torch.testing.assert_close(site.double().slope, slope, rtol=2e-7, atol=1e-7)
    assert not torch.equal(parameter(site), a.double())
    assert torch.equal(parameter(site.float()), a)
    torch.testing.assert_close(site.bfloat16().slope.double(), slope, rtol=2**-8, atol=2**-10)
    half = site.slope.double()
    torch.testing.assert_close(site.float().slope.double(), half, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("swap", [False, True])
def test_a_shared_slope_stays_shared_and_at_the_start(swap: bool) -> None:
    slope = nn.Parameter(torch.full((), 1 / 41))
    sites = [AdaptiveActivation("tanh", "global", 41, slope=slope) for _ in range(2)]
    model = nn.Sequential(*sites)
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(swap)
    try:
        for dtype in (torch.float64, torch.bfloat16, torch.float32):
            model.to(dtype)
            assert parameter(sites[0]) is parameter(sites[1])
            assert sites[1].slope.item() == 1
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


@pytest.mark.parametrize("n", [3.0, 41.0, 0.3])
def test_a_state_is_a_and_n_alone_and_one_of_before_loads(n: float) -> None:
    site = AdaptiveActivation("tanh", n=n)
    state: dict[str, Tensor] = {"a": torch.tensor(0.7), "n": torch.tensor(n)}
    assert set(site.state_dict()) == set(state)
    site.load_state_dict(state)
    assert parameter(site).item() == np.float32(0.7)
    np.testing.assert_allclose(site.slope.item(), 0.7 * n, rtol=3e-7)


@pytest.mark.parametrize("dtype", HELD)
def test_the_start_is_that_of_torch(dtype: torch.dtype) -> None:
    for n in FACTORS:
        assert start_value(n, dtype) == torch.full((), 1 / n, dtype=dtype).item()


def test_a_site_is_made_where_tensors_have_no_numbers() -> None:
    with torch.device("meta"):
        site = AdaptiveActivation("tanh", n=41)
    assert site.to_empty(device="cpu")._offsets == AdaptiveActivation("tanh", n=41)._offsets
