"""The unknown coefficients of a problem as parameters, some of them behind a scale and a sign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from laaf_lightning.problems import PDE, Coefficient

_MARK = "_unit"  # of the buffer that tells in a state dict how a parameter is meant


class LearntCoefficients(nn.ParameterDict):
    """Unknown coefficients of which some are a `Coefficient`.

    Looked up by name, and in ``values()`` and ``items()``, they are the physical values, attached to the graph; the
    parameters and the state dict have what the optimiser sees. A state dict that has been trained otherwise, with plain
    numbers or other scales, is taken for the same physical values.

    Args:
        coefficients: name to first guess.

    Attributes:
        described: each coefficient.

    Example:
        >>> learnt = LearntCoefficients({"alpha": Coefficient(3e-6, scale=1e-6), "beta": 2.0})
        >>> round(learnt["alpha"].item() * 1e6, 3), [round(p.item(), 3) for p in learnt.parameters()]
        (3.0, [3.0, 2.0])
    """

    def __init__(self, coefficients: Mapping[str, Coefficient | float]) -> None:
        super().__init__()
        self.described = {
            name: given if isinstance(given, Coefficient) else Coefficient(float(given))
            for name, given in coefficients.items()
        }
        for name, own in self.described.items():
            self[name] = nn.Parameter(torch.tensor(own.inner(own.guess) if own.is_transformed else own.guess))
            if own.is_transformed:
                self.register_buffer(name + _MARK, _mark(own))
        self.register_load_state_dict_pre_hook(take_physical)  # type: ignore[no-untyped-call]

    def __getitem__(self, key: str) -> Any:
        """Return the physical value.

        Args:
            key: the coefficient's name.

        Returns:
            0-dim, attached to the graph; the parameter itself where it has neither scale nor sign.
        """
        inner = super().__getitem__(key)
        own = self.described.get(key)
        return inner if own is None or not own.is_transformed else own.value(inner)

    def learning_rates(self) -> dict[nn.Parameter, float]:
        """Return the learning rates of those that have one.

        Returns:
            Parameter to rate.
        """
        own = {name: described.lr for name, described in self.described.items()}
        return {self._parameters[name]: lr for name, lr in own.items() if lr is not None}  # type: ignore[misc]


def first_guesses(problem: PDE) -> nn.ParameterDict:
    """Make parameters of a problem's unknown coefficients.

    Args:
        problem: the equation.

    Returns:
        0-dim parameters by name, at the problem's first guesses; `LearntCoefficients` where one is a `Coefficient`.
    """
    guesses = problem.coefficients()
    if any(isinstance(guess, Coefficient) for guess in guesses.values()):
        return LearntCoefficients(guesses)
    plain = nn.ParameterDict({name: nn.Parameter(torch.tensor(float(guess))) for name, guess in guesses.items()})
    plain.register_load_state_dict_pre_hook(take_physical)
    return plain


def take_physical(coefficients: nn.Module, state_dict: dict[str, Any], prefix: str, *_: object) -> None:
    """Before a state dict is loaded, make of its coefficients the parameters of the same physical values.

    Args:
        coefficients: of `first_guesses`.
        state_dict: is changed in place.
        prefix: of the coefficients' keys.
    """
    assert isinstance(coefficients, nn.ParameterDict)
    described = coefficients.described if isinstance(coefficients, LearntCoefficients) else {}
    for name in coefficients:
        inner, own = state_dict.get(prefix + name), described.get(name)
        if not isinstance(inner, Tensor) or inner.ndim:
            continue
        mark = state_dict.pop(prefix + name + _MARK, None)
        now = _mark(own) if own is not None and own.is_transformed else None
        if now is not None:
            state_dict[prefix + name + _MARK] = now
        if mark is None and now is None:
            continue
        if mark is not None and now is not None and torch.equal(mark.cpu().float(), now.float()):
            continue
        value = float(inner)
        if mark is not None:
            unit, positive = mark.tolist()
            value = float(Coefficient(unit, scale=unit, positive=bool(positive)).value(inner.detach().double()))
        new = value if own is None or now is None else own.inner(value)
        state_dict[prefix + name] = torch.tensor(new, dtype=inner.dtype, device=inner.device)


def _mark(coefficient: Coefficient) -> Tensor:
    return torch.tensor([coefficient.unit, float(coefficient.positive)])
