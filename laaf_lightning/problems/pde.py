"""What a partial differential equation is: coordinates, domain, residual, conditions, a known solution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError, unknown_choice


@dataclass(frozen=True)
class Dirichlet:
    """Values of u on a face of the domain, as an initial or boundary condition.

    Attributes:
        name: what settings and errors call it, for example ``"initial"``.
        at: the fixed coordinate and its value, for example ``("t", 0.0)``.
        value: maps points (N, d) to the prescribed u (N, 1).
    """

    name: str
    at: tuple[str, float]
    value: Callable[[Tensor], Tensor]


class PDE(ABC):
    """An equation on a box, as an immutable description.

    Two problems are equal if their class and their constructor values are. Make a subclass a frozen dataclass,
    or set attributes in its constructor only.

    Attributes:
        coordinates: names of the columns of a point, in order.
        domain: (lower, upper) of each coordinate.
    """

    coordinates: ClassVar[tuple[str, ...]]
    domain: ClassVar[Mapping[str, tuple[float, float]]]

    @abstractmethod
    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        """Return F(x, u), zero where u solves the equation.

        Args:
            x: coordinate name to its column, shape (N, 1).
            u: the unknown; ``u.d("x", "x")`` is ∂²u/∂x².

        Returns:
            The residual at each point, shape (N, 1).
        """

    @abstractmethod
    def conditions(self) -> Sequence[Dirichlet]:
        """Return the initial and boundary conditions."""

    def exact(self, points: Tensor) -> Tensor | None:
        """Return the exact or reference solution, or None if there is none.

        Args:
            points: shape (N, d).

        Returns:
            u at the points, shape (N, 1), float64, or None.
        """
        return None

    def axes(self) -> dict[str, Tensor]:
        """Return the grid on which errors are measured and figures drawn.

        Returns:
            Coordinate name to its values, 1-dim, float64; by default 101 equispaced ones from end to end.
        """
        return {name: torch.linspace(*self.domain[name], 101, dtype=torch.float64) for name in self.coordinates}

    def grid(self) -> Tensor:
        """Return all points of the grid that `axes` spans.

        Returns:
            Shape (product of the axes' lengths, d), float64; the last coordinate runs fastest.
        """
        axes = self.axes()
        return torch.cartesian_prod(*(axes[name] for name in self.coordinates)).reshape(-1, len(self.coordinates))

    def columns(self, points: Tensor) -> Mapping[str, Tensor]:
        """Split points into named columns.

        Args:
            points: shape (N, d).

        Returns:
            Coordinate name to column, shape (N, 1).
        """
        names = self.coordinates
        return MappingProxyType({name: points[:, i : i + 1] for i, name in enumerate(names)})

    def condition(self, name: str) -> Dirichlet:
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

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or vars(self).keys() != vars(other).keys():
            return False
        return all(_same(value, vars(other)[name]) for name, value in vars(self).items())

    def __hash__(self) -> int:
        # Equal values may differ in everything that could be hashed (1 and 1.0, tensors): their names do not.
        return hash((type(self), *sorted(vars(self))))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def _same(one: object, other: object) -> bool:
    """Compare two attributes, of which measured data are tensors."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    return bool(one == other)
