"""A PINN's loss: the terms of equations and conditions, pooled or by name, with their weights and logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from laaf_lightning.derivatives.engines.probe import as_it_was
from laaf_lightning.modules.loss_weight import LossWeight
from laaf_lightning.modules.pde_module import PDEModule
from laaf_lightning.modules.terms.weights import TermWeights
from laaf_lightning.problems import CollocationBatch
from laaf_lightning.problems.named_terms import DATA, RESIDUAL
from laaf_lightning.solutions import best_constant_loss
from laaf_lightning.solutions.terms.own import AtOwnPoints, checked_own_terms, gives_own_terms
from laaf_lightning.solutions.terms.parts import SquareWeights
from laaf_lightning.weight_schedules import WeightSchedule


class WeightedTerms(PDEModule):
    """Base of `PINN`: its loss.

    Attributes:
        weight_residual: W_F.
        weight_data: W_u.
    """

    weight_residual = LossWeight()
    weight_data = LossWeight()
    _term_weights: TermWeights  # private: what restores public attributes knows no such mapping
    _weights_of_points: Tensor | None = None

    def _weigh(self, given: Mapping[str, float | WeightSchedule] | None) -> None:
        """Take the weights by name, once the problem is known to be sound."""
        names = [*self.solution.equations, *self.conditions.by_name]
        self._term_weights = TermWeights(type(self).__name__, names, given, is_open=self._has_own_terms)

    @property
    def weights(self) -> TermWeights:
        """Each term's weight by name: ``weights["initial"] = 10.0`` sets one, a mapping that is assigned several."""
        return self._term_weights

    @weights.setter
    def weights(self, given: Mapping[str, float | WeightSchedule]) -> None:
        for name, weight in given.items():
            self._term_weights[name] = weight

    @property
    def point_weights(self) -> Tensor | None:
        """What each squared residual of the step's batch is multiplied by, (N, 1), set by a callback; None for 1."""
        return self._weights_of_points

    @point_weights.setter
    def point_weights(self, weights: Tensor | None) -> None:
        self._weights_of_points = weights

    def loss_terms(self, batch: CollocationBatch) -> dict[str, Tensor]:
        """Return the terms of the loss without their weights; those of points, where there are some, are inside.

        Args:
            batch: residual points, condition points and values.

        Returns:
            ``"residual"``, the mean over points of |F|², and ``"data"``, the mean of the squared misfit, 0 without
            conditions, and own terms by name; each 0-dim.
        """
        residual, misfit = self.solution.mean_squares(batch, SquareWeights(self._point_weights(batch)))
        return {RESIDUAL: residual, DATA: misfit, **self._own_terms(batch)}

    def named_loss_terms(self, batch: CollocationBatch) -> dict[str, Tensor]:
        """Return the terms of the loss by name, without their weights, which `weights` holds.

        Args:
            batch: residual points, condition points and values.

        Returns:
            ``"residual"``, or the problem's equations by name; the conditions of the batch, each its part of the mean
            over all of them; own terms. Each 0-dim.
        """
        self._go_to_step()
        terms = self.solution.terms_of_squares(batch, SquareWeights(self._point_weights(batch)))
        terms |= self._own_terms(batch)
        self.weights.add([*terms])
        return terms

    def loss_residuals(
        self, batch: CollocationBatch, most: int, seed: int, *, by_name: bool = False
    ) -> dict[str, Tensor]:
        """Return residuals at some points of each term, whose squares add up to the term, or to an estimate of it.

        Args:
            batch: residual points, condition points and values.
            most: points of a term, drawn without replacement.
            seed: of the draws.
            by_name: whether terms are those of `named_loss_terms`, else of `loss_terms`; own terms have none.

        Returns:
            By name, attached to graphs.
        """
        return self.solution.residuals(batch, most, seed, self._point_weights(batch), by_name=by_name)

    @property
    def names_terms(self) -> bool:
        """Whether terms are more than residual and data: some have weights, or equations names, or are own ones."""
        return self.weights.are_set or bool(self.problem.equations) or self._has_own_terms

    def own_terms(self, u: AtOwnPoints, batch: CollocationBatch) -> Mapping[str, Tensor]:
        """Return what the loss has beside residual and conditions: the problem's own terms, unless overridden.

        Args:
            u: the solution at points of one's own.
            batch: what the step trains on.

        Returns:
            Name to a 0-dim tensor, attached to the graph.
        """
        return self.problem.own_terms(u, batch)

    def loss(self, batch: CollocationBatch) -> Tensor:
        """Return W_F·Σ w·MSE over equations + W_u·Σ w·MSE over conditions + Σ w·(own terms).

        Args:
            batch: residual points, condition points and values.

        Returns:
            0-dim.
        """
        weights = self._square_weights(batch) if self.weights.are_set else None
        if weights is None:
            terms = self.loss_terms(batch)
        else:
            residual, misfit = self.solution.mean_squares(batch, weights)
            terms = {RESIDUAL: residual, DATA: misfit, **self._own_terms(batch)}
        self.log_at_log_steps(lambda: self._logged(batch, terms))
        total = self._pooled(terms[RESIDUAL], terms[DATA])
        return total + self._weighted_own(terms, total) if self._has_own_terms else total

    def constant_network_loss(self, batch: CollocationBatch) -> Tensor | None:
        """Return the smallest loss of a constant network N ≡ c, minimised over the constant.

        Args:
            batch: as for `loss`.

        Returns:
            0-dim float64; None for several unknowns.
        """
        weights = self._square_weights(batch)
        own = self._own_of_constant(batch) if self._has_own_terms else None
        return best_constant_loss(self.solution, batch, self.weight_residual, self.weight_data, weights, own)

    def _pooled(self, residual: Tensor, misfit: Tensor) -> Tensor:
        return self.weight_residual.to(residual) * residual + self.weight_data.to(misfit) * misfit

    def _square_weights(self, batch: CollocationBatch) -> SquareWeights:
        """Return what the squares are multiplied by at this step."""
        self._go_to_step()
        names, counts = self.solution.equations, batch.condition_counts or {DATA: len(batch.condition_values)}
        residual, misfit = self._point_weights(batch), None
        if self.weights.concern(names):
            equations = self.weights.of(names, batch.residual_points)[None]
            residual = equations if residual is None else residual * equations
        if self.weights.concern(counts):
            misfit = self.weights.of([*counts], batch.condition_values, [*counts.values()])[:, None]
        return SquareWeights(residual, misfit)

    def _go_to_step(self) -> None:
        trainer = self.attached_trainer
        if trainer is not None and trainer.training:
            self.weights.go_to(trainer.global_step)

    def _point_weights(self, batch: CollocationBatch) -> Tensor | None:
        weights = self.point_weights  # a batch of another size goes without
        return weights if weights is not None and len(weights) == len(batch.residual_points) else None

    @property
    def _has_own_terms(self) -> bool:
        return type(self).own_terms is not WeightedTerms.own_terms or gives_own_terms(self.problem)

    def _own_terms(self, batch: CollocationBatch, u: AtOwnPoints | None = None) -> dict[str, Tensor]:
        if not self._has_own_terms:
            return {}
        owner = self.problem if type(self).own_terms is WeightedTerms.own_terms else self
        taken = [*self.solution.equations, *self.conditions.by_name]
        terms = checked_own_terms(owner, self.own_terms, u or self.solution.at_own_points(), batch, taken)
        self.weights.add([*terms])
        return terms

    def _weighted_own(self, terms: Mapping[str, Tensor], like: Tensor) -> Tensor:
        own = [name for name in terms if name not in {RESIDUAL, DATA}]
        if not own:
            return torch.zeros_like(like)
        return (torch.stack([terms[name].to(like) for name in own]) * self.weights.of(own, like)).sum()

    def _own_of_constant(self, batch: CollocationBatch) -> Callable[[AtOwnPoints], Tensor]:
        zero = batch.residual_points.new_zeros((), dtype=torch.float64)

        def own(u: AtOwnPoints) -> Tensor:
            return self._weighted_own(self._own_terms(batch, u), zero)

        return own

    def _logged(self, batch: CollocationBatch, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what is logged: the terms without weights, which are computed apart where the loss does not tell."""
        values = {name: term.detach() for name, term in terms.items()}
        counts, equations = batch.condition_counts, self.solution.equations
        weighted = self.weights.are_set or self._point_weights(batch) is not None
        if weighted or len(equations) > 1 or len(counts) > 1:
            with as_it_was(self.network):
                apart = self.solution.values_by_name(batch, equations=weighted or len(equations) > 1)
        else:
            apart = dict.fromkeys(equations, values[RESIDUAL]) | dict.fromkeys(counts, values[DATA])
        if weighted:
            values[RESIDUAL] = torch.stack([apart[name] for name in equations]).sum()
            conditions = [value for name, value in apart.items() if name not in equations]
            values[DATA] = torch.stack(conditions).sum() if conditions else values[DATA]
        if self.trainer.world_size > 1:  # all ranks log the same names, though one may have no point of a condition
            apart = {name: values[DATA].new_zeros(()) for name in self.conditions.by_name} | apart
        # A condition may have the name of all of them together.
        named = {f"condition_{DATA}" if name == DATA and counts else name: value for name, value in apart.items()}
        logged = {f"train/mse_{name}": value for name, value in (named | values).items()}
        return logged | {f"coefficient/{name}": c.detach() for name, c in self.coefficients.items()}
