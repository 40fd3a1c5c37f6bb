"""The units that terms of a loss are measured in where a network's inputs or outputs have scales."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import InputScale, OutputScale
from laaf_lightning.derivatives.layers import between_scales, layers_of
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE, ConditionSet, residual_coefficients, residual_orders
from laaf_lightning.solutions.scales.inputs import input_scale
from laaf_lightning.solutions.scales.outputs import output_scale
from laaf_lightning.solutions.scales.probe import probe

ScaleTerms: TypeAlias = Literal["auto"] | bool
_POINTS, _PROBES = 64, 4
_RESIDUAL, _CONDITIONS = "residual", "conditions"


class TermUnits(nn.Module):
    r"""By what residuals and misfits are divided before they are squared, so that none drowns in another's units.

    With x up to 10⁶ m and u around 300 K, u_xx is of the order 10⁻⁹ and a misfit of the order 10²: their squares
    cannot be weighed against each other. The unit of an equation, or of a condition, is by how much what it says of u
    differs between functions of the size that the scales imply,

    .. math:: U^2 = \tfrac{1}{2}\,\mathrm{mean}\,\big|F(u_1) - F(u_2)\big|^2, \qquad
        u_i = o + s \sin(\tfrac{\pi}{2} \sum \pm\xi + \varphi),

    over points of the domain and pairs of such functions, which are always the same. It is found once, does not change
    in training, and lies in the checkpoint. Without scales there are no units, and terms are as they are.

    Attributes:
        residual: 1/U of each equation, shape (E,); None without units.
        conditions: 1/U of each condition, shape (K,), in their order; None without units.
    """

    residual: Tensor | None
    conditions: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer(_RESIDUAL, None)
        self.register_buffer(_CONDITIONS, None)
        self._names: tuple[str, ...] = ()
        self.register_load_state_dict_pre_hook(_make_room)  # type: ignore[no-untyped-call]

    @classmethod
    def of(cls, problem: PDE, network: nn.Module, setting: ScaleTerms = "auto") -> TermUnits:
        """Measure the equations and conditions of a problem.

        Args:
            problem: the equation with its conditions.
            network: as far as it has an `InputScale` first or an `OutputScale` last, these are the scales.
            setting: ``"auto"`` for units where the network has one of these; True for units in any case, of the scales
                that `PINN` would take by itself where the network has none; False for none.

        Returns:
            The units.

        Raises:
            ConfigurationError: for another setting.
        """
        if not (isinstance(setting, bool) or setting == "auto"):
            raise ConfigurationError(f"scale_terms={setting!r} must be 'auto', True or False")
        units = cls()
        inputs, _, outputs = between_scales(tuple(layers_of(network)))
        units._names = tuple(condition.name for condition in problem.conditions())
        if setting is False or (setting == "auto" and inputs is None and outputs is None):
            return units
        if inputs is None and outputs is None:
            inputs, outputs = input_scale(problem, "auto"), output_scale(problem)
        units.residual = _one_over(_of_residual(problem, inputs, outputs))
        of_conditions = [_of_condition(problem, name, inputs, outputs) for name in units._names]
        units.conditions = _one_over(torch.tensor(of_conditions, dtype=torch.float64))
        return units.to(next(network.parameters(), torch.zeros(())).device)

    @property
    def are_there(self) -> bool:
        """Whether anything is divided."""
        return self.residual is not None

    def of_residual(self, residual: Tensor) -> Tensor:
        """Measure a residual in its units.

        Args:
            residual: shape (N, E).

        Returns:
            Likewise; the residual itself without units.
        """
        return residual if self.residual is None else residual * self.residual.to(residual)

    def of_misfit(self, misfit: Tensor, counts: Mapping[str, int]) -> Tensor:
        """Measure the misfit of conditions in their units.

        Args:
            misfit: shape (Σ counts, 1), one condition after the other.
            counts: number of points of each.

        Returns:
            Likewise; the misfit itself without units, and where it belongs to no condition.
        """
        if self.conditions is None or not counts:
            return misfit
        columns = [
            part * self.conditions[self._names.index(name)].to(part)
            for part, name in zip(misfit.split([*counts.values()]), counts, strict=True)
        ]
        return torch.cat(columns)


def _make_room(units: nn.Module, state_dict: Mapping[str, Any], prefix: str, *_: object) -> None:
    """Have the units that a state dict has: the same terms are then weighed as they were."""
    assert isinstance(units, TermUnits)
    for name in (_RESIDUAL, _CONDITIONS):
        given, own = state_dict.get(prefix + name), getattr(units, name)
        if given is None or own is None or own.shape != given.shape:
            setattr(units, name, None if given is None else torch.empty_like(given))


def _one_over(units: Tensor) -> Tensor:
    """Return 1/U in the default dtype; 1 for what does not depend on u."""
    inverse = (1 / units).to(torch.get_default_dtype())
    return torch.where(inverse.isfinite() & (inverse > 0), inverse, torch.ones_like(inverse))


def _of_residual(problem: PDE, inputs: InputScale | None, outputs: OutputScale | None) -> Tensor:
    guesses, (points, orders) = _first_guesses(problem), (_points(problem, 0), residual_orders(problem))
    coefficients = {name: guesses[name] for name in residual_coefficients(problem)}
    return _differences(
        lambda seed: problem.residual(
            problem.columns(points), probe(problem, points, orders, inputs, outputs, seed), **coefficients
        )
    )


def _of_condition(problem: PDE, name: str, inputs: InputScale | None, outputs: OutputScale | None) -> float:
    conditions, drawn = ConditionSet(problem), problem.condition(name).draw(problem.geometry, _POINTS)
    at = drawn.points if drawn.partners is None else torch.cat([drawn.points, drawn.partners])
    at, normals = at.float(), None if drawn.normals is None else drawn.normals.float()
    counts, coefficients = {name: len(drawn.points)}, _first_guesses(problem)

    def operator(seed: int) -> Tensor:
        u = probe(problem, at, conditions.orders, inputs, outputs, seed)
        return conditions.values(u, counts, at, normals, coefficients)

    return float(_differences(operator).square().mean().sqrt())


def _first_guesses(problem: PDE) -> dict[str, Tensor]:
    return {name: torch.tensor(float(guess)) for name, guess in problem.coefficients().items()}


def _differences(operator: Callable[[int], Tensor]) -> Tensor:
    """Return by how much each column of what an operator gives differs between probes, shape (E,), float64."""
    with torch.no_grad():
        values = [operator(seed).detach().double() for seed in range(_PROBES)]
    pairs = [(one - other).square().mean(dim=0) for one, other in itertools.combinations(values, 2)]
    return torch.stack(pairs).mean(dim=0).sqrt() / math.sqrt(2)


def _points(problem: PDE, seed: int) -> Tensor:
    return problem.geometry.sample_interior(_POINTS, seed=seed).float()
