"""Unknowns and derivatives by name, in the kind of numbers that the points are given in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from laaf_lightning.derivatives import Field
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import Numbers, as_tensor
from laaf_lightning.solutions.evaluated.derivatives_at import DerivativesAt
from laaf_lightning.solutions.evaluated.names import Name, parse_names
from laaf_lightning.solutions.network_fields import NetworkFields


def values_at(
    solution: NetworkFields,
    points: Numbers,
    names: str | Sequence[Name],
    own_field: Callable[[Tensor], Field] | None = None,
) -> dict[Name, Any]:
    """Evaluate what is named.

    Args:
        solution: the problem with its network.
        points: shape (…, d); in one coordinate also (N,).
        names: of unknowns and derivatives.
        own_field: asked in place of the network's field.

    Returns:
        Name to values, shape (…): arrays for an array, lists for a list, tensors on the points' device for a tensor.

    Raises:
        ConfigurationError: for names that mean nothing or several things, no names, and other points.
    """
    asked = parse_names(names, solution.problem)
    if not asked:
        raise ConfigurationError(f"names={names!r} names nothing: give what is to be evaluated, such as ['u', 'u_x']")
    given, coordinates = as_tensor(points, "points"), solution.problem.coordinates
    dimension = len(coordinates)
    single = dimension == 1 and given.ndim <= 1
    if not single and (given.ndim == 0 or given.shape[-1] != dimension):
        raise ConfigurationError(
            f"points of shape {tuple(given.shape)}: expected (N, {dimension}), columns {', '.join(coordinates)} of "
            f"{type(solution.problem).__name__}"
        )
    shape = given.shape if single else given.shape[:-1]
    values = DerivativesAt(solution, asked, own_field)(given.reshape(-1, dimension))
    return {name: _like(points, column.reshape(shape)) for name, column in values.items()}


def _like(points: Numbers, values: Tensor) -> Any:
    if isinstance(points, Tensor):
        return values.to(points.device)
    if values.dtype in {torch.bfloat16, torch.float16}:  # of which NumPy knows one only
        values = values.float()
    return values.tolist() if isinstance(points, (list, tuple, int, float)) else values.numpy()
