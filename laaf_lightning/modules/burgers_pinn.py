"""The PINN of the Burgers equation."""

from __future__ import annotations

import math
from typing import Any

from laaf_lightning.activations import Scope
from laaf_lightning.modules.pinn import PINN
from laaf_lightning.problems import Burgers


class BurgersPINN(PINN):
    """The PINN of the Burgers equation, rebuilt from a checkpoint without further arguments.

    Args:
        viscosity: ν > 0.
        scope: of the slopes, as for `PINN`.
        n: scaling factor, > 0.
        kwargs: as for `PINN`, without `problem`.
    """

    def __init__(
        self, viscosity: float = 0.01 / math.pi, *, scope: Scope = "layer", n: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(problem=Burgers(viscosity), scope=scope, n=n, **kwargs)
