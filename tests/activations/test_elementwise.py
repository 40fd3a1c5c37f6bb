from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import resolve_activation
from laaf_lightning.activations.elementwise import FUNCTIONS, MODULES
from laaf_lightning.errors import ConfigurationError
from tests.activations.cases import FORMULAS, noise

# Modules that torch lists as activations and that mix units.
MIXING = {"GLU", "LogSoftmax", "MultiheadAttention", "Softmax", "Softmax2d", "Softmin"}
ARGUMENTS: dict[str, tuple[float, ...]] = {"Threshold": (0.1, -0.5)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_name_stands_for_its_formula(name: str) -> None:
    z = noise(50)
    np.testing.assert_allclose(resolve_activation(name)(z).numpy(), FORMULAS[name](z.numpy()), rtol=1e-13)


def test_every_name_has_a_formula_here() -> None:
    assert set(FUNCTIONS) == set(FORMULAS)


@pytest.mark.parametrize(
    "function", [torch.cos, lambda z: z**3, functools.partial(nn.functional.leaky_relu, negative_slope=0.2), nn.ELU(2)]
)
def test_callables_and_modules_pass_through(function: Callable[[Tensor], Tensor]) -> None:
    assert resolve_activation(function) is function


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tnah", r"unknown activation 'tnah': valid are elu, gelu, .*, tanh; did you mean 'tanh'\?"),
        ("ReLU", r"unknown activation 'ReLU': .*; did you mean 'relu'\?"),
        ("leakyrelu", r"did you mean 'leaky_relu'\?"),
    ],
)
def test_unknown_name_lists_the_valid_ones_and_the_nearest(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        resolve_activation(name)


def test_a_class_is_refused_and_the_instance_named() -> None:
    with pytest.raises(ConfigurationError, match=r"activation=Tanh is a class: give an instance, Tanh\(\)"):
        resolve_activation(nn.Tanh)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [3, None, torch.ones(2)], ids=["number", "none", "tensor"])
def test_what_cannot_be_called_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"is not a name, a callable or an nn.Module; names are elu, gelu"):
        resolve_activation(value)


def test_modules_are_all_activations_of_torch_that_do_not_mix_units() -> None:
    listed = set(torch.nn.modules.activation.__all__)
    assert {module.__name__ for module in MODULES} == listed - MIXING


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_modules_act_on_each_unit_alone(module: type[nn.Module]) -> None:
    activation = module(*ARGUMENTS.get(module.__name__, ())).double().eval()
    z = noise(3, 4)
    together = activation(z)
    alone = torch.stack([activation(value.reshape(1, 1)).reshape(()) for value in z.flatten()])
    torch.testing.assert_close(together.flatten(), alone, rtol=1e-14, atol=0)
