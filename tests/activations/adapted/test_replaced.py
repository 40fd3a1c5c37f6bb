"""Activation modules of others keep what is theirs when they get a slope."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laaf_lightning.activations import AdaptiveActivation, adapt, named_slopes
from laaf_lightning.errors import ConfigurationError

X = torch.linspace(-2, 2, 24).reshape(6, 4)


class Holds(nn.Module):
    """An activation that reads an attribute of its own."""

    def __init__(self, name: str, value: Any) -> None:
        super().__init__()
        self.name = name
        setattr(self, name, value)

    def forward(self, z: Tensor) -> Tensor:
        output: Tensor = F.relu(z) * (1 + torch.sigmoid(z) * getattr(self, self.name))
        return output


class Property(nn.Module):
    """The same of its class."""

    slope = 0.3

    def forward(self, z: Tensor) -> Tensor:
        return torch.where(z > 0, z, self.slope * z)


ACTIVATIONS = {
    "a": Holds("a", nn.Parameter(torch.tensor(0.5))),
    "n": Holds("n", 3.0),
    "scope": Holds("scope", 2.0),
    "slope": Property(),
}


@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize("example", [None, X])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_own_attribute_that_a_slope_would_hide_is_named(name: str, example: Tensor | None, inplace: bool) -> None:
    model = nn.Sequential(nn.Linear(4, 4), ACTIVATIONS[name])
    before = model(X)
    with pytest.raises(ConfigurationError, match=rf"1 \(\w+\): has an attribute '{name}' of its own"):
        adapt(model, example_input=example, inplace=inplace)
    assert torch.equal(model(X), before)
    wrapped = nn.Sequential(model[0], AdaptiveActivation(ACTIVATIONS[name]))
    assert torch.equal(wrapped(X), before)


class Louder(nn.Module):
    """An activation module within a module that does little more."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.add_module(name, nn.GELU())

    def forward(self, z: Tensor) -> Tensor:
        (inner,) = self.children()
        output: Tensor = 1.7 * inner(z)
        return output


@pytest.mark.parametrize("example", [None, X])
@pytest.mark.parametrize(("name", "site"), [("activation", "1.activation"), ("act", "1")])
def test_activation_within_another_gets_one_slope(name: str, site: str, example: Tensor | None) -> None:
    model = nn.Sequential(nn.Linear(4, 4), Louder(name))
    adapted = adapt(model, example_input=example)
    assert [name for name, _ in named_slopes(adapted)] == [site]
    assert torch.equal(adapted(X), model(X))


def test_settings_that_are_changed_later_count() -> None:
    model = nn.Sequential(nn.LeakyReLU(0.1), nn.Hardtanh())
    adapted = adapt(model)
    for module in (model, adapted):
        module[0].negative_slope = 0.9  # type: ignore[assignment]
        module[1].max_val = 0.2  # type: ignore[assignment]
    assert torch.equal(adapted(X), model(X))


class Base(nn.Module):
    """A library's base class that lists its subclasses, and asks each for a key."""

    known: ClassVar[dict[str, type]] = {}

    def __init_subclass__(cls, *, key: str) -> None:
        Base.known[key] = cls


class Listed(Base, key="listed"):
    """One of them."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.act = nn.Linear(4, 4), Quiet()

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = torch.tanh(self.act(self.layer(x)))
        return output


class Quiet(Base, key="quiet"):
    """An activation that is one too."""

    def forward(self, z: Tensor) -> Tensor:
        return F.relu(z) + 0.1 * torch.sigmoid(z)


def test_library_that_lists_its_classes_keeps_its_own() -> None:
    model = Listed()
    adapted = adapt(model, example_input=X)
    assert len([*named_slopes(adapted)]) == 2
    assert torch.equal(adapted(X), model(X))
    assert Base.known == {"listed": Listed, "quiet": Quiet}


class Symmetric(nn.Module):
    """A weight that is symmetric."""

    def forward(self, w: Tensor) -> Tensor:
        return w + w.T


class OwnWeight(nn.Module):
    """A forward that calls a function beside a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(4))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x @ self.weight)


def test_parametrized_module_is_refused_with_the_order_that_works() -> None:
    model = OwnWeight()
    nn.utils.parametrize.register_parametrization(model, "weight", Symmetric())
    with pytest.raises(ConfigurationError, match=r"parametrized: adapt the model before register_parametrization"):
        adapt(model, example_input=X)
    adapted = adapt(OwnWeight(), example_input=X)
    nn.utils.parametrize.register_parametrization(adapted, "weight", Symmetric())
    assert torch.equal(adapted(X), model(X))
