from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from laaf_lightning.data import CollocationDataModule
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import PDE, Ansatz, Burgers, Condition, Dirichlet
from laaf_lightning.problems.plain_mistakes import refuse_plain_mistakes

INITIAL = Dirichlet("initial", ("t", 0.0), 0.0)


def problem(**parts: Any) -> PDE:
    sound = {
        "coordinates": ("x", "t"),
        "domain": {"x": (0.0, 1.0), "t": (0.0, 1.0)},
        "residual": lambda self, x, u: u.d("t"),
        "conditions": lambda self: [INITIAL],
    }
    kept = {name: part for name, part in {**sound, **parts}.items() if part is not ...}
    made: PDE = type("Slab", (PDE,), kept)()
    return made


def generated(self: PDE) -> Iterator[Condition]:
    yield INITIAL


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"coordinates": ["x", "t"], "unknowns": ["u"]},
        {"domain": {"x": [0, 1], "t": np.array([0.0, 1.0])}},
        {"domain": {"x": torch.tensor([0.0, 1.0]), "t": (np.float32(0), 1), "more": "text"}},
        {"conditions": lambda self: (INITIAL,)},
        {"conditions": generated},
        {"conditions": lambda self: []},
    ],
)
def test_what_can_be_meant_passes(parts: dict[str, Any]) -> None:
    refuse_plain_mistakes(problem(**parts))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"coordinates": "xt"},
            "Slab.coordinates='xt' is one string: give a tuple of names, coordinates = ('xt',) for one, or coordinates "
            "= ('x', 't') for 2",
        ),
        (
            {"coordinates": "x"},
            "Slab.coordinates='x' is one string: give a tuple of names, coordinates = ('x',) for one",
        ),
        ({"unknowns": "u"}, "Slab.unknowns='u' is one string: give a tuple of names, unknowns = ('u',) for one"),
        ({"unknowns": "uv"}, "unknowns = ('uv',) for one, or unknowns = ('u', 'v') for 2"),
        (
            {"coordinates": {"x"}},
            "Slab.coordinates={'x'} must be a tuple of names, no two alike, such as coordinates = ('x",
        ),
        ({"coordinates": ("x", "x")}, "Slab.coordinates=('x', 'x') must be a tuple of names, no two alike"),
        ({"coordinates": (0, 1)}, "Slab.coordinates=(0, 1) must be a tuple of names"),
        ({"coordinates": ()}, "Slab.coordinates=() must be a tuple of names"),
        ({"coordinates": ...}, "Slab.coordinates=None must be a tuple of names"),
        (
            {"unknowns": ("u", "u")},
            "Slab.unknowns=('u', 'u') must be a tuple of names, no two alike, such as unknowns = ('",
        ),
        (
            {"domain": ...},
            "Slab.domain=None must map each coordinate to its (lower, upper), such as {'x': (0.0, 1.0), 't': ",
        ),
        ({"domain": [(0, 1), (0, 1)]}, "Slab.domain=[(0, 1), (0, 1)] must map each coordinate to its (lower, upper)"),
        (
            {"domain": {"x": "01", "t": (0, 1)}},
            "the domain of Slab in 'x' is '01': it must be two numbers, such as (0.0, ",
        ),
        ({"domain": {"x": ("0", "1"), "t": (0, 1)}}, "the domain of Slab in 'x' is ('0', '1'): it must be two numbers"),
        ({"domain": {"x": (0, 1), "t": 1.0}}, "the domain of Slab in 't' is 1.0: it must be two numbers"),
        ({"domain": {"x": (0, 1), "t": (0, 1, 2)}}, "the domain of Slab in 't' is (0, 1, 2): it must be two numbers"),
        (
            {"conditions": lambda self: None},
            "Slab.conditions() gives None: it must give a list of conditions, such as [Dir",
        ),
        ({"conditions": lambda self: INITIAL}, "Slab.conditions() gives Dirichlet(name='initial'"),
        (
            {"conditions": lambda self: "initial"},
            "Slab.conditions() gives 'initial': it must give a list of conditions",
        ),
        ({"conditions": lambda self: [Dirichlet]}, "which is no condition: give an instance, Dirichlet(…)"),
        (
            {"conditions": lambda self: [("t", 0.0)]},
            "Slab.conditions() has ('t', 0.0), which is no condition: give a Cond",
        ),
        (
            {"coefficients": lambda self: ["speed"]},
            "Slab.coefficients() gives ['speed']: it must give a mapping from name",
        ),
        ({"ansatz": lambda self: Ansatz}, "it must give None or Ansatz(offset, factor)"),
    ],
)
def test_plain_mistakes_are_refused_wherever_the_problem_is_given(parts: dict[str, Any], message: str) -> None:
    for give in (PINN, CollocationDataModule):
        with pytest.raises(ConfigurationError, match=re.escape(message)):
            give(problem(**parts))


@pytest.mark.parametrize("give", [PINN, CollocationDataModule])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            Burgers,
            r"^problem=<class .*Burgers'> is no problem: give an instance, Burgers\(\), as problem=… or .*m Burgers$",
        ),
        (
            "Burgers",
            r"^problem='Burgers' is no problem: give a PDE, such as Burgers\(\), as problem=… or on the command l",
        ),
    ],
)
def test_classes_and_names_are_no_problems(give: Any, given: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        give(given)


@pytest.mark.parametrize(
    ("offset", "factor"),
    [
        (lambda p: 0.0, lambda p: p[:, 1:]),
        (lambda p: 0.0 * p[:, 0], lambda p: p[:, 1]),
        (lambda p: 0.0 * p[:, :1], lambda p: p[:, 1:]),
    ],
)
def test_the_factors_of_an_ansatz_may_be_flat_or_numbers(offset: Any, factor: Any) -> None:
    torch.manual_seed(0)
    pinn = PINN(problem(ansatz=lambda self: Ansatz(offset, factor)), width=4, depth=1)
    x = torch.rand(3, 2)
    assert torch.equal(pinn(x), x[:, 1:] * pinn.network(x))
    u = pinn.field(x)
    torch.testing.assert_close(u.value, pinn(x))
    assert u.d("t").shape == (3, 1)
