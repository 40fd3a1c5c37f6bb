from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from laaf_lightning.data import CollocationBatch
from laaf_lightning.derivatives import AutogradField, Field
from laaf_lightning.problems import PDE, Ansatz, Condition, Heat, InverseBurgers, PointData
from tests.solutions.equations import EQUATIONS, Coupled, Fixed, pinn_of, points_of


def brute_force(problem: PDE, batch: CollocationBatch, weights: tuple[float, float]) -> float:
    """The loss of N ≡ c is a polynomial of degree 6 in c, or less, for these equations: seven values give it.

    The function u = g + d·c is differentiated by nested autograd; conditions are gone through one by one.
    """
    ansatz = problem.ansatz() or Ansatz(torch.zeros_like, torch.ones_like)
    coefficients = {name: torch.tensor(guess) for name, guess in problem.coefficients().items()}

    def field(c: float, points: Tensor) -> Field:
        def u(points: Tensor) -> Tensor:
            return ansatz.offset(points)[:, :1] + c * ansatz.factor(points)[:, :1]

        return AutogradField(u, points, problem.coordinates)

    def loss(c: float) -> float:
        points = batch.residual_points
        residual = problem.residual(problem.columns(points), field(c, points), **coefficients)
        total, start = 0.0, 0
        for name, count in batch.condition_counts.items():
            condition, at = problem.condition(name), batch.condition_points[start : start + count]
            partners = condition.partners(at, problem.coordinates)
            told = condition.operator(field(c, at), None if partners is None else field(c, partners))
            total += (told - batch.condition_values[start : start + count]).square().sum().item()
            start += count
        misfit = total / start if start else 0.0
        return weights[0] * residual.square().mean().item() + weights[1] * misfit

    at = np.linspace(-2, 2, 7)
    polynomial = np.polynomial.Polynomial.fit(at, [loss(c) for c in at], deg=6).convert()
    turns = polynomial.deriv().roots()
    return min(float(polynomial(c.real)) for c in turns if abs(c.imag) < 1e-6)


class Measured(PDE):
    """The heat equation with measurements beside its conditions, all of them of different kinds."""

    coordinates, domain = Heat.coordinates, Heat.domain

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return Heat().residual(x, u) + u * u - x["x"]

    def conditions(self) -> Sequence[Condition]:
        points = torch.tensor([[0.5, 0.5], [0.25, 1.0], [1.0, 0.75]], dtype=torch.float64)
        return (*Heat().conditions(), PointData("measured", points, points.sum(dim=1, keepdim=True)))


CASES: dict[str, PDE] = {
    "hard": EQUATIONS["burgers hard"],
    "hard, periodic": EQUATIONS["allen-cahn hard"],
    "hard, linear": EQUATIONS["helmholtz hard"],
    "partly hard, with Neumann and Robin": Fixed(),
    "periodic of three orders": EQUATIONS["third order"],
    "Dirichlet, Neumann and data": Measured(),
    "inverse": InverseBurgers(0.1, num_measurements=20),
}


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.1, 5.0)])
@pytest.mark.parametrize("name", CASES)
def test_smallest_loss_of_a_constant_network_is_that_of_brute_force(name: str, weights: tuple[float, float]) -> None:
    problem = CASES[name]
    batch = points_of(problem)
    model = pinn_of(problem, weight_residual=weights[0], weight_data=weights[1])
    expected = brute_force(problem, batch, weights)
    value = model.constant_network_loss(batch)
    assert value is not None
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(expected, rel=1e-8, abs=1e-12)
    with torch.inference_mode():
        points, at, values = (part.clone() for part in batch[:3])
        again = model.constant_network_loss(CollocationBatch(points, at, values, batch.condition_counts))
    assert again is not None
    assert again.item() == value.item()


def test_learnt_coefficients_are_those_of_now() -> None:
    class Driven(InverseBurgers):
        def residual(self, x: Mapping[str, Tensor], u: Field, viscosity: Tensor) -> Tensor:
            return super().residual(x, u, viscosity) + viscosity * u

    problem = Driven(0.1, num_measurements=20)
    model, batch = pinn_of(problem, weight_data=0.0), points_of(problem)
    values = batch.condition_values
    with torch.no_grad():
        model.coefficients["viscosity"].fill_(2.0)
    model.weight_data = 1.0
    c = values.mean() / (1 + 4)  # the minimum of (2c)² + mean (c − u)²
    expected = 4 * c**2 + (c - values).square().mean()
    value = model.constant_network_loss(batch)
    assert value is not None
    assert value.item() == pytest.approx(expected.item(), rel=1e-9)


def test_there_is_no_such_loss_for_several_unknowns() -> None:
    assert pinn_of(Coupled()).constant_network_loss(points_of(Coupled())) is None
