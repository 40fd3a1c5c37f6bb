"""Operations that a slope passes unchanged: op(s·y) = s·op(y), and where each feature goes in them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from laaf_lightning.activations.folding.tracing.tape import Event
from laaf_lightning.activations.recording.tensors import memory_of

_MOVES = {
    "alias", "clone", "contiguous", "detach", "expand", "flip", "lift_fresh", "permute", "pixel_shuffle",
    "pixel_unshuffle", "reshape", "_reshape_alias", "roll", "select", "slice", "squeeze", "t", "transpose",
    "unsqueeze", "_unsafe_view", "view",
}  # fmt: skip
_PRODUCTS = {"mul", "div", "neg", "native_dropout"}
_LARGEST = {"max_pool1d": 1, "max_pool2d_with_indices": 2, "max_pool3d_with_indices": 3, "max_pool2d": 2,
            "max_pool3d": 3, "adaptive_max_pool2d": 2, "adaptive_max_pool3d": 3}  # fmt: skip
_MEANS = {"avg_pool1d": 1, "avg_pool2d": 2, "avg_pool3d": 3, "adaptive_avg_pool1d": 1, "_adaptive_avg_pool2d": 2,
          "_adaptive_avg_pool3d": 3, "upsample_nearest1d": 1, "upsample_nearest2d": 2, "upsample_nearest3d": 3,
          "upsample_bilinear2d": 2, "upsample_trilinear3d": 3, "upsample_linear1d": 1}  # fmt: skip
_REDUCTIONS = {"mean", "sum", "amax"}
_SHAPE_ONLY = {
    "empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like", "new_empty",
    "new_empty_strided", "new_zeros", "new_ones", "new_full",
}  # fmt: skip
_WORDS = {
    "add": "an addition", "sub": "a subtraction", "rsub": "a subtraction", "cat": "a concatenation",
    "stack": "a concatenation", "_to_copy": "a change of dtype",
}  # fmt: skip


def source(event: Event) -> Tensor | None:
    """Return the value that an operation passes a slope of.

    Args:
        event: any.

    Returns:
        The tensor; None where the operation does not commute with a factor, of whatever sign or of a positive one.
    """
    if event.overwrites or not event.inputs or not event.outputs:
        return None
    (output, *_), (first, *others) = event.outputs, event.inputs
    if event.name in _PRODUCTS:
        if event.named.get("rounding_mode") is not None:
            return None
        if len({memory_of(tensor) for tensor in event.inputs}) < len(event.inputs):
            return None  # a square
        fitting = [first, *others] if event.name == "mul" else [first]
        return next((tensor for tensor in fitting if tensor.shape == output.shape), None)
    known = _MOVES | _LARGEST.keys() | _MEANS.keys() | _REDUCTIONS
    return first if event.name in known and not others else None


def reads_shape_only(event: Event) -> bool:
    """Tell whether an operation takes nothing but shape and dtype of its argument.

    Args:
        event: any.

    Returns:
        Whether the argument's values do not count.
    """
    return event.name in _SHAPE_ONLY


def needs_positive(event: Event) -> bool:
    """Tell whether a slope must be positive to pass.

    Args:
        event: that has a `source`.

    Returns:
        Whether it takes the largest of some numbers.
    """
    return event.name in _LARGEST or event.name == "amax"


def follow(event: Event, numbers: Tensor) -> Tensor | None:
    """Follow the numbers of features through an operation.

    Args:
        event: that has a `source`.
        numbers: of each element of its source.

    Returns:
        Of each element of its result; None where features are mixed.
    """
    (output, *_) = event.outputs
    if event.name in _MOVES:
        given, numbers = source(event), numbers.contiguous()
        arguments = (numbers if argument is given else argument for argument in event.arguments)
        moved = event.function(*arguments, **event.named)
        return moved if isinstance(moved, Tensor) else None
    if event.name in _PRODUCTS:
        return numbers if numbers.shape == output.shape else None
    spatial = {**_LARGEST, **_MEANS}.get(event.name)
    if spatial is not None:
        one = _one_of(numbers, range(numbers.ndim - spatial, numbers.ndim))
        return None if one is None else one.expand(output.shape)
    return _reduced(event, numbers)


def _reduced(event: Event, numbers: Tensor) -> Tensor | None:
    dims: Any = event.arguments[1] if len(event.arguments) > 1 else event.named.get("dim")
    every = range(numbers.ndim)
    dims = [every[dim] for dim in ([dims] if isinstance(dims, int) else dims)] if dims not in (None, []) else [*every]
    one = _one_of(numbers, dims)
    if one is None:
        return None
    (output, *_) = event.outputs
    return one if one.shape == output.shape else one.squeeze(tuple(dims))


def _one_of(numbers: Tensor, dims: Any) -> Tensor | None:
    """Return the number that all elements along some dimensions have in common."""
    one = numbers
    for dim in dims:
        one = one.narrow(dim, 0, 1)
    return one if bool((numbers == one).all()) else None


def described(event: Event) -> str:
    """Say what stands in the way.

    Args:
        event: an operation.

    Returns:
        Its name in words; with a remark where it overwrites its argument.
    """
    name = event.name.rstrip("_")
    words = _WORDS.get(name, name)
    return f"{words} in place" if event.overwrites else words


def slope_of_each_channel(slope: Tensor, shape: torch.Size, numbers: Tensor, count: int) -> Tensor | None:
    """Find for each feature which of a site's slopes acts on it.

    Args:
        slope: of the site, broadcast against z.
        shape: of z.
        numbers: the feature of each element of z.
        count: of features.

    Returns:
        The number of the slope for each feature, −1 for one that z does not hold; None where a feature has several.
    """
    which = torch.arange(slope.numel()).reshape(slope.shape).expand(shape).reshape(-1)
    numbers = numbers.reshape(-1)
    lowest = torch.full((count,), slope.numel()).scatter_reduce(0, numbers, which, "amin")
    highest = torch.full((count,), -1).scatter_reduce(0, numbers, which, "amax")
    read = highest >= 0
    return torch.where(read, highest, -1) if bool((lowest == highest)[read].all()) else None
