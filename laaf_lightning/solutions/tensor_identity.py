"""Whether a tensor is still the one that it was, with the numbers that it had."""

from __future__ import annotations

import weakref

from torch import Tensor


class TensorIdentity:
    """Knows a tensor again, by the object and by the version that torch counts up with every change in place.

    It holds no reference to the numbers. A change that torch does not count, through ``.data`` or NumPy, is not seen.

    Args:
        tensor: any but one that was made in inference mode, for which torch counts no versions.

    Example:
        >>> import torch
        >>> points = torch.zeros(2)
        >>> identity = TensorIdentity(points)
        >>> identity.is_that_of(points), identity.is_that_of(points.add_(1))
        (True, False)
    """

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = weakref.ref(tensor)
        self._version = tensor._version  # torch has no public name for it

    @property
    def is_gone(self) -> bool:
        """Whether the tensor is no more."""
        return self._tensor() is None

    def is_that_of(self, tensor: Tensor) -> bool:
        """Tell whether a tensor is the same object, unchanged.

        Args:
            tensor: any.

        Returns:
            Whether it is.
        """
        return self._tensor() is tensor and self._version == tensor._version
