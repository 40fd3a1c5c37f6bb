"""Terms of a loss that are no residual at a point: what a problem gives for them, and what it is asked with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from laaf_lightning.derivatives import AutogradField, Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import Numbers
from laaf_lightning.problems import PDE, CollocationBatch
from laaf_lightning.problems.named_terms import NamedTerms, refuse_taken

OwnTerms = Callable[["AtOwnPoints", CollocationBatch], Mapping[str, Tensor]]


class AtOwnPoints:
    """A solution that a problem's own terms ask at points of theirs, whatever differentiates it elsewhere.

    Args:
        problem: names the coordinates and unknowns.
        values: maps points (N, d) to u (N, C), hard conditions built in.
        coefficients: the unknown coefficients by name.
        as_points: takes points as they were given.

    Attributes:
        problem: the problem.
        coefficients: the unknown coefficients by name, 0-dim.
        gave_graph: whether anything that it gave can be differentiated by what is trained.

    Example:
        >>> import torch
        >>> from laaf_lightning.problems import Burgers
        >>> u = AtOwnPoints(Burgers(), lambda points: points[:, :1] ** 2 * points[:, 1:], {}, torch.as_tensor)
        >>> points = torch.tensor([[3.0, 1.0]])
        >>> u(points).item(), u.field(points).d("x", "x").item()
        (9.0, 2.0)
    """

    def __init__(
        self,
        problem: PDE,
        values: Callable[[Tensor], Tensor],
        coefficients: Mapping[str, Tensor],
        as_points: Callable[[Numbers], Tensor],
    ) -> None:
        self.problem, self.coefficients = problem, coefficients
        self._values, self._as_points = values, as_points
        self.gave_graph = False

    def __call__(self, points: Numbers) -> Tensor:
        """Return u.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N, C), attached to the graph.
        """
        return self._noted(self._as_points(points))

    def field(self, points: Numbers) -> Field:
        """Return u with derivatives of any order, by nested autograd.

        Args:
            points: shape (N, d).

        Returns:
            The field, attached to the graph.
        """
        return AutogradField(
            self._noted, self._as_points(points), tuple(self.problem.coordinates), tuple(self.problem.unknowns)
        )

    def _noted(self, points: Tensor) -> Tensor:
        values = self._values(points)
        self.gave_graph |= values.requires_grad
        return values


def gives_own_terms(owner: object) -> bool:
    """Tell whether a problem has terms of its own.

    Args:
        owner: the problem.

    Returns:
        Whether its class overrides ``own_terms``.
    """
    return getattr(type(owner), "own_terms", None) is not NamedTerms.own_terms


def checked_own_terms(
    owner: object, given: OwnTerms, u: AtOwnPoints, batch: CollocationBatch, taken: Sequence[str]
) -> dict[str, Tensor]:
    """Ask for own terms, and refuse what cannot be a part of a loss.

    Args:
        owner: whose they are, for the error.
        given: gives them.
        u: the solution.
        batch: what the step trains on.
        taken: names of the other terms.

    Returns:
        Name to 0-dim tensor.

    Raises:
        ConfigurationError: for what is no mapping from names to 0-dim tensors of real numbers, a name that is taken, a
            term that was cut off from u's graph, and for what u does not have.
    """
    kind = type(owner).__name__
    try:
        terms: object = given(u, batch)
    except (AttributeError, TypeError) as error:
        raise ConfigurationError(
            f"{kind}.own_terms fails, {type(error).__name__}: {error}; it is called as own_terms(u, batch), where "
            "u(points) is u at points of your own, and u.field(points) u there with u.d('x') and u['p']"
        ) from error
    if not isinstance(terms, Mapping):
        raise ConfigurationError(
            f"{kind}.own_terms gives {_shown(terms)}: it must give a mapping from names to 0-dim tensors, such as "
            "{'mass': (u(points).mean() - 1).square()}"
        )
    for name, term in terms.items():
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"{kind}.own_terms has a term called {name!r}: its name must be a string")
        refuse_taken(f"the own term {name!r} of {kind}", name, taken, ())
        if not isinstance(term, Tensor) or term.ndim or not term.is_floating_point():
            raise ConfigurationError(
                f"the own term {name!r} of {kind} is {_shown(term)}: it must be a 0-dim tensor of real numbers, such "
                "as the .mean() or the .sum() of one"
            )
        if u.gave_graph and not term.requires_grad and torch.is_grad_enabled() and bool(term):
            raise ConfigurationError(
                f"the own term {name!r} of {kind} has no gradient, so that it would train nothing: compute it from "
                "u(points) by torch alone, without detach(), item(), numpy() or torch.tensor()"
            )
    return dict(terms)


def _shown(value: object) -> str:
    return f"a tensor of shape {tuple(value.shape)} and {value.dtype}" if isinstance(value, Tensor) else repr(value)
