"""Random numbers of an image set, a stream for each purpose, that can be drawn again."""

from __future__ import annotations

import numpy as np
import torch

# What a random stream is for; each has its own numbers under the same seed.
EPOCH_ORDER, VALIDATION_PART, TEST_PART, AUGMENTATION, SUBSET, SECOND_PASS = range(6)


def seeded_generator(seed: int, purpose: int, epoch: int = 0) -> torch.Generator:
    """Make a CPU generator whose numbers depend on all three arguments and on nothing else.

    Args:
        seed: the data set's seed, at least 0.
        purpose: what the numbers are for, so that two uses of one seed are independent.
        epoch: the epoch they are for, at least 0.

    Returns:
        The generator, seeded through ``numpy.random.SeedSequence``.

    Example:
        >>> one, again = (torch.rand(1, generator=seeded_generator(0, EPOCH_ORDER, 3)) for _ in range(2))
        >>> bool(one == again)
        True
    """
    state = np.random.SeedSequence((seed, purpose, epoch)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
