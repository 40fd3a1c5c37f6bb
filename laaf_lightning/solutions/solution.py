"""A problem and the network that solves it, in plain torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import Field, KnownFactors, Order
from laaf_lightning.derivatives.engines import EngineName
from laaf_lightning.derivatives.engines.engine import Say
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import Numbers
from laaf_lightning.problems import PDE, CollocationBatch
from laaf_lightning.solutions.checked import found_coupled, refuse_chunks
from laaf_lightning.solutions.compiled_calls import Compiled
from laaf_lightning.solutions.cuda_graphs import CudaGraphs
from laaf_lightning.solutions.evaluated import Name, values_at
from laaf_lightning.solutions.loss_terms import mean_squares
from laaf_lightning.solutions.network_checks import refuse_vanishing_derivatives
from laaf_lightning.solutions.network_fields import AT_CONDITIONS, INSIDE
from laaf_lightning.solutions.recorded_terms import recorded_terms
from laaf_lightning.solutions.scales.term_units import TermUnits
from laaf_lightning.solutions.terms.by_name import TermsByName
from laaf_lightning.solutions.terms.own import checked_own_terms, gives_own_terms
from laaf_lightning.solutions.terms.parts import UNWEIGHTED, HowToCompute, LossParts, OwnField, SquareWeights


class Solution(TermsByName):
    r"""A PDE and a network for its unknowns: fields, the residual and the terms of a loss, usable in a bare loop.

    The network and the coefficients stay the caller's own: they may be trained by anything, moved, replaced and saved.

    Args:
        problem: the equation with its conditions.
        network: maps points (N, d) to the C unknowns (N, C).
        engine: how derivatives are computed: ``"fused"``, ``"taylor"``, ``"autograd"``, or ``"auto"`` for the first of
            them that serves; see `PINN`.
        compile: whether the terms run through ``torch.compile``.
        chunk_size: most residual points at a time, ≥ 1; None for all at once.
        cuda_graphs: whether, on a GPU, terms and their gradients are recorded once and then replayed.
        coefficients: the unknown coefficients of an inverse problem; None makes them of the problem's first guesses.
        allow_piecewise: whether an activation may have derivatives that vanish almost everywhere at an order that the
            equation has.
        residual: asked in place of the equation's own residual, (points, known) to (N, E).
        field: asked in place of the network's own field.
        units: what terms are measured in; None for those that follow from the network's scales, if it has some.
        say: what tells the user that a native kernel is being built; None for a logger.

    Attributes:
        problem: the equation.
        network: the network.
        coefficients: 0-dim parameters by name; empty where nothing is unknown.
        conditions: the problem's conditions.
        own_residual: what is asked in place of the equation's own residual; None for that.
        own_field: what is asked in place of the network's own field; None for that.
        couples_points: whether the residual at one point depends on the others, as one with a mean over them does.
        units: what terms are measured in.

    Raises:
        ConfigurationError: for a problem that contradicts itself, an engine that is unknown or does not serve, a chunk
            size below 1 or one with a residual that couples points, or a network that cannot stand for the unknowns.

    Example:
        >>> from laaf_lightning import Burgers, CollocationDataModule, MLP
        >>> problem, network = Burgers(), MLP(2, 1, width=8, depth=2)
        >>> solution = Solution(problem, network)
        >>> (batch, *_) = CollocationDataModule(problem, 50, 10).train_dataloader()
        >>> optimizer = torch.optim.Adam(solution.parameters())
        >>> for step in range(3):
        ...     optimizer.zero_grad()
        ...     terms = solution.loss_terms(batch)
        ...     sum(terms.values()).backward()
        ...     optimizer.step()
        >>> list(terms), solution(torch.rand(4, 2)).shape
        (['residual', 'initial', 'left', 'right'], torch.Size([4, 1]))
    """

    def __init__(
        self,
        problem: PDE,
        network: nn.Module,
        *,
        engine: EngineName = "auto",
        compile: bool = False,
        chunk_size: int | None = None,
        cuda_graphs: bool = False,
        coefficients: nn.ParameterDict | None = None,
        allow_piecewise: bool = False,
        residual: Callable[[Tensor, KnownFactors | None], Tensor] | None = None,
        field: OwnField | None = None,
        units: TermUnits | None = None,
        say: Say | None = None,
    ) -> None:
        if chunk_size is not None and chunk_size < 1:
            raise ConfigurationError(f"chunk_size={chunk_size} must be >= 1, or None for all points at once")
        self.chunk_size, self.cuda_graphs = chunk_size, cuda_graphs
        self._compile, self._allow_piecewise = compile, allow_piecewise
        self.own_residual, self.own_field = residual, field
        super().__init__(problem, network, engine, coefficients, say)
        self.units = TermUnits.of(problem, network) if units is None else units
        self.couples_points = False
        self.look_for_coupled_points()
        self._parts = LossParts(
            self.conditions,
            self._loss_residual,
            self._loss_field,
            self._fields,
            self._in_units,
            self.parameters,
            self.coefficient_values,
            self.units,
            len(problem.equations),
        )

    def choose_engine(self, *, builds: bool = False) -> None:
        """Choose how derivatives are computed, from what the network is now.

        Args:
            builds: whether ``"auto"`` may take the time to build the native kernel.
        """
        if not self._allow_piecewise:
            refuse_vanishing_derivatives(self.network, frozenset[Order]().union(*self._orders.values()))
        super().choose_engine(builds=builds)
        if (units := getattr(self, "units", None)) is not None:  # the network may have moved to another device
            units.to(next(self.network.parameters(), torch.zeros(())).device)
        self._graphs = CudaGraphs()
        self._run = Compiled(enabled=self._compile, differentiates=self._engine.name == "autograd")

    def look_for_coupled_points(self) -> None:
        """Find out whether the residual at one point depends on the others: a warning, with chunks an error."""
        self.couples_points = found_coupled(self, self.own_residual, self.chunk_size, known=self.couples_points)

    @property
    def is_compiled(self) -> bool:
        """Whether terms run through ``torch.compile``."""
        return self._run.enabled

    def at(self, points: Numbers, names: str | Sequence[Name]) -> dict[Name, Any]:
        """Return unknowns and partial derivatives at points, those that the equation does not ask for too.

        They are computed a chunk of points at a time, in eval mode and without a graph: a million points take little
        memory. The engine is the best one that serves for them.

        Args:
            points: shape (N, d), as for `as_points`; more dimensions before the last are kept, and in one coordinate
                (N,) will do.
            names: such as ``["u", "u_x", "u_xt"]``: an unknown, or an unknown, ``_`` and a coordinate for each order,
                between which another ``_`` may stand (``"T_x1_x2"``). ``("u", "x", "t")`` says the parts one by one.

        Returns:
            Name to values, shape (N,) in the network's dtype: NumPy arrays for an array, lists for a list, tensors on
            the points' device for a tensor.

        Raises:
            ConfigurationError: for names that mean nothing, or several things.

        Example:
            >>> import numpy as np
            >>> from laaf_lightning import Burgers, MLP
            >>> values = Solution(Burgers(), MLP(2, 1, width=8, depth=2)).at(np.zeros((5, 2)), ["u", "u_xxt"])
            >>> [(name, type(array).__name__, array.shape) for name, array in values.items()]
            [('u', 'ndarray', (5,)), ('u_xxt', 'ndarray', (5,))]
        """
        return values_at(self, points, names, self.own_field)

    def loss_terms(self, batch: CollocationBatch) -> dict[str, Tensor]:
        r"""Return the terms of the loss, without weights.

        .. math:: \text{residual} = \tfrac{1}{N_F} \sum |F(x_i)|^2, \qquad
            \text{condition } k = \tfrac{1}{N_u} \sum_{i \in k} |u_i - \hat u(x_i)|^2

        N_u counts the points of all conditions, so that these terms add up to the mean over all of them. Where the
        problem names its equations, each has a term; its own terms follow.

        Args:
            batch: residual points, condition points and values.

        Returns:
            0-dim tensors: ``"residual"``, or the equations by name, the conditions of the batch by name, and the
            problem's own terms; ``"data"`` for values of u that belong to no condition.
        """
        terms = self.terms_of_squares(batch)
        if not gives_own_terms(self.problem):
            return terms
        return terms | checked_own_terms(self.problem, self.problem.own_terms, self.at_own_points(), batch, [*terms])

    def terms_of_squares(self, batch: CollocationBatch, weights: SquareWeights = UNWEIGHTED) -> dict[str, Tensor]:
        """Return the terms of equations and conditions by name, as in `loss_terms`.

        Args:
            batch: residual points, condition points and values.
            weights: of the squares.

        Returns:
            0-dim tensors.
        """
        names = [*batch.condition_counts] or ["data"]
        return dict(zip([*self.equations, *names], self._terms(batch, weights, by_name=True), strict=False))

    def mean_squares(self, batch: CollocationBatch, weights: SquareWeights = UNWEIGHTED) -> tuple[Tensor, Tensor]:
        """Return the mean squares of the residual and of the misfit of all conditions together.

        Args:
            batch: residual points, condition points and values.
            weights: of the squares.

        Returns:
            Two tensors, 0-dim; the second is 0 without conditions.
        """
        residual, *misfit = self._terms(batch, weights, by_name=False)
        return residual, misfit[0] if misfit else batch.residual_points.new_zeros(())

    def _loss_residual(self, points: Tensor, known: KnownFactors | None) -> Tensor:
        """Return the residual that enters the loss, in its units, by the engine as it is."""
        if self.own_residual is not None:
            return self.units.of_residual(self.own_residual(points, known))
        u = self._field(points, known, INSIDE) if self.own_field is None else self.own_field(points, known)
        return self._in_units(u, points)

    def _in_units(self, u: Field, points: Tensor) -> Tensor:
        return self.units.of_residual(self.residual_of(u, points))

    def _loss_field(self, points: Tensor, known: KnownFactors | None) -> Field:
        """Return the field that conditions are applied to in the loss, by the engine as it is."""
        if self.own_field is not None:
            return self.own_field(points, known, at_conditions=True)
        return self._field(points, known, AT_CONDITIONS)

    def _terms(self, batch: CollocationBatch, weights: SquareWeights, *, by_name: bool) -> tuple[Tensor, ...]:
        if self.couples_points:
            refuse_chunks(self.problem, self.chunk_size, len(batch.residual_points))
        at_once = self.engine.gains_at_once and self.own_residual is None and self.own_field is None
        how = HowToCompute(self._run, self.chunk_size, at_once, by_name)
        factors = self._factors(batch)
        if self.cuda_graphs and batch.residual_points.is_cuda and torch.is_grad_enabled() and self._trains:
            return recorded_terms(self._parts, self.network, self._graphs, batch, factors, how, weights)
        return mean_squares(self._parts, batch, *factors, how, weights)

    @property
    def _trains(self) -> bool:
        return any(parameter.requires_grad for parameter in self.parameters())
