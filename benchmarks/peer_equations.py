"""The steps of `equation_steps.py` in DeepXDE (PyTorch backend) and PINA, as their documentation writes such equations.

    pip install deepxde pina-mathlab

Both get the same points, the same initial weights and Adam with the same learning rate. The loss is ours: the sum of
the equations' mean squared residuals, and the mean squared misfit over all condition points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from peers import PINA, DeepXDE
from torch import Tensor

from laaf_lightning import PDE, CollocationBatch, HeatPlate, Kovasznay


class DeepXDEOfAny(DeepXDE):
    """DeepXDE's `Model` of one of `EQUATIONS`."""

    def _described(self, dde: Any, batch: CollocationBatch, equation: PDE) -> tuple[Any, list[float]]:
        problem = equation
        lower, upper = zip(*(problem.domain[name] for name in problem.coordinates), strict=True)
        written = EQUATIONS[type(problem)][0]
        given = list(_by_unknown(batch, problem))
        conditions = [dde.icbc.PointSetBC(at.numpy(), values.numpy(), component) for component, at, values, _ in given]
        data = dde.data.PDE(
            dde.geometry.Hypercube(lower, upper),
            lambda x, u: written(dde, problem, x, u),
            conditions,
            num_domain=0,
            anchors=batch.residual_points.numpy(),
        )
        return data, [1.0] * len(problem.unknowns) + [share for *_, share in given]


class PINAOfAny(PINA):
    """PINA's conditions of one of `EQUATIONS`; its loop would weigh them otherwise."""

    def _described(
        self, pina: Any, batch: CollocationBatch, equation: PDE
    ) -> tuple[Any, list[tuple[Any, dict[str, Any], float]]]:
        from pina.domain import CartesianDomain  # noqa: PLC0415
        from pina.equation import Equation  # noqa: PLC0415
        from pina.problem import SpatialProblem, TimeDependentProblem  # noqa: PLC0415

        problem = equation
        labels, written = list(problem.coordinates), EQUATIONS[type(problem)][1]
        points = pina.LabelTensor(batch.residual_points.clone(), labels)
        inside = pina.Condition(input=points, equation=Equation(lambda x, u: written(problem, x, u)))
        parts = [(inside, {"input": points}, float(len(problem.unknowns)))]
        for component, at, values, share in _by_unknown(batch, problem):
            misfit = _misfit(problem.unknowns[component], values)
            there = pina.LabelTensor(at.clone(), labels)
            parts.append((pina.Condition(input=there, equation=Equation(misfit)), {"input": there}, share))

        box = {name: list(problem.domain[name]) for name in labels}
        described = {
            "output_variables": list(problem.unknowns),
            "domains": {},
            "conditions": {f"part{index}": condition for index, (condition, *_) in enumerate(parts)},
            "spatial_domain": CartesianDomain({name: bounds for name, bounds in box.items() if name != "t"}),
        }
        kinds: tuple[Any, ...] = (SpatialProblem,)
        if "t" in box:  # as such it stays the last column
            kinds, described["temporal_domain"] = (*kinds, TimeDependentProblem), CartesianDomain({"t": box["t"]})
        return type("Problem", kinds, described)(), parts

    def loop(self, steps: int) -> list[float]:
        raise NotImplementedError("only bare steps are timed")


def _misfit(unknown: str, values: Tensor) -> Callable[[Any, Any], Any]:
    return lambda x, u: u.extract([unknown]) - values


def _by_unknown(batch: CollocationBatch, problem: PDE) -> Iterator[tuple[int, Tensor, Tensor, float]]:
    """Put the conditions about one unknown together.

    Args:
        batch: its conditions prescribe values.
        problem: whose.

    Yields:
        The unknown's column, points (M, d), values (M, 1), and M over the number of all condition points.
    """
    names = [name for name, count in batch.condition_counts.items() for _ in range(count)] or [
        condition.name for condition in problem.conditions()
    ]
    about = [problem.condition(name).unknown or problem.unknowns[0] for name in names]
    for component, unknown in enumerate(problem.unknowns):
        rows = torch.tensor([index for index, other in enumerate(about) if other == unknown])
        if not batch.condition_counts:
            rows = torch.arange(len(batch.condition_points))
        yield (
            component,
            batch.condition_points[rows],
            batch.condition_values[rows],
            len(rows) / len(batch.condition_points),
        )


def _flow_in_deepxde(dde: Any, problem: Kovasznay, x: Tensor, u: Tensor) -> list[Tensor]:
    def first(of: int, along: int) -> Any:
        return dde.grad.jacobian(u, x, i=of, j=along)

    def second(of: int, along: int) -> Any:
        return dde.grad.hessian(u, x, component=of, i=along, j=along)

    momenta = [
        u[:, 0:1] * first(of, 0)
        + u[:, 1:2] * first(of, 1)
        + first(2, of)
        - (second(of, 0) + second(of, 1)) / problem.reynolds
        for of in (0, 1)
    ]
    return [*momenta, first(0, 0) + first(1, 1)]


def _heat_in_deepxde(dde: Any, problem: HeatPlate, x: Tensor, u: Tensor) -> Tensor:
    u_xx, u_yy = (dde.grad.hessian(u, x, i=along, j=along) for along in (0, 1))
    residual: Tensor = dde.grad.jacobian(u, x, i=0, j=2) - problem.diffusivity * (u_xx + u_yy)
    return residual


def _flow_in_pina(problem: Kovasznay, x: Any, u: Any) -> Tensor:
    from pina.operator import fast_grad, fast_laplacian  # noqa: PLC0415

    slopes = [fast_grad(u, x, [name], ["x", "y"]).as_subclass(torch.Tensor) for name in problem.unknowns]
    diffusion = [fast_laplacian(u, x, [name], ["x", "y"]).as_subclass(torch.Tensor) for name in ("u", "v")]
    velocity, (of_u, of_v, of_p) = u.extract(["u", "v"]).as_subclass(torch.Tensor), slopes
    momenta = [
        (velocity * own).sum(dim=1, keepdim=True) + of_p[:, index : index + 1] - diffusion[index] / problem.reynolds
        for index, own in enumerate((of_u, of_v))
    ]
    return torch.cat([*momenta, of_u[:, :1] + of_v[:, 1:]], dim=1)


def _heat_in_pina(problem: HeatPlate, x: Any, u: Any) -> Any:
    from pina.operator import fast_grad, fast_laplacian  # noqa: PLC0415

    return fast_grad(u, x, ["u"], ["t"]) - problem.diffusivity * fast_laplacian(u, x, ["u"], ["x", "y"])


# For each problem how DeepXDE and PINA write its residual.
EQUATIONS: dict[type[PDE], tuple[Callable[..., Any], Callable[..., Any]]] = {
    Kovasznay: (_flow_in_deepxde, _flow_in_pina),
    HeatPlate: (_heat_in_deepxde, _heat_in_pina),
}
