"""A network that stands for the unknowns of a PDE."""

from __future__ import annotations

import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn

from laaf_lightning.derivatives import ConstrainedField, Field, KnownFactors
from laaf_lightning.modules.base import AdaptiveModule
from laaf_lightning.modules.differentiator import Differentiator
from laaf_lightning.modules.engine import Engine, choose_engine, refuse_vanishing_derivatives
from laaf_lightning.problems import PDE, ConditionSet, residual_orders
from laaf_lightning.solutions.compiled_calls import Compiled
from laaf_lightning.solutions.cuda_graphs import CudaGraphs
from laaf_lightning.solutions.known_factors_cache import KnownFactorsCache


class PDENetwork(AdaptiveModule):
    """Base of `PINN`: u with its derivatives by some engine, with hard conditions, and the equation's residual.

    Attributes:
        problem: the equation with its conditions.
        coefficients: the problem's unknown coefficients, 0-dim parameters by name.
        conditions: the problem's conditions.
    """

    problem: PDE

    def _build(self) -> None:
        guesses = self.problem.coefficients().items()
        self.coefficients = nn.ParameterDict(
            {name: nn.Parameter(torch.tensor(float(guess))) for name, guess in guesses}
        )
        self._coefficient_names = tuple(self.problem.coefficients())
        self.build_parts()
        self.conditions = ConditionSet(self.problem)
        self._residual_orders = residual_orders(self.problem)
        self._known_factors = KnownFactorsCache()

    def _differentiate(self, engine: Engine, *, compile: bool, allow_piecewise: bool) -> None:
        """Choose how to differentiate; called at the end of a constructor, after `_build`."""
        if not allow_piecewise:
            refuse_vanishing_derivatives(self.network, self._residual_orders | self.conditions.orders)
        self._engine: Engine = engine
        self._compile = compile
        self._choose_engine()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return u, with hard conditions built in.

        Args:
            inputs: points, shape (N, d).

        Returns:
            Shape (N, C).
        """
        outputs: Tensor = self.network(inputs)
        ansatz = self.problem.ansatz()
        return outputs if ansatz is None else ansatz.offset(inputs) + ansatz.factor(inputs) * outputs

    @property
    def differentiator(self) -> Differentiator:
        """What makes the fields: chosen from `engine`, and anew where a part of the network was replaced."""
        if not torch.compiler.is_compiling() and not self._differentiator.serves(self.network):
            self._choose_engine()
        return self._differentiator

    def field(self, points: Tensor, known: KnownFactors | None = None, *, at_conditions: bool = False) -> Field:
        """Return u with the derivatives that the residual asks for, or the conditions.

        Args:
            points: shape (N, d).
            known: the factors of hard conditions at the points; None computes them.
            at_conditions: whether those of the conditions are meant.

        Returns:
            The field.
        """
        free = self.differentiator.field(self.network, points, at_conditions=at_conditions)
        return self._constrained(free, known or self.known_factors(points))

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
        u, u_at = self.differentiator.fields(self.network, points, at)
        known, known_at = known or self.known_factors(points), known_at or self.known_factors(at)
        return self._constrained(u, known), self._constrained(u_at, known_at)

    def known_factors(self, points: Tensor) -> KnownFactors | None:
        """Return g and d of hard conditions with the derivatives that are needed, computed once for each point set.

        Args:
            points: shape (N, d).

        Returns:
            The tables; None without hard conditions.
        """
        ansatz = self.problem.ansatz()
        if ansatz is None:
            return None
        orders = self._residual_orders | self.conditions.orders
        return self._known_factors(self.problem, ansatz, points, orders)

    def residual(self, points: Tensor, known: KnownFactors | None = None) -> Tensor:
        """Return the equation's residual of the network.

        Args:
            points: shape (N, d).
            known: the factors of hard conditions at the points; None computes them.

        Returns:
            Shape (N, E) for E equations, attached to the graph.
        """
        return self.residual_of(self.field(points, known), points)

    def residual_of(self, u: Field, points: Tensor) -> Tensor:
        """Return the equation's residual of a field.

        Args:
            u: at the points, with the derivatives that the residual asks for.
            points: shape (N, d).

        Returns:
            Shape (N, E) for E equations, attached to u's graph.
        """
        # Not **self.coefficients, which torch.compile cannot trace before torch 2.7.
        coefficients = {name: self.coefficients[name] for name in self._coefficient_names}
        return self.problem.residual(self.problem.columns(points), u, **coefficients)

    @property
    def _overridden(self) -> bool:
        """Whether a subclass has a residual or field of its own, which must be asked for it."""
        own = (getattr(self.residual, "__func__", None), getattr(self.field, "__func__", None))
        return own != (PDENetwork.residual, PDENetwork.field)

    @staticmethod
    def _constrained(free: Field, known: KnownFactors | None) -> Field:
        return free if known is None else ConstrainedField(free, known)

    def _choose_engine(self, *, builds: bool = False) -> None:
        orders = self._residual_orders, self.conditions.orders
        self._differentiator = choose_engine(
            self._engine, self.network, self.problem, *orders, builds=builds, say=rank_zero_info
        )
        self._graphs = CudaGraphs()
        self._run = Compiled(enabled=self._compile, differentiates=self._differentiator.name == "autograd")
