"""What a solution tells of its terms by name, beside a loss: values for logs, residuals at some points."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from laaf_lightning.derivatives import KnownFactors
from laaf_lightning.problems import CollocationBatch
from laaf_lightning.solutions.network_fields import INSIDE, NetworkFields
from laaf_lightning.solutions.terms.own import AtOwnPoints
from laaf_lightning.solutions.terms.parts import LossParts
from laaf_lightning.solutions.terms.residuals import misfits_at, residuals_at, some_of
from laaf_lightning.solutions.terms.values import values_by_name


class TermsByName(NetworkFields):
    """Base of `Solution`.

    Attributes:
        chunk_size: most residual points at a time.
        couples_points: whether they must all be there at once.
        own_residual: what is asked in place of the equation's own residual.
    """

    chunk_size: int | None
    couples_points: bool
    own_residual: Callable[[Tensor, KnownFactors | None], Tensor] | None
    _parts: LossParts

    @property
    def equations(self) -> tuple[str, ...]:
        """Names of the equations' terms; ``"residual"`` where the problem gives none."""
        return tuple(self.problem.equations) or (INSIDE,)

    def at_own_points(self) -> AtOwnPoints:
        """Return what a problem's own terms are asked with.

        Returns:
            The solution at any points.
        """
        return AtOwnPoints(self.problem, self.__call__, self.coefficient_values(), self.as_points)

    def values_by_name(self, batch: CollocationBatch, *, equations: bool = True) -> dict[str, Tensor]:
        """Return the values of the terms of equations and conditions, for logs.

        Args:
            batch: residual points, condition points and values.
            equations: whether those of the equations too.

        Returns:
            0-dim tensors, detached.
        """
        _ = self.engine
        factors = self._factors(batch)
        names = self.equations if equations else ()
        size = len(batch.residual_points) if self.couples_points else self.chunk_size
        return values_by_name(self._parts, batch, *factors, size, names, records=self.own_residual is not None)

    def residuals(
        self, batch: CollocationBatch, most: int, seed: int, weights: Tensor | None = None, *, by_name: bool = True
    ) -> dict[str, Tensor]:
        """Return residuals at some points of each term, whose squares add up to the term, or to an estimate of it.

        Args:
            batch: residual points, condition points and values.
            most: points of a term, drawn without replacement.
            seed: of the draws.
            weights: of the squared residuals, shape (N, 1); None for 1.
            by_name: whether each equation and each condition is a term, else ``"residual"`` and ``"data"`` are.

        Returns:
            By name, attached to graphs.
        """
        _ = self.engine
        generator = torch.Generator().manual_seed(seed)
        rows = some_of(len(batch.residual_points), most, generator).to(batch.residual_points.device)
        points = batch.residual_points[rows]
        weights = None if weights is None else weights[rows]
        residual = residuals_at(self._parts, points, self.known_factors(points), weights)
        whole = not by_name or not self.problem.equations
        columns = [residual] if whole else residual.unbind(dim=1)
        names = [INSIDE] if whole else self.equations
        at = self._factors(batch)[1]
        misfits = misfits_at(self._parts, batch, at, most, generator, by_name=by_name)
        return dict(zip(names, columns, strict=True)) | misfits

    def _factors(self, batch: CollocationBatch) -> tuple[KnownFactors | None, KnownFactors | None]:
        at_conditions = self.known_factors(batch.condition_points) if len(batch.condition_values) else None
        return self.known_factors(batch.residual_points), at_conditions
