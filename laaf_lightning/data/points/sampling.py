"""Points of a problem's domain: random, Latin hypercube, Sobol."""

from __future__ import annotations

from torch import Tensor

from laaf_lightning.problems import PDE
from laaf_lightning.problems.geometry import Sampler, sample_unit_cube

__all__ = ["Sampler", "sample_box", "sample_unit_cube"]


def sample_box(problem: PDE, sampler: Sampler, count: int, seed: int) -> Tensor:
    """Draw points of a problem's domain, a box or another geometry.

    Args:
        problem: has the domain.
        sampler: as for `sample_unit_cube`.
        count: number of points.
        seed: the same seed gives the same points.

    Returns:
        Shape (count, d), float64.
    """
    return problem.geometry.sample_interior(count, sampler, seed)
