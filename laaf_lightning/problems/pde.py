"""What a partial differential equation is: coordinates, domain, unknowns, residual, conditions, a known solution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.given_numbers import as_columns, as_tensor
from laaf_lightning.problems.coefficient import Coefficient
from laaf_lightning.problems.conditions.condition import Condition
from laaf_lightning.problems.derived_parts import OwnOrDerived, gives_own
from laaf_lightning.problems.geometry import Box, Geometry
from laaf_lightning.problems.named_terms import NamedTerms
from laaf_lightning.problems.same_values import same_values, shown


@dataclass(frozen=True, eq=False)
class Ansatz:
    """Hard conditions: u = g(x) + d(x)·N(x), so that some conditions hold whatever the network N is.

    Attributes:
        offset: g, which meets these conditions; maps points (N, d) to (N, C) or (N, 1), differentiable by autograd.
        factor: d, which is zero where they hold; likewise.

    Both may also give (N,) or a number.
    """

    offset: Callable[[Tensor], Tensor]
    factor: Callable[[Tensor], Tensor]

    def offset_at(self, points: Tensor) -> Tensor:
        """Return g.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N, C) or (N, 1).
        """
        return _column(self.offset(points), points, "the offset of the ansatz")

    def factor_at(self, points: Tensor) -> Tensor:
        """Return d.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N, C) or (N, 1).
        """
        return _column(self.factor(points), points, "the factor of the ansatz")


def _own_geometry(problem: PDE, part: str) -> Geometry:
    if not gives_own(problem, "geometry"):
        raise AttributeError(f"{type(problem).__name__} has neither {part} nor a geometry that it follows from")
    return problem.geometry


def _column(values: object, points: Tensor, what: str) -> Tensor:
    if isinstance(values, Tensor) and values.ndim == 2:
        return values
    values = as_tensor(values, what)
    if values.ndim == 0:
        return torch.zeros_like(points[:, :1]) + values.to(points)
    return as_columns(values, points, 1, what)


class PDE(NamedTerms, ABC):
    """An equation on a domain, as an immutable description.

    A subclass gives `coordinates` and `domain`, a box, or a `geometry`, from which both follow. Two problems are equal
    if their class and their constructor values are. Make a subclass a frozen dataclass, or set attributes in its
    constructor only.

    Attributes:
        coordinates: names of the columns of a point, in order; by default those of the geometry.
        domain: (lower, upper) of each coordinate; by default the bounding box of the geometry.
        geometry: the shape of the domain; by default the box.
        unknowns: names of what is sought, one column each of the network's output.
    """

    unknowns: ClassVar[tuple[str, ...]] = ("u",)

    if TYPE_CHECKING:
        coordinates: ClassVar[tuple[str, ...]]
        domain: ClassVar[Mapping[str, tuple[float, float]]]

        @property
        def geometry(self) -> Geometry:
            """The shape of the domain."""

    else:

        @OwnOrDerived
        def coordinates(self) -> tuple[str, ...]:
            """Names of the columns of a point, in order."""
            return tuple(_own_geometry(self, "coordinates").coordinates)

        @OwnOrDerived
        def domain(self) -> Mapping[str, tuple[float, float]]:
            """(lower, upper) of each coordinate."""
            shape = _own_geometry(self, "domain")
            return dict(zip(shape.coordinates, shape.bounds, strict=True))

        @OwnOrDerived
        def geometry(self) -> Geometry:
            """The shape of the domain, with what can be done on it."""
            return Box.of(self.domain, self.coordinates)

    @abstractmethod
    def residual(self, x: Mapping[str, Tensor], u: Field, *args: Any, **coefficients: Any) -> Tensor:
        """Return F(x, u), zero where u solves the equation.

        A subclass writes ``residual(self, x, u)``; with unknown coefficients ``residual(self, x, u, viscosity)``, one
        argument for each name in `coefficients`.

        Args:
            x: coordinate name to its column, shape (N, 1).
            u: the unknown; ``u.d("x", "x")`` is ∂²u/∂x². One of several is ``u["p"]``.
            args: none.
            coefficients: the unknown coefficients, 0-dim tensors.

        Returns:
            The residual at each point, shape (N, 1), or (N, E) for E equations.
        """

    @abstractmethod
    def conditions(self) -> Sequence[Condition]:
        """Return the initial, boundary and data conditions that the loss holds u to."""

    def ansatz(self) -> Ansatz | None:
        """Return how u is built so that further conditions hold by construction.

        Returns:
            g and d of u = g + d·N; None, the default, for u = N.
        """
        return None

    def coefficients(self) -> Mapping[str, float | Coefficient]:
        """Return the unknown coefficients of an inverse problem.

        Returns:
            Name to first guess, or to a `Coefficient` with a scale, a sign or a learning rate; they become parameters
            of the `PINN`, and arguments of `residual`. None by default.
        """
        return {}

    def true_coefficients(self) -> Mapping[str, float]:
        """Return the coefficients that the data were made with, to measure the error of the learnt ones.

        Returns:
            Name to value, as far as known; none by default.
        """
        return {}

    def exact(self, points: Tensor) -> Tensor | None:
        """Return the exact or reference solution, or None if there is none.

        Args:
            points: shape (N, d).

        Returns:
            u at the points, shape (N, C), float64, or None. A subclass may give a NumPy array, (N,) for one unknown,
            or a number that u is everywhere; `exact_solution` takes them.
        """
        return None

    def axes(self) -> dict[str, Tensor]:
        """Return the grid on which errors are measured and figures drawn.

        Returns:
            Coordinate name to its values, 1-dim, float64; by default 101 equispaced ones from end to end in up to three
            coordinates, and so many in more that the grid has a million points at most, as `Geometry.axes` has it.
        """
        return self.geometry.axes()

    def grid(self) -> Tensor:
        """Return the points of the grid that `axes` spans, without those outside of the geometry.

        Returns:
            Shape (N, d), float64, N being the product of the axes' lengths on a box; the last coordinate runs fastest.
        """
        return self.geometry.grid(self.axes())

    def columns(self, points: Tensor) -> Mapping[str, Tensor]:
        """Split points into named columns.

        Args:
            points: shape (N, d).

        Returns:
            Coordinate name to column, shape (N, 1).
        """
        return {name: points[:, i : i + 1] for i, name in enumerate(self.coordinates)}

    def condition(self, name: str) -> Condition:
        """Look a condition up by name.

        Args:
            name: as in its ``name``.

        Returns:
            The condition.

        Raises:
            ConfigurationError: if there is none of that name.
        """
        conditions = {condition.name: condition for condition in self.conditions()}
        if name not in conditions:
            raise ConfigurationError(unknown_choice(f"condition of {type(self).__name__}", name, conditions))
        return conditions[name]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # In the class itself, where a dataclass looks before it adds its own, which compare tensors by `==`.
        for name in ("__eq__", "__hash__", "__repr__"):
            if name not in vars(cls):  # a class with an __eq__ of its own has a __hash__ too, or None
                setattr(cls, name, getattr(cls, name))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other) or vars(self).keys() != vars(other).keys():
            return False
        return all(same_values(value, vars(other)[name]) for name, value in vars(self).items())

    def __hash__(self) -> int:
        # Equal values may differ in everything that could be hashed (1 and 1.0, tensors): their names do not.
        return hash((type(self), *sorted(vars(self))))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={shown(value)}' for name, value in vars(self).items())})"
