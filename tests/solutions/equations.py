"""Equations of every kind that a PINN meets, points on them, and a loss with its gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from laaf_lightning.data import CollocationBatch, CollocationDataModule
from laaf_lightning.derivatives import AutogradField, Field
from laaf_lightning.modules import PINN
from laaf_lightning.problems import (
    PDE,
    AllenCahn,
    Ansatz,
    Burgers,
    Condition,
    Dirichlet,
    Heat,
    Helmholtz,
    InverseBurgers,
    Neumann,
    Periodic,
    PointData,
    Robin,
)


class Coupled(PDE):
    """Two unknowns, v_t = w_x + v·w and w_t = v_xx − w, with a condition of every kind."""

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 2.0), "t": (0.0, 1.0)}
    unknowns: ClassVar[tuple[str, ...]] = ("v", "w")

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        v, w = u["v"], u["w"]  # what torch.compile can trace from 2.6 on
        first = v.d("t") - w.d("x") - v * w
        return torch.cat([first, w.d("t") - v.d("x", "x") + x["x"] * w], dim=1)

    def conditions(self) -> Sequence[Condition]:
        points = torch.tensor([[0.5, 0.5], [1.5, 0.25], [1.0, 1.0]], dtype=torch.float64)
        return (
            Dirichlet("start", ("t", 0.0), _sine, unknown="v"),
            Periodic("around", "x", (0.0, 2.0), unknown="w"),
            PointData("measured", points, _sine(points), unknown="v"),
            Neumann("slope", ("x", 0.0), _sine, unknown="w"),
            Robin("mixed", ("x", 2.0), _sine, unknown="v", of_value=2.0, of_derivative=-0.5),
            Periodic("around_jerk", "x", (0.0, 2.0), order=3, unknown="v"),  # which the residual does not ask for
        )


class Dispersive(PDE):
    """u_t + u·u_x + u_xxx = 0, periodic up to the second derivative."""

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (-1.0, 1.0), "t": (0.0, 1.0)}

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("t") + u * u.d("x") + u.d("x", "x", "x")

    def conditions(self) -> Sequence[Condition]:
        around = (Periodic(f"around_{order}", "x", (-1.0, 1.0), order) for order in range(3))
        return (Dirichlet("start", ("t", 0.0), _sine), *around)


class Membrane(PDE):
    """u_tt = u_xx + u_xy + u_yy − u in three coordinates."""

    coordinates: ClassVar[tuple[str, ...]] = ("x", "y", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys("xyt", (0.0, 1.0))

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("t", "t") - u.d("x", "x") - u.d("y", "x") - u.d("y", "y") + u

    def conditions(self) -> Sequence[Condition]:
        return (
            Dirichlet("start", ("t", 0.0), _sine),
            Neumann("velocity", ("t", 0.0), _sine),
            Robin("side", ("y", 1.0), _sine),
            Periodic("around", "y", (0.0, 1.0), order=3),  # which the residual does not ask for
        )


class Fixed(Membrane):
    """The same, held at x = 0 by construction; the other conditions are in the loss."""

    def ansatz(self) -> Ansatz:
        return Ansatz(_sine, lambda points: points[:, :1] * torch.exp(points[:, 2:]))


EQUATIONS: dict[str, PDE] = {
    "burgers": Burgers(0.1),
    "burgers hard": Burgers(0.1, hard_conditions=True),
    "helmholtz hard": Helmholtz(hard_conditions=True),
    "allen-cahn": AllenCahn(diffusivity=0.01, reaction=2.0),
    "allen-cahn hard": AllenCahn(diffusivity=0.01, reaction=2.0, hard_conditions=True),
    "heat": Heat(),
    "inverse burgers": InverseBurgers(0.1, num_measurements=6),
    "two unknowns": Coupled(),
    "third order": Dispersive(),
    "three coordinates": Membrane(),
    "three coordinates, partly hard": Fixed(),
}
RESIDUAL_POINTS = 12


def points_of(problem: PDE) -> CollocationBatch:
    """Draw a few points, in float64."""
    counts: Any = {} if not problem.conditions() else 4
    data = CollocationDataModule(problem, RESIDUAL_POINTS, counts, seed=1)
    data.trainer = SimpleNamespace(precision="64-true")  # type: ignore[assignment]  # all that it is asked for here
    return data.train_dataloader().batch


def pinn_of(problem: PDE, kind: type[PINN] = PINN, **settings: Any) -> PINN:
    """Make a small PINN in float64, whose slopes differ."""
    torch.manual_seed(0)
    model = kind(problem, **{"width": 5, "depth": 2, "scope": "neuron", "n": 2.0, **settings}).double()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(torch.randn(parameter.shape, dtype=torch.float64, generator=generator) / 5)
    return model


def loss_and_gradients(model: PINN, batch: CollocationBatch) -> dict[str, Tensor]:
    """Return the loss, and its gradient by every parameter."""
    loss = model.loss(batch)
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, parameters)
    return {"loss": loss.detach(), **dict(zip(names, gradients, strict=True))}


assert_same = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-10)


def _sine(points: Tensor) -> Tensor:
    return torch.sin(points.sum(dim=1, keepdim=True))


def oracle_residual(model: PINN, points: Tensor) -> Tensor:
    """The residual of what the module's forward computes, by nested autograd."""
    problem = model.problem
    u = AutogradField(model.forward, points, problem.coordinates, problem.unknowns)
    return problem.residual(problem.columns(points), u, **model.coefficients)


class Plain(PINN):
    """A sequence of plain layers, whose parts can be replaced."""

    network: nn.Sequential

    def build_network(self) -> nn.Module:
        return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 1))
