from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from laaf_lightning.activations import AdaptiveActivation, slope_recovery
from tests.activations.cases import CASES, FORMULAS, TRAINED, noise, parameter

few = settings(max_examples=25, deadline=None)
names = st.sampled_from(sorted(FORMULAS))
slopes = st.floats(-3, 3)


@few
@given(case=st.sampled_from(sorted(TRAINED)), name=names, n=st.floats(0.1, 20), c=st.floats(0.1, 20))
def test_n_and_a_agree_with_c_times_n_and_a_over_c(case: str, name: str, n: float, c: float) -> None:
    one, other = TRAINED[case].moved_site(name, n), TRAINED[case].moved_site(name, c * n)
    parameter(other).data.copy_(parameter(one) / c)
    torch.testing.assert_close(other(TRAINED[case].z()), one(TRAINED[case].z()), rtol=1e-12, atol=1e-14)


@few
@given(case=st.sampled_from(["channels", "features", "features_of_a_sequence", "neurons_of_maps"]), a=slopes)
def test_equal_slopes_of_all_neurons_are_the_layer_wise_slope(case: str, a: float) -> None:
    neurons, layer = CASES[case].moved_site(), AdaptiveActivation("tanh", "layer", n=3.0).double()
    for site in (neurons, layer):
        parameter(site).data.fill_(a)
    z = CASES[case].z()
    torch.testing.assert_close(neurons(z), layer(z), rtol=1e-14, atol=0)
    torch.testing.assert_close(slope_recovery(neurons), slope_recovery(layer), rtol=1e-12, atol=0)


@few
@given(order=st.permutations(range(5)), name=names)
def test_permuting_units_commutes_with_the_site(order: list[int], name: str) -> None:
    site = AdaptiveActivation(name, "neuron", 3.0, (5,)).double()
    permuted = AdaptiveActivation(name, "neuron", 3.0, (5,)).double()
    a, z = noise(5), noise(4, 5)
    parameter(site).data.copy_(a)
    parameter(permuted).data.copy_(a[order])
    torch.testing.assert_close(permuted(z[:, order]), site(z)[:, order], rtol=1e-14, atol=0)


@few
@given(a=slopes, c=st.floats(0.1, 5))
def test_a_slope_is_a_scale_of_the_weights_before_it(a: float, c: float) -> None:
    torch.manual_seed(0)
    linear, site = nn.Linear(3, 4).double(), AdaptiveActivation("tanh", n=2).double()
    x = noise(6, 3)
    parameter(site).data.fill_(a * c)
    expected = site(linear(x))
    parameter(site).data.fill_(a)
    for weight in linear.parameters():
        weight.data.mul_(c)
    torch.testing.assert_close(site(linear(x)), expected, rtol=1e-10, atol=1e-12)
