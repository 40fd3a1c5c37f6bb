"""Points of the unit cube: random, Latin hypercube, Sobol."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from laaf_lightning.errors import ConfigurationError, unknown_choice

Sampler = Literal["uniform", "latin_hypercube", "sobol"]


def sample_unit_cube(sampler: Sampler, count: int, dimension: int, seed: int) -> Tensor:
    """Draw points of the unit cube.

    Args:
        sampler: ``"uniform"``; ``"latin_hypercube"``, one point in each of `count` equal slices of every coordinate; or
            ``"sobol"`` (scrambled).
        count: number of points.
        dimension: number of coordinates.
        seed: the same seed gives the same points.

    Returns:
        Shape (count, dimension), float64, in [0, 1).

    Raises:
        ConfigurationError: for an unknown sampler.

    Example:
        >>> points = sample_unit_cube("latin_hypercube", 4, dimension=2, seed=0)
        >>> (4 * points[:, 0]).floor().sort().values.tolist()
        [0.0, 1.0, 2.0, 3.0]
    """
    generator = torch.Generator().manual_seed(seed)
    if sampler == "uniform":
        return torch.rand(count, dimension, dtype=torch.float64, generator=generator)
    if sampler == "latin_hypercube":
        strata = torch.stack([torch.randperm(count, generator=generator) for _ in range(dimension)], dim=1)
        within = torch.rand(count, dimension, dtype=torch.float64, generator=generator)
        return (strata + within) / max(count, 1)
    if sampler == "sobol":
        engine = torch.quasirandom.SobolEngine(dimension, scramble=True, seed=seed)
        return engine.draw(count, dtype=torch.float64) if count else torch.empty(0, dimension, dtype=torch.float64)
    raise ConfigurationError(unknown_choice("sampler", sampler, get_args(Sampler)))
