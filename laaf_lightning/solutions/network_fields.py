"""The unknowns of a PDE as a network gives them: derivatives by some engine, hard conditions, unknown coefficients."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import ConstrainedField, Field, KnownFactors
from laaf_lightning.derivatives.engines import Engine, EngineName, Names, check_engine, choose
from laaf_lightning.derivatives.engines.engine import Say
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import Numbers, as_inputs
from laaf_lightning.problems import PDE, ConditionSet, check_problem, residual_coefficients, residual_orders
from laaf_lightning.solutions.known_factors_cache import KnownFactorsCache
from laaf_lightning.solutions.network_checks import check_network, points_to_try
from laaf_lightning.solutions.scales.coefficients import first_guesses

INSIDE, AT_CONDITIONS = "residual", "conditions"


class NetworkFields:
    """u of a problem by a network: the base of `Solution`.

    Args:
        problem: the equation with its conditions.
        network: maps points (N, d) to the C unknowns (N, C).
        engine: how derivatives are computed.
        coefficients: the unknown coefficients; None makes them of the problem's first guesses.
        say: what tells the user that a native kernel is being built; None for a logger.

    Raises:
        ConfigurationError: for a problem that contradicts itself, an engine that is unknown or does not serve, or a
            network that cannot stand for the unknowns.
    """

    def __init__(
        self,
        problem: PDE,
        network: nn.Module,
        engine: EngineName,
        coefficients: nn.ParameterDict | None = None,
        say: Say | None = None,
    ) -> None:
        check_problem(problem)
        check_network(network)
        check_engine(engine)
        self.problem, self.network = problem, network
        self.coefficients = first_guesses(problem) if coefficients is None else coefficients
        self._coefficient_names = tuple(problem.coefficients())
        self._of_residual = residual_coefficients(problem)
        self.conditions = ConditionSet(problem)
        self._engine_asked_for, self._say = engine, say
        self._orders = {INSIDE: residual_orders(problem), AT_CONDITIONS: self.conditions.orders}
        self._known_factors = KnownFactorsCache()
        self.choose_engine()

    def choose_engine(self, *, builds: bool = False) -> None:
        """Choose how derivatives are computed, from what the network is now.

        Args:
            builds: whether ``"auto"`` may take the time to build the native kernel.
        """
        names = Names(tuple(self.problem.coordinates), tuple(self.problem.unknowns))
        points = points_to_try(self.network, self.problem)
        self._engine = choose(
            self._engine_asked_for, self.network, self._orders, names, points, builds=builds, say=self._say
        )

    @property
    def engine(self) -> Engine:
        """What differentiates the network: chosen anew where a part of it was replaced."""
        if not torch.compiler.is_compiling() and not self._engine.serves(self.network):
            self.choose_engine()
        return self._engine

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return what is trained.

        Yields:
            The coefficients, then the network's parameters.
        """
        yield from self.coefficients.parameters()
        yield from self.network.parameters()

    def as_points(self, points: Numbers) -> Tensor:
        """Take points as the network needs them: a tensor of its dtype, on its device.

        Args:
            points: a tensor, which is returned as it is where it fits, a NumPy array or a list, shape (N, d); (N,) in
                one coordinate.

        Returns:
            Shape (N, d).

        Raises:
            ConfigurationError: for another number of columns, and for what holds no real numbers.
        """
        if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            assert isinstance(points, Tensor)
            return points  # whose sizes are no numbers in a trace
        taken, dimension = as_inputs(points, self.network, "points"), len(self.problem.coordinates)
        if dimension == 1 and taken.ndim == 1 and not (isinstance(points, Tensor) and len(points) == 1):
            taken = taken[:, None]
        if taken.ndim == 0 or taken.shape[-1] != dimension:
            raise ConfigurationError(
                f"points of shape {tuple(taken.shape)}: expected (N, {dimension}), columns "
                f"{', '.join(self.problem.coordinates)} of {type(self.problem).__name__}"
            )
        return taken

    def __call__(self, points: Numbers) -> Tensor:
        """Return u, with hard conditions built in.

        Args:
            points: shape (N, d), as for `as_points`.

        Returns:
            Shape (N, C).
        """
        points = self.as_points(points)
        outputs: Tensor = self.network(points)
        ansatz = self.problem.ansatz()
        return outputs if ansatz is None else ansatz.offset_at(points) + ansatz.factor_at(points) * outputs

    def field(self, points: Numbers, known: KnownFactors | None = None, *, at_conditions: bool = False) -> Field:
        """Return u with the derivatives that the residual asks for, or the conditions.

        Args:
            points: shape (N, d), as for `as_points`.
            known: the factors of hard conditions at the points; None computes them.
            at_conditions: whether those of the conditions are meant.

        Returns:
            The field.
        """
        _ = self.engine
        points = self.as_points(points)
        return self._field(points, known or self.known_factors(points), AT_CONDITIONS if at_conditions else INSIDE)

    def fields(
        self, points: Numbers, at: Numbers, known: KnownFactors | None = None, known_at: KnownFactors | None = None
    ) -> tuple[Field, Field]:
        """Return u for the residual and u for the conditions, which the kernel computes in one call.

        Args:
            points: residual points, shape (N, d), as for `as_points`.
            at: condition points, shape (M, d), likewise.
            known: the factors of hard conditions at the points; None computes them.
            known_at: likewise at the condition points.

        Returns:
            Two fields.
        """
        _ = self.engine
        points, at = self.as_points(points), self.as_points(at)
        return self._fields(points, known or self.known_factors(points), at, known_at or self.known_factors(at))

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
        return self._known_factors(self.problem, ansatz, points, self._orders[INSIDE] | self._orders[AT_CONDITIONS])

    def residual(self, points: Numbers, known: KnownFactors | None = None) -> Tensor:
        """Return the equation's residual of the network.

        Args:
            points: shape (N, d), as for `as_points`.
            known: the factors of hard conditions at the points; None computes them.

        Returns:
            Shape (N, E) for E equations, attached to the graph.
        """
        points = self.as_points(points)
        return self.residual_of(self.field(points, known), points)

    def residual_of(self, u: Field, points: Tensor) -> Tensor:
        """Return the equation's residual of a field.

        Args:
            u: at the points, with the derivatives that the residual asks for.
            points: shape (N, d).

        Returns:
            Shape (N, E) for E equations, attached to u's graph.
        """
        values = self.coefficient_values()
        coefficients = {name: values[name] for name in self._of_residual}
        return self.problem.residual(self.problem.columns(points), u, **coefficients)

    def coefficient_values(self) -> dict[str, Tensor]:
        """Return the unknown coefficients as residual and conditions get them.

        Returns:
            0-dim tensors by name, attached to the graph of the parameters.
        """
        # Not {**self.coefficients}, which torch.compile cannot trace before torch 2.7.
        return {name: self.coefficients[name] for name in self._coefficient_names}

    def _fields(
        self, points: Tensor, known: KnownFactors | None, at: Tensor, known_at: KnownFactors | None
    ) -> tuple[Field, Field]:
        """Return the fields of residual and conditions by the engine as it is."""
        fields = self._engine.fields(self.network, {INSIDE: points, AT_CONDITIONS: at})
        return _constrained(fields[INSIDE], known), _constrained(fields[AT_CONDITIONS], known_at)

    def _field(self, points: Tensor, known: KnownFactors | None, which: str) -> Field:
        """Return the field of one set of points by the engine as it is."""
        return _constrained(self._engine.fields(self.network, {which: points})[which], known)


def _constrained(free: Field, known: KnownFactors | None) -> Field:
    return free if known is None else ConstrainedField(free, known)
