"""What the title of a figure says about the run that it shows."""

from __future__ import annotations

from dataclasses import dataclass

_SLOPES = {"fixed": "fixed activation", "global": "global slope"}


@dataclass(frozen=True)
class RunFacts:
    """Where a run is and which slopes it trains, each None where it is not known.

    Attributes:
        step: optimiser steps done.
        scope: of the slopes, as for `AdaptiveActivation`.
        n: scaling factor.

    Example:
        >>> RunFacts(step=2000, scope="layer", n=10.0).title(error=3.14e-4)
        'step 2000, relative L2 error 3.1e-4, layer-wise slopes, n = 10'
        >>> RunFacts().title(error=0.5, is_relative=False, where=" on these slices")
        'root mean square error 5.0e-1 on these slices'
    """

    step: int | None = None
    scope: str | None = None
    n: float | None = None

    def title(self, error: float | None = None, *, is_relative: bool = True, where: str = "") -> str | None:
        """Write what is known.

        Args:
            error: relative L2 error of what is drawn, NaN and infinity included; None if it is not known.
            is_relative: whether it is relative, else absolute.
            where: behind it.

        Returns:
            One line, or None if nothing is known.
        """
        known = []
        if self.step is not None:
            known.append(f"step {self.step}")
        if error is not None:
            kind = "relative L2 error" if is_relative else "root mean square error"
            known.append(f"{kind} {_scientific(error)}{where}")
        if self.scope is not None:
            known.append(_SLOPES.get(self.scope, f"{self.scope}-wise slopes"))
        if self.n is not None and self.scope != "fixed":  # σ(z) has no n
            known.append(f"n = {self.n:g}")
        return ", ".join(known) or None


def _scientific(number: float) -> str:
    """Write two digits, with an exponent as short as people write it."""
    mantissa, e, exponent = f"{number:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}" if e else mantissa
