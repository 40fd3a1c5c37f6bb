from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import SCOPES, AdaptiveActivation, named_slopes
from laaf_lightning.errors import ConfigurationError
from tests.activations.cases import CASES, FORMULAS, TRAINED, noise, parameter


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("case", CASES)
def test_value_is_sigma_of_n_times_a_times_z(case: str, name: str) -> None:
    site, z = CASES[case].moved_site(name), CASES[case].z()
    a = 1 / 3 if site.a is None else site.a.detach().numpy()
    np.testing.assert_allclose(site(z).detach().numpy(), FORMULAS[name](3.0 * a * z.numpy()), rtol=1e-12)


@pytest.mark.parametrize("case", TRAINED)
def test_value_in_float32_is_the_formula_to_its_precision(case: str) -> None:
    site, z = CASES[case].moved_site(), CASES[case].z()
    expected = np.tanh(3.0 * parameter(site).detach().numpy() * z.numpy())
    got = site.float()(z.float())
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got.detach().numpy(), expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "formula"),
    [
        (torch.cos, np.cos),
        (lambda z: z**3, lambda z: z**3),
        (functools.partial(nn.functional.leaky_relu, negative_slope=0.2), lambda z: np.where(z > 0, z, 0.2 * z)),
        (nn.Hardtanh(-0.5, 0.75), lambda z: z.clip(-0.5, 0.75)),
        (nn.ReLU(inplace=True), lambda z: z.clip(0)),
    ],
    ids=["function", "lambda", "partial", "module", "module_in_place"],
)
def test_any_callable_or_module_is_adapted(activation: Any, formula: Callable[[Any], Any]) -> None:
    site, z = CASES["features"].moved_site(activation), CASES["features"].z()
    before = z.clone()
    expected = formula(3.0 * parameter(site).detach().numpy() * z.numpy())
    np.testing.assert_allclose(site(z).detach().numpy(), expected, rtol=1e-12)
    assert torch.equal(z, before)


@pytest.mark.parametrize("n", [1, 2, 10, 0.1, 49, 1 / 3])
@pytest.mark.parametrize("case", TRAINED)
def test_slope_starts_at_one_and_the_parameter_at_one_over_n(case: str, n: float) -> None:
    site = CASES[case].site(n=n)
    a = parameter(site)
    assert a.shape == (CASES[case].shape or ())
    assert a.requires_grad
    assert a.dtype == torch.float32
    np.testing.assert_allclose(a.detach().numpy(), 1 / n, rtol=1.2e-7)
    torch.testing.assert_close(site.slope, torch.ones_like(site.slope), rtol=1.2e-7, atol=0)
    z = CASES[case].z().float()
    torch.testing.assert_close(site(z), torch.tanh(z), rtol=3e-7, atol=0)


def test_fixed_has_no_parameter_no_state_and_no_product() -> None:
    seen: list[Tensor] = []
    site = AdaptiveActivation(lambda z: seen.append(z) or z, "fixed", n=10)  # type: ignore[func-returns-value]
    z = noise(2, 3)
    assert site(z) is z
    assert seen[0] is z
    assert site.a is None
    assert list(site.parameters()) == []
    assert dict(site.state_dict()) == {}
    assert list(named_slopes(site)) == []
    assert site.slope.item() == 1


@pytest.mark.parametrize("shared", [nn.Tanh(), torch.tanh], ids=["module", "function"])
def test_sites_around_the_same_activation_have_slopes_of_their_own(shared: Any) -> None:
    model = nn.Sequential(*(AdaptiveActivation(shared) for _ in range(3))).double()
    assert len(list(model.parameters())) == 3
    parameter(model[1]).data.fill_(2.0)
    z = noise(4)
    torch.testing.assert_close(model(z), torch.tanh(torch.tanh(2 * torch.tanh(z))))


@pytest.mark.parametrize("scope", ["global", "layer", "neuron"])
def test_slope_that_is_handed_over_is_shared(scope: Any) -> None:
    slope = nn.Parameter(noise(3) if scope == "neuron" else noise())
    sites = [AdaptiveActivation("tanh", scope, 2, slope=slope) for _ in range(2)]
    assert all(site.a is slope for site in sites)


def test_integer_input_gets_the_slope_too() -> None:
    site = AdaptiveActivation("identity", n=2)
    parameter(site).data.fill_(1.25)
    assert site(torch.tensor([-1, 2])).tolist() == [-2.5, 5.0]


@pytest.mark.parametrize(
    ("slope", "z"),
    [((3,), (2, 4)), ((3,), (2, 1)), ((3, 1, 1), (2, 4, 5, 5)), ((3, 4, 5), (4, 5)), ((3, 4, 5), (2, 3, 1, 5))],
)
def test_slope_that_does_not_broadcast_names_both_shapes(slope: tuple[int, ...], z: tuple[int, ...]) -> None:
    site = AdaptiveActivation("tanh", "neuron", shape=slope)
    text = rf"slope of shape \({slope[0]},.*\) does not broadcast against pre-activations of shape \({z[0]}, .*shape="
    with pytest.raises(ConfigurationError, match=text):
        site(noise(*z))


@pytest.mark.parametrize("n", [0, -1, -0.5, math.nan, math.inf, "ten", None, True, [10]])
def test_scaling_factor_that_is_not_positive_is_refused(n: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"n=.* must be a finite number > 0"):
        AdaptiveActivation("tanh", n=n)


@pytest.mark.parametrize("n", [1e31, 1e300, 1e-39])
def test_scaling_factor_beyond_float32_is_refused(n: float) -> None:
    with pytest.raises(ConfigurationError, match=r"n=.* must be from 1e-30 to 1e\+30"):
        AdaptiveActivation("tanh", n=n)


@pytest.mark.parametrize("n", [1e30, 1e-30])
def test_slope_is_1_for_the_largest_and_the_smallest_scaling_factor(n: float) -> None:
    assert AdaptiveActivation("tanh", n=n).slope.item() == 1.0


@pytest.mark.parametrize("n", [np.float32(10), np.int64(10), torch.tensor(10.0)], ids=["float32", "int64", "tensor"])
def test_scaling_factor_may_be_any_kind_of_number(n: Any) -> None:
    assert AdaptiveActivation("tanh", n=n).n == 10.0


def test_unknown_scope_lists_the_five_and_the_nearest() -> None:
    assert SCOPES == ("fixed", "global", "layer", "channel", "neuron")
    text = r"unknown scope 'neurons': valid are fixed, global, layer, channel, neuron; did you mean 'neuron'\?"
    with pytest.raises(ConfigurationError, match=text):
        AdaptiveActivation("tanh", "neurons")  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [5, (0,), (-1, 3), (2.5,), "ab", (3, None)])
def test_shape_that_is_none_is_refused(shape: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"shape=.* must be a sequence of whole numbers >= 1"):
        AdaptiveActivation("tanh", "neuron", shape=shape)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"scope": "neuron"}, r"scope='neuron' needs shape=…, .*\(C, H, W\) for neurons"),
        ({"scope": "channel"}, "scope='channel' needs shape=…"),
        ({"scope": "layer", "shape": (3,)}, r"shape=\(3,\) does not go with scope='layer', which has one slope"),
        ({"scope": "fixed", "shape": (3,)}, r"shape=\(3,\) does not go with scope='fixed', which has no slope"),
        ({"scope": "fixed", "slope": nn.Parameter(noise())}, "a fixed activation has no slope"),
        ({"scope": "layer", "slope": nn.Parameter(noise(3))}, r"shape=\(3,\) does not go with scope='layer'"),
        ({"slope": noise()}, "slope=… is a Tensor, which would be neither trained nor saved: give an nn.Parameter"),
        ({"slope": 1.0}, "slope=… is a float"),
        (
            {"scope": "neuron", "shape": (4,), "slope": nn.Parameter(noise(3))},
            r"slope has shape \(3,\), but shape=\(4,\) was asked for",
        ),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        AdaptiveActivation("tanh", **arguments)


def test_print_shows_function_scope_n_and_shape() -> None:
    assert repr(CASES["channels"].site(n=2)) == "AdaptiveActivation(tanh, scope=channel, n=2, shape=(3, 1, 1))"
    assert repr(AdaptiveActivation(torch.cos, "fixed")) == "AdaptiveActivation(cos, scope=fixed)"
    assert "(activation): Tanh()" in repr(AdaptiveActivation(nn.Tanh()))
