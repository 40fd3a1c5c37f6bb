"""Unknown coefficients that are none: their names, first guesses and true values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE, Coefficient, Condition, Dirichlet, check_problem


class Cooling(PDE):
    coordinates = ("t",)
    domain: Mapping[str, tuple[float, float]] = {"t": (0.0, 1.0)}  # type: ignore[misc]

    def __init__(self, guesses: Any, true: Any = None) -> None:
        self._guesses, self._true = guesses, true or {}

    def residual(self, x: Mapping[str, Tensor], u: Field, **coefficients: Any) -> Tensor:
        rate: Tensor = sum(coefficients.values())
        return u.d("t") + rate * u

    def conditions(self) -> Sequence[Condition]:
        return [Dirichlet("start", ("t", 0.0), 1.0)]

    def coefficients(self) -> Mapping[str, float | Coefficient]:
        return self._guesses  # type: ignore[no-any-return]

    def true_coefficients(self) -> Mapping[str, float]:
        return self._true


@pytest.mark.parametrize(
    ("guesses", "true", "said"),
    [
        ({"rate": "1"}, {}, r"the first guess of 'rate' in Cooling is '1': it must be a finite number"),
        ({"rate": None}, {}, r"is None: it must be a finite number, or a Coefficient\(guess, …\)"),
        ({"rate": torch.ones(2)}, {}, r"is tensor\(\[1., 1.\]\): it must be"),
        ({"rate": Coefficient}, {}, r"is <class .*: it must be"),
        ({"rate": True}, {}, "is True: it must be"),
        ({1: 2.0}, {}, r"has 1, which cannot be an argument beside x, u, normal, x_partner"),
        ({"rate.a": 1.0}, {}, r"has 'rate.a', which cannot be an argument beside"),
        ({"normal": 1.0}, {}, r"has 'normal', which cannot be an argument beside"),
        ({"keys": 1.0}, {}, r"has 'keys', a name that torch keeps for itself: take another, such as 'keys_'"),
        ({"rate": 1.0}, {"rat": 2.0}, r"unknown coefficient in Cooling.true_coefficients\(\) 'rat': .* mean 'rate'"),
        ({"rate": 1.0}, {"rate": None}, r"true_coefficients\(\) has 'rate': None: it must be a finite number; leave"),
    ],
)
def test_what_is_no_coefficient_is_refused_by_name(guesses: Any, true: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        check_problem(Cooling(guesses, true))


def test_numbers_of_any_kind_are_taken() -> None:
    for guess in (1, np.float32(2), torch.tensor(2.0), Coefficient(1.0)):
        check_problem(Cooling({"rate": guess}, {"rate": np.float64(2)}))
