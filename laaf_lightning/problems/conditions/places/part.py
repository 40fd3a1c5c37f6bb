"""A part of a place, by a mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems.conditions.places.given import as_place
from laaf_lightning.problems.conditions.places.masked import Masked


@dataclass(frozen=True, eq=False)
class Part(Masked):
    """The points of a place that a mask selects.

    Args:
        of: a place, as for `Condition`: a face ``("x", 0.0)``, ``"boundary"``, ``"inside"``, a shape, points.
        mask: maps points (N, d), float64, to truth values (N,).

    Raises:
        ConfigurationError: for what is no place, two paired ones, and what is no mask.

    Example:
        >>> import laaf_lightning as laaf
        >>> heated = laaf.Part(("x", 0.0), lambda points: points[:, 1] < 0.5)
        >>> laaf.Dirichlet("heated", heated, 1.0).name
        'heated'
    """

    if TYPE_CHECKING:

        def __init__(self, of: Any, mask: Callable[[Tensor], Any]) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", as_place(self.of, "of", "a Part"))
        if self.of.is_paired:
            raise ConfigurationError("a Part of two paired places: pair the parts instead, Pair(Part(…), …)")
        super().__post_init__()
