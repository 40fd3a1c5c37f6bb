"""Partial derivatives by name, such as ``u_xx``, of what a PINN has learnt: the setting of that name."""

from __future__ import annotations

from collections.abc import Sequence

from pytorch_lightning import LightningModule
from torch import Tensor

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.solutions.evaluated import Derivative, DerivativesAt, parse_names

SETTING = "derivatives"


def parse_derivatives(asked: str | Sequence[str] | None, model: LightningModule) -> tuple[Derivative, ...]:
    """Find out which derivatives are meant.

    Args:
        asked: names "unknown_coordinates", separated by commas or in a list.
        model: a `PINN`, whose problem has the names.

    Returns:
        Each once, in this order.

    Raises:
        ConfigurationError: for names that mean nothing or several things, and another model.
    """
    parts = asked.split(",") if isinstance(asked, str) else list(asked or ())
    names = [name for part in parts if (name := part.strip())]
    if not names:
        return ()
    if not isinstance(model, PINN):
        raise ConfigurationError(
            f"{SETTING}={','.join(names)}: {type(model).__name__} has no named coordinates to differentiate by, as a "
            "PINN has"
        )
    return parse_names(names, model.problem, SETTING)


class DerivativesOf:
    """Computes derivatives of a PINN, by the best engine that serves for them.

    Args:
        model: the module, on its device.
        derivatives: which; at least one.
    """

    def __init__(self, model: PINN, derivatives: Sequence[Derivative]) -> None:
        self._of_points = DerivativesAt(model.solution, derivatives, model.solution.own_field)

    def __call__(self, points: Tensor) -> dict[str, Tensor]:
        """Differentiate, a chunk of points at a time.

        Args:
            points: shape (N, d).

        Returns:
            Name to values, each (N,), without graph, on the CPU.
        """
        return {str(name): values for name, values in self._of_points(points).items()}
