"""An unknown coefficient of an inverse problem: first guess, scale, sign and learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus

from laaf_lightning.errors import ConfigurationError


@dataclass(frozen=True)
class Coefficient:
    r"""An unknown coefficient c that is trained as a number p around 1, c = scale·p, or c = scale·log(1 + exp(p)) > 0.

    A problem's ``coefficients()`` may give one in the place of a first guess alone. The optimiser sees p; residuals,
    conditions, logs and errors see c.

    Args:
        guess: the first guess of c, finite.
        scale: about how large c is, > 0; None for 1, and for the guess where c is positive.
        positive: whether c is positive whatever p is.
        lr: learning rate of p; None for the optimiser's. The optimiser must take parameter groups.

    Raises:
        ConfigurationError: for a guess that is not finite, or not > 0 where c is positive, a scale that is not finite
            or not > 0, a negative learning rate, and `positive` that is no truth value.

    Example:
        >>> diffusivity = Coefficient(2e-6, scale=1e-6)
        >>> float(diffusivity), diffusivity.inner(2e-6)
        (2e-06, 2.0)
        >>> Coefficient(-1.0, positive=True)
        Traceback (most recent call last):
        laaf_lightning.errors.ConfigurationError: Coefficient(guess=-1.0, positive=True): the guess must be ...
    """

    guess: float
    scale: float | None = None
    positive: bool = False
    lr: float | None = None

    def __post_init__(self) -> None:
        for name in ("guess", "scale", "lr"):
            value = getattr(self, name)
            if value is None and name != "guess":
                continue
            try:
                number = math.nan if isinstance(value, (bool, str)) else float(value)
            except (TypeError, ValueError):
                number = math.nan
            if not math.isfinite(number):
                raise ConfigurationError(f"Coefficient({name}={value!r}): it must be a finite number")
            object.__setattr__(self, name, number)  # NumPy's numbers and tensors are taken; frozen for its users
        if not isinstance(self.positive, bool):
            raise ConfigurationError(f"Coefficient(positive={self.positive!r}): it must be True or False")
        if self.scale is not None and self.scale <= 0:
            raise ConfigurationError(
                f"Coefficient(scale={self.scale}): it must be > 0, about the size of the coefficient, or None"
            )
        if self.lr is not None and self.lr < 0:
            raise ConfigurationError(f"Coefficient(lr={self.lr}): it must be >= 0, or None for the optimiser's")
        if self.positive and self.guess <= 0:
            raise ConfigurationError(
                f"Coefficient(guess={self.guess}, positive=True): the guess must be > 0, as the coefficient is; for "
                "one that is negative give the equation its opposite"
            )

    def __float__(self) -> float:
        return self.guess

    @property
    def unit(self) -> float:
        """The scale, or what goes for it."""
        return (self.guess if self.positive else 1.0) if self.scale is None else self.scale

    @property
    def is_transformed(self) -> bool:
        """Whether c is another number than p."""
        return self.positive or self.unit != 1

    def value(self, inner: Tensor) -> Tensor:
        """Return c.

        Args:
            inner: p, any shape.

        Returns:
            Likewise, attached to the graph.
        """
        return self.unit * (softplus(inner) if self.positive else inner)

    def inner(self, value: float) -> float:
        """Return the p of a c.

        Args:
            value: c.

        Returns:
            p.

        Raises:
            ConfigurationError: for c ≤ 0 where c is positive.
        """
        ratio = value / self.unit
        if not self.positive:
            return ratio
        if ratio <= 0:
            raise ConfigurationError(f"{value} is no value of {self!r}, which is positive")
        return ratio + math.log(-math.expm1(-ratio))
