"""The smallest loss of a constant network, J_c in Theorem 2.1."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from laaf_lightning.derivatives import ConstantField, ConstrainedField, Field, KnownFactors, layers_of
from laaf_lightning.derivatives.layers import between_scales
from laaf_lightning.problems import CollocationBatch, residual_coefficients
from laaf_lightning.solutions.loss_terms import sum_of_squares
from laaf_lightning.solutions.solution import Solution
from laaf_lightning.solutions.terms.misfits import mean_misfit, misfits
from laaf_lightning.solutions.terms.own import AtOwnPoints
from laaf_lightning.solutions.terms.parts import UNWEIGHTED, SquareWeights

_CANDIDATES = 129


def smallest_value(loss: Callable[[Tensor], Tensor], lower: Tensor, upper: Tensor) -> Tensor:
    """Minimise a function of one number: a scan, then L-BFGS from the best of it.

    The scan reaches beyond both ends, by their distance and by 1 at least, so that several valleys and a minimum
    outside are found; the result is a local minimum where valleys are narrower than its step.

    Args:
        loss: of a 0-dim float64 tensor, attached to the graph; values that are not finite are passed over.
        lower: where the minimum is sought, 0-dim float64.
        upper: its other end.

    Returns:
        The smallest value found, 0-dim float64.

    Example:
        >>> zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
        >>> round(smallest_value(lambda c: (c - 0.3) ** 2 + 2, zero, one).item(), 9)
        2.0
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        reach = (upper - lower).clamp(min=1.0)
        steps = torch.linspace(0, 1, _CANDIDATES, dtype=lower.dtype, device=lower.device)
        candidates = lower - reach + (upper - lower + 2 * reach) * steps
        with torch.no_grad():
            values = torch.stack([loss(candidate) for candidate in candidates]).nan_to_num(nan=torch.inf)
        polished = _polish(loss, candidates[values.argmin()].clone())
        return torch.fmin(values.min(), polished)


def _polish(loss: Callable[[Tensor], Tensor], constant: Tensor) -> Tensor:
    """Return the value at the bottom of the valley that `constant` lies in."""
    constant.requires_grad_()
    search = torch.optim.LBFGS(
        [constant], max_iter=50, tolerance_grad=1e-10, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        search.zero_grad()
        value = loss(constant)
        value.backward()
        return value.detach()

    search.step(objective)
    return objective()


def best_constant_loss(
    solution: Solution,
    batch: CollocationBatch,
    weight_residual: float | Tensor,
    weight_data: float | Tensor,
    weights: SquareWeights = UNWEIGHTED,
    own: Callable[[AtOwnPoints], Tensor] | None = None,
) -> Tensor | None:
    """Minimise the loss of a PINN over the constant networks N ≡ c.

    Args:
        solution: gives problem, conditions and coefficients.
        batch: residual points, condition points and values.
        weight_residual: W_F.
        weight_data: W_u.
        weights: of the squares.
        own: the weighted sum of own terms; what they ask of anything but u and the coefficients is not constant.

    Returns:
        0-dim float64; None for several unknowns.
    """
    problem = solution.problem
    if len(problem.unknowns) > 1:
        return None
    with torch.inference_mode(mode=False):
        # Tensors made in inference mode cannot take part in a backward pass: copies can.
        points, at, values = (part.double().clone() for part in batch[:3])
        normals = None if batch.condition_normals is None else batch.condition_normals.double().clone()
    known, known_at = solution.known_factors(points), solution.known_factors(at) if len(at) else None
    ansatz = problem.ansatz()
    coefficients = {name: value.detach().double() for name, value in solution.coefficient_values().items()}
    of_residual = {name: coefficients[name] for name in residual_coefficients(problem)}
    _, _, scale = between_scales(tuple(layers_of(solution.network)))

    def scaled(constant: Tensor) -> Tensor:  # the search goes by the unit that the network has
        return constant if scale is None else scale.offset.double() + scale.scale.double() * constant

    def field(constant: Tensor, points: Tensor, known: KnownFactors | None) -> Field:
        free = ConstantField(scaled(constant), points, problem.coordinates, problem.unknowns)
        return free if known is None else ConstrainedField(free, known)

    def at_own_points(constant: Tensor) -> AtOwnPoints:
        def values(points: Tensor) -> Tensor:
            free = scaled(constant).expand(len(points), 1)
            return free if ansatz is None else ansatz.offset_at(points) + ansatz.factor_at(points) * free

        return AtOwnPoints(problem, values, coefficients, solution.as_points)

    def loss(constant: Tensor) -> Tensor:
        residual = problem.residual(problem.columns(points), field(constant, points, known), **of_residual)
        squares = sum_of_squares(solution.units.of_residual(residual), weights.residual)
        objective = weight_residual * squares / len(points)
        if len(values):
            u, counts = field(constant, at, known_at), batch.condition_counts
            misfit = misfits(solution.conditions, solution.units, u, at, values, counts, normals, coefficients)
            (mean,) = mean_misfit(misfit, counts, weights=weights.misfit)
            objective = objective + weight_data * mean
        return objective if own is None else objective + own(at_own_points(constant))

    ends = values if len(values) else points.new_tensor([-1.0, 1.0])
    if scale is not None and len(values):
        ends = (ends - scale.offset.double()) / scale.scale.double()
    return smallest_value(loss, ends.min(), ends.max())
