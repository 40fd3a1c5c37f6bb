"""Partial derivatives by name, such as ``u_xx``, of what a PINN has learnt."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from laaf_lightning.derivatives import ConstrainedField, Field, KnownFactors
from laaf_lightning.derivatives.engines import Engine, Names, choose
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import PDE

SETTING = "derivatives"
_SET = "prediction"
_CHUNK = 16_384  # points at a time
_TRIED = 8  # points at which an engine is compared with the network


@dataclass(frozen=True)
class Derivative:
    """One partial derivative.

    Attributes:
        name: as it was asked for, for example ``"u_xt"``.
        unknown: of what.
        by: the coordinates, one for each order.
    """

    name: str
    unknown: str
    by: tuple[str, ...]


def parse_derivatives(asked: str | Sequence[str] | None, model: LightningModule) -> tuple[Derivative, ...]:
    """Find out which derivatives are meant.

    Args:
        asked: names "unknown_coordinates", separated by commas or in a list.
        model: a `PINN`, whose problem has the names.

    Returns:
        Each once, in this order.

    Raises:
        ConfigurationError: for names that mean nothing, and another model.
    """
    parts = asked.split(",") if isinstance(asked, str) else list(asked or ())
    names = [name for name in dict.fromkeys(part.strip() for part in parts) if name]
    if not names:
        return ()
    if not isinstance(model, PINN):
        raise ConfigurationError(
            f"{SETTING}={','.join(names)}: {type(model).__name__} has no named coordinates to differentiate by, as a "
            "PINN has"
        )
    problem = model.problem
    found = [_parsed(name, problem) for name in names]
    unknown = [name for name, derivative in zip(names, found, strict=True) if derivative is None]
    if unknown:
        raise ConfigurationError(
            f"unknown {SETTING} {', '.join(map(repr, unknown))}: of {type(problem).__name__} there are "
            f"{', '.join(_examples(problem))}, and so on: an unknown ({', '.join(problem.unknowns)}), '_', and a "
            f"coordinate ({', '.join(problem.coordinates)}) for each order"
        )
    return tuple(derivative for derivative in found if derivative is not None)


class DerivativesOf:
    """Computes derivatives of a PINN, by the best engine that serves for them.

    Args:
        model: the module, on its device.
        derivatives: which; at least one.
    """

    def __init__(self, model: PINN, derivatives: Sequence[Derivative]) -> None:
        self._model, self._derivatives = model, derivatives
        self._orders = frozenset(_order(derivative, model.problem) for derivative in derivatives)
        self._engine: Engine | None = None

    def __call__(self, points: Tensor) -> dict[str, Tensor]:
        """Differentiate, a chunk of points at a time.

        Args:
            points: shape (N, d).

        Returns:
            Name to values, each (N,), without graph, on the CPU.
        """
        with torch.inference_mode(mode=False), torch.enable_grad():
            points = self._model.solution.as_points(points.detach().clone())
            parts = [self._at(chunk) for chunk in points.split(_CHUNK)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _at(self, points: Tensor) -> dict[str, Tensor]:
        u = self._field(points)
        return {each.name: u[each.unknown].d(*each.by)[:, 0].detach().cpu() for each in self._derivatives}

    def _field(self, points: Tensor) -> Field:
        model, problem = self._model, self._model.problem
        if model.solution.own_field is not None:
            return model.field(points)
        if self._engine is None:
            tried = problem.geometry.probes(_TRIED, margin=0.1).to(points)
            names = Names(tuple(problem.coordinates), tuple(problem.unknowns))
            self._engine = choose("auto", model.network, {_SET: self._orders}, names, tried)
        free, ansatz = self._engine.fields(model.network, {_SET: points})[_SET], problem.ansatz()
        if ansatz is None:
            return free
        offset, factor = ansatz.offset_at, ansatz.factor_at
        known = KnownFactors.at(points, problem.coordinates, self._orders, offset=offset, factor=factor)
        return ConstrainedField(free, known)


def _order(derivative: Derivative, problem: PDE) -> tuple[int, ...]:
    return tuple(sorted(problem.coordinates.index(name) for name in derivative.by))


def _parsed(name: str, problem: PDE) -> Derivative | None:
    """Split a name, longer names of coordinates first; ``_`` may stand between them."""
    coordinates = "|".join(re.escape(each) for each in sorted(problem.coordinates, key=len, reverse=True))
    for unknown in problem.unknowns:
        rest = name.removeprefix(f"{unknown}_")
        if rest != name and re.fullmatch(rf"(?:{coordinates})(?:_?(?:{coordinates}))*", rest):
            return Derivative(name, unknown, tuple(re.findall(coordinates, rest)))
    return None


def _examples(problem: PDE) -> Iterable[str]:
    joint = "" if all(len(name) == 1 for name in problem.coordinates) else "_"
    for order in (1, 2):
        for by in itertools.combinations_with_replacement(problem.coordinates, order):
            for unknown in problem.unknowns:
                yield f"{unknown}_{joint.join(by)}"
