"""A LightningModule whose network solves a PDE: what a `Solution` gives, under the module's own names."""

from __future__ import annotations

from typing import Any

from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from laaf_lightning.derivatives import Field, KnownFactors
from laaf_lightning.derivatives.engines import Engine
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import Drawable
from laaf_lightning.metrics import ErrorsByColumn, RelativeL2Error
from laaf_lightning.modules.base import AdaptiveModule
from laaf_lightning.modules.refusals import refuse_own_forward
from laaf_lightning.modules.solution_figures import run_facts, solution_figures, training_inputs
from laaf_lightning.modules.state_units import take_units
from laaf_lightning.problems import PDE, ConditionSet
from laaf_lightning.problems.geometry import in_parts
from laaf_lightning.solutions import Solution, first_guesses
from laaf_lightning.solutions.scales.settings import Scales
from laaf_lightning.solutions.scales.term_units import ScaleTerms, TermUnits

_MAY_BE_OVERRIDDEN = ("residual", "residual_of", "field")


def _function(module: PDEModule, name: str) -> object:
    return getattr(getattr(module, name), "__func__", None)


class PDEModule(AdaptiveModule):
    """Base of `PINN`: forward, fields and residual, which a subclass may override, and pictures.

    Attributes:
        problem: the equation with its conditions.
        coefficients: the problem's unknown coefficients, 0-dim parameters by name.
        errors_by_unknown: what measures each of several unknowns; None for one.
        scales: the maps to and from physical units around what `build_network` returns.
    """

    problem: PDE
    errors_by_unknown: ErrorsByColumn | None
    scales = Scales(None, None, goes_around=True)

    def _solve(self, scale_terms: ScaleTerms = "auto", **settings: Any) -> None:
        """Build parts and solution, with settings as `Solution` has them; called at the end of a constructor."""
        refuse_own_forward(self, PDEModule)
        self.coefficients = first_guesses(self.problem)  # before the network, in the optimiser's order of parameters
        self.build_parts()
        self.network = self.scales.around(self.network)
        units = TermUnits.of(self.problem, self.network, scale_terms)
        several = len(self.problem.unknowns)
        self.errors_by_unknown = ErrorsByColumn(several) if several > 1 else None
        self._solution = Solution(
            self.problem, self.network, coefficients=self.coefficients, units=units, say=rank_zero_info, **settings
        )
        if units.are_there:
            self.term_units = units
        self.register_load_state_dict_pre_hook(take_units)  # type: ignore[no-untyped-call]

    @property
    def solution(self) -> Solution:
        """The problem with the network, in plain torch; it asks for what the module overrides."""
        if self._solution.network is not self.network:  # which may be replaced at any time
            self._solution.network = self.network
        own = {name for name in _MAY_BE_OVERRIDDEN if _function(self, name) is not getattr(PDEModule, name)}
        if bool(own) != (self._solution.own_residual is not None):
            self._solution.own_residual = self.residual if own else None
        if ("field" in own) != (self._solution.own_field is not None):
            self._solution.own_field = self.field if "field" in own else None
        return self._solution

    @property
    def differentiator(self) -> Engine:
        """What differentiates the network: chosen from `engine`, and anew where a part of the network was replaced."""
        return self.solution.engine

    @property
    def engine_in_words(self) -> str:
        """How the derivatives are computed, for example ``"Taylor mode, compiled"``."""
        recorded = self.device.type == "cuda" and self.solution.cuda_graphs
        compiled = ", compiled" if self.solution.is_compiled else ""
        return f"{self.differentiator.title}{compiled}{', as a CUDA graph' if recorded else ''}"

    @property
    def chunk_size(self) -> int | None:
        """Most residual points at a time; None for all. It may be changed between steps."""
        return self._solution.chunk_size

    @chunk_size.setter
    def chunk_size(self, size: int | None) -> None:
        self._solution.chunk_size = size

    @property
    def cuda_graphs(self) -> bool:
        """Whether terms and gradients are recorded on a GPU. It may be changed between steps."""
        return self._solution.cuda_graphs

    @cuda_graphs.setter
    def cuda_graphs(self, records: bool) -> None:
        self._solution.cuda_graphs = records

    @property
    def conditions(self) -> ConditionSet:
        """The problem's conditions."""
        return self._solution.conditions

    def forward(self, inputs: Tensor) -> Tensor:
        """Return u, with hard conditions built in.

        Args:
            inputs: points, shape (N, d); a NumPy array, or another dtype or device, is converted to the network's.

        Returns:
            Shape (N, C).
        """
        return self.solution(inputs)

    def field(self, points: Tensor, known: KnownFactors | None = None, *, at_conditions: bool = False) -> Field:
        """Return u with the derivatives that the residual asks for, or the conditions.

        Args:
            points: shape (N, d).
            known: the factors of hard conditions at the points; None computes them.
            at_conditions: whether those of the conditions are meant.

        Returns:
            The field.
        """
        return self.solution.field(points, known, at_conditions=at_conditions)

    def residual(self, points: Tensor, known: KnownFactors | None = None) -> Tensor:
        """Return the equation's residual of the network.

        Args:
            points: shape (N, d); a NumPy array, or another dtype or device, is converted to the network's.
            known: the factors of hard conditions at the points; None computes them.

        Returns:
            Shape (N, E) for E equations, attached to the graph.
        """
        points = self.solution.as_points(points)
        return self.residual_of(self.field(points, known), points)

    def fields(
        self, points: Tensor, at: Tensor, known: KnownFactors | None = None, known_at: KnownFactors | None = None
    ) -> tuple[Field, Field]:
        """Return u for the residual and u for the conditions, which the kernel computes in one call.

        Args:
            points: residual points, shape (N, d).
            at: condition points, shape (M, d).
            known: the factors of hard conditions at the points; None computes them.
            known_at: likewise at the condition points.

        Returns:
            Two fields.
        """
        return self.solution.fields(points, at, known, known_at)

    def known_factors(self, points: Tensor) -> KnownFactors | None:
        """Return g and d of hard conditions with the derivatives that are needed, computed once for each point set.

        Args:
            points: shape (N, d).

        Returns:
            The tables; None without hard conditions.
        """
        return self.solution.known_factors(points)

    def residual_of(self, u: Field, points: Tensor) -> Tensor:
        """Return the equation's residual of a field.

        Args:
            u: at the points, with the derivatives that the residual asks for.
            points: shape (N, d).

        Returns:
            Shape (N, E) for E equations, attached to u's graph.
        """
        return self.solution.residual_of(u, points)

    def setup(self, stage: str) -> None:
        """Refuse data of another problem.

        Args:
            stage: what the Trainer is about to do.

        Raises:
            ConfigurationError: if the DataModule's problem is not this one.
        """
        data_problem = getattr(getattr(self.trainer, "datamodule", None), "problem", self.problem)
        if data_problem != self.problem:
            raise ConfigurationError(
                f"the model solves {self.problem!r}, the data hold points and solution of {data_problem!r}: give both "
                "the same problem"
            )

    def figure_data(self, *, training_points: bool = False) -> dict[str, Drawable]:
        """Return the solution on the problem's grid for drawing.

        Args:
            training_points: whether the residual points that training uses now are shown, as far as they are known.

        Returns:
            One entry for each unknown: a curve, a map, or maps on three planes of more coordinates.
        """
        parameter, trainer = next(self.network.parameters()), self.attached_trainer
        points = training_inputs(trainer, len(self.problem.coordinates)) if training_points else None
        facts = run_facts(self.network, trainer)
        return solution_figures(self.problem, lambda grid: self(grid.to(parameter)).detach(), facts, points)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return u, computed in parts where there are many points.

        Args:
            batch: points, or a tuple that starts with them.
            batch_idx: not used.

        Returns:
            Shape (N, C).
        """
        return in_parts(self, batch[0] if isinstance(batch, (tuple, list)) else batch)

    def _evaluate(self, batch: tuple[Tensor, Tensor], batch_idx: int, stage: str) -> Tensor:
        points, u = batch
        outputs = in_parts(self, points)
        self.metrics.update(outputs, u)
        self.log_dict({f"{stage}/{k}": v for k, v in self.metrics.items()}, prog_bar=True, batch_size=len(points))
        if self.errors_by_unknown is not None and self._measures_all_unknowns and u.ndim == 2:
            if batch_idx == 0:
                self.errors_by_unknown.reset()
            self.errors_by_unknown.update(outputs, u)
        return outputs

    @property
    def _measures_all_unknowns(self) -> bool:
        """Whether the error of all unknowns together is among the metrics, as it is unless others are built."""
        return any(isinstance(metric, RelativeL2Error) for metric in self.metrics.values())

    def _log_errors_by_unknown(self, stage: str) -> None:
        """Log the relative error of each of several unknowns, or the absolute one of one that is zero everywhere."""
        if self.errors_by_unknown is None or not self.errors_by_unknown.update_called:
            return
        for unknown, error, is_relative in zip(self.problem.unknowns, *self.errors_by_unknown.compute(), strict=True):
            name = f"{stage}/{'relative' if is_relative else 'absolute'}_l2_{unknown}"
            self.log(name, error, prog_bar=True, sync_dist=True)
        self.errors_by_unknown.reset()
