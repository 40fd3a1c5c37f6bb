"""Since when each of some tensors holds NaN or infinity, kept on their device so that nothing waits for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

NEVER = 2**62
_KINDS = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128}
_SUMMED_IN = {torch.float16: torch.float32, torch.bfloat16: torch.float32}


def can_be_watched(tensor: Tensor) -> bool:
    """Tell whether a tensor can hold NaN, and can be asked.

    Args:
        tensor: any.

    Returns:
        False for whole numbers, empty and sparse tensors and those without data.
    """
    if is_lazy(tensor) or tensor.layout is not torch.strided or tensor.is_meta:
        return False
    return tensor.dtype in _KINDS and tensor.numel() > 0


def one_number_each(tensors: Sequence[Tensor]) -> Tensor:
    """Make of each tensor one number that is finite where the tensor is.

    On a CPU it is the sum, which also overflows for finite values near the end of the range; elsewhere the largest
    absolute value, in one kernel for all.

    Args:
        tensors: of one device, at least one, none empty.

    Returns:
        As many numbers, on that device.
    """
    if tensors[0].device.type == "cpu":
        return torch.stack([tensor.sum(dtype=_SUMMED_IN.get(tensor.dtype)) for tensor in tensors])
    return torch.stack(torch._foreach_norm(list(tensors), math.inf))


class Marks:
    """The time from which on each of some tensors is not finite.

    Args:
        tensors: of which the devices and dtypes are taken.
        factors: by which each is multiplied before it is looked at; None for none.
        forgives: whether a tensor that is finite again counts as if nothing had been.
    """

    def __init__(
        self, tensors: Sequence[Tensor], factors: Sequence[float] | None = None, *, forgives: bool = True
    ) -> None:
        self._count = len(tensors)
        self._forgives = forgives
        self._places: list[list[int]] = [
            [place for place, tensor in enumerate(tensors) if tensor.device == device]
            for device in dict.fromkeys(tensor.device for tensor in tensors)
        ]
        firsts = [tensors[places[0]] for places in self._places]
        self._since = [
            torch.full((len(places),), NEVER, dtype=torch.int64, device=first.device)
            for places, first in zip(self._places, firsts, strict=True)
        ]
        self._factors: list[Tensor | None] = [None] * len(firsts)
        if factors is not None and any(factor != 1 for factor in factors):
            self._factors = [
                torch.tensor([factors[place] for place in places], dtype=torch.float32, device=first.device)
                for places, first in zip(self._places, firsts, strict=True)
            ]
        self._zeros = [torch.zeros((), dtype=tensor.dtype, device=tensor.device) for tensor in tensors]

    def look(self, now: int, tensors: Sequence[Tensor | None]) -> None:
        """Look at the tensors once.

        Args:
            now: the time.
            tensors: in the order of construction; None counts as finite.
        """
        for number, places in enumerate(self._places):
            given = [tensors[place] for place in places]
            present = [
                self._zeros[place] if tensor is None or not can_be_watched(tensor) else tensor
                for place, tensor in zip(places, given, strict=True)
            ]
            numbers, factors = one_number_each(present), self._factors[number]
            if factors is not None:
                numbers = numbers * factors
            since = self._since[number]
            finite_since = NEVER if self._forgives else since
            self._since[number] = torch.where(numbers.isfinite(), finite_since, since.clamp(max=now))

    def read(self) -> list[int]:
        """Wait for the device and read.

        Returns:
            For each tensor the time since which it is not finite; `NEVER` for one that is.
        """
        read = [NEVER] * self._count
        for places, since in zip(self._places, self._since, strict=True):
            for place, time in zip(places, since.tolist(), strict=True):
                read[place] = time
        return read
