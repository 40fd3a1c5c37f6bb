"""Values that conditions prescribe at the same points, and that cannot all hold."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field, Order
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.conditions.operators import NORMAL, U_PARTNER, U, X
from laaf_lightning.problems.conditions.point_data import PointData
from laaf_lightning.problems.pde import PDE
from laaf_lightning.problems.shared_points import shared_points
from laaf_lightning.problems.taken_coefficients import asked_of

_TOLERANCE = 1e-5
_ROUNDING = 1e-9


def conflicts(problem: PDE) -> list[str]:
    """Find conditions that disagree at points that both have, such as a corner, which no continuous solution can meet.

    Those are compared that are affine in u and its derivatives, in the same combination of them: values of u, or the
    same derivative, or the same mixture. Measured data may differ by their noise, and are not; nor are operators that
    take normals or unknown coefficients.

    Args:
        problem: the equation with its conditions.

    Returns:
        One sentence for each pair of conditions that disagree.
    """
    single = [condition for condition in problem.conditions() if _is_plain(problem, condition)]
    found = []
    for one, other in itertools.combinations(single, 2):
        if _about_different(one, other):
            continue
        points = shared_points(problem.geometry, one, other)
        if len(points):
            found += _disagreement(problem, one, other, points)
    return found


class _Jet(Field):
    """A field whose value and derivatives are given numbers; it notes which are asked for."""

    def __init__(self, problem: PDE, count: int, jets: Mapping[Order, Tensor]) -> None:
        nothing = torch.zeros(len(problem.unknowns), dtype=torch.float64)
        self._count, self._jets, self._nothing = count, jets, nothing
        super().__init__(self._at(()), problem.coordinates, problem.unknowns)
        self.asked: set[Order] = set()

    def _derivative(self, order: Order) -> Tensor:
        self.asked.add(order)
        return self._at(order)

    def _at(self, order: Order) -> Tensor:
        jet = self._jets.get(order, self._nothing)
        return jet if jet.ndim == 2 else jet.expand(self._count, -1)


class _Prescribed(NamedTuple):
    """What a condition says of jets, a·jet = value: weights (N, E, m) and values (N, E)."""

    weights: Tensor
    values: Tensor


def _is_plain(problem: PDE, condition: Condition) -> bool:
    if isinstance(condition, PointData) or condition.pairs_points:
        return False
    asked = asked_of(problem, condition)
    return NORMAL not in asked.places and not asked.coefficients


def _about_different(one: Condition, other: Condition) -> bool:
    return None not in {one.unknown, other.unknown} and one.unknown != other.unknown


def _disagreement(problem: PDE, one: Condition, other: Condition, points: Tensor) -> list[str]:
    orders = {(), *_orders(problem, one, points), *_orders(problem, other, points)}
    said = [_prescribed(problem, condition, points, sorted(orders)) for condition in (one, other)]
    if said[0] is None or said[1] is None:
        return []
    (first, values), (second, others) = said[0], said[1]
    worst, where = 0.0, None
    for e, f in itertools.product(range(first.shape[1]), range(second.shape[1])):
        a, b = first[:, e], second[:, f]
        lengths = torch.linalg.vector_norm(a, dim=1) * torch.linalg.vector_norm(b, dim=1)
        same = (lengths > 0) & ((a * b).sum(dim=1).abs() >= (1 - _ROUNDING) * lengths)
        lead = a.abs().argmax(dim=1, keepdim=True)
        v, w = (x / y.gather(1, lead)[:, 0] for x, y in ((values[:, e], a), (others[:, f], b)))
        gap = torch.where(same, (v - w).abs(), 0.0).nan_to_num(0.0)
        if same.any() and gap.max() > max(worst, _TOLERANCE * max(1.0, float(v[same].abs().max()))):
            row = int(gap.argmax())
            worst, where = float(gap[row]), (row, float(v[row]), float(w[row]))
    if where is None:
        return []
    row, value, against = where
    return [
        f"the conditions {one.name!r} and {other.name!r} of {type(problem).__name__} disagree at "
        f"{_shown(problem, points[row])}: {value:g} against {against:g}; a network is continuous and meets neither "
        "near that corner"
    ]


def _orders(problem: PDE, condition: Condition, points: Tensor) -> set[Order]:
    jet = _Jet(problem, len(points), {})
    _misfit(problem, condition, points, jet)
    return jet.asked


def _prescribed(problem: PDE, condition: Condition, points: Tensor, orders: Iterable[Order]) -> _Prescribed | None:
    """Find weights and values by trying; None for what is not affine."""
    count, unknowns = len(points), len(problem.unknowns)
    slots = [(order, unknown) for order in orders for unknown in range(unknowns)]

    def at(numbers: Tensor) -> Tensor:
        jets = {order: torch.zeros(unknowns, dtype=torch.float64) for order, _ in slots}
        for (order, unknown), number in zip(slots, numbers, strict=True):
            jets[order][unknown] = number
        return _misfit(problem, condition, points, _Jet(problem, count, jets))

    nothing = at(torch.zeros(len(slots)))
    weights = torch.stack([at(unit) - nothing for unit in torch.eye(len(slots))], dim=2)
    for numbers in (torch.linspace(-2.0, 3.0, len(slots)) + 0.5, torch.full((len(slots),), 3.0)):
        expected = nothing + weights @ numbers.double()
        if not torch.allclose(at(numbers), expected, rtol=1e-6, atol=1e-6):
            return None
    return _Prescribed(weights, 0.0 - nothing)  # and not −0, which would be shown


def _misfit(problem: PDE, condition: Condition, points: Tensor, u: Field) -> Tensor:
    """Return what shall vanish, shape (N, E), float64."""
    given = {X: problem.columns(points), U: u, U_PARTNER: None}
    result = asked_of(problem, condition)(given, {})
    result = result.value if isinstance(result, Field) else result
    result = result[:, None] if result.ndim == 1 else result
    return result.double() - condition.prescribed(points).double()


def _shown(problem: PDE, point: Tensor) -> str:
    return ", ".join(f"{name}={float(x):g}" for name, x in zip(problem.coordinates, point, strict=True))
