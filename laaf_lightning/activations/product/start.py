"""Where a slope starts: 1/n as its dtype holds it, and what makes the effective slope exactly 1 there."""

from __future__ import annotations

import math
from fractions import Fraction

import torch
from torch import Tensor

HELD = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def start_value(n: float, dtype: torch.dtype) -> float:
    """Return 1/n as a slope of a dtype holds it.

    Args:
        n: scaling factor.
        dtype: one of `HELD`.

    Returns:
        The rounded value; torch casts to half precision by way of float32, and so does this.
    """
    return _rounded(1.0 / n if dtype == torch.float64 else _rounded(1.0 / n, torch.float32), dtype)


def offset_at_start(n: float, dtype: torch.dtype) -> float:
    r"""Return the c with which the effective slope :math:`s = n \cdot a + c` is exactly 1 at the start.

    It is :math:`1 - \mathrm{fl}(n \cdot a_0)`, 0 for most n; where a compiler that contracts product and sum to
    one rounding would miss 1 with it, it is half a rounding error beside that. The slope is formed in float32, or
    in float64 where a is held so.

    Args:
        n: scaling factor.
        dtype: in which the slope is held, one of `HELD`.

    Returns:
        c, a number of the dtype in which the slope is formed; 0 where 1/n is beyond the dtype in which it is held.

    Example:
        >>> offset_at_start(10, torch.float32), offset_at_start(41, torch.float32)
        (0.0, 5.96...e-08)
    """
    formed = torch.promote_types(dtype, torch.float32)
    start, factor = start_value(n, dtype), _rounded(n, formed)
    if math.inf in {start, factor}:
        return 0.0
    exact = Fraction(start) * Fraction(factor)
    product = Fraction(_rounded(exact, formed))
    offsets = (_rounded(1 - product, formed), _rounded(1 - (product + exact) / 2, formed))
    return next(c for c in offsets if _is_one(product + Fraction(c), formed) and _is_one(exact + Fraction(c), formed))


def offsets_at_start(n: float) -> dict[torch.dtype, float]:
    """Return the offset for every dtype in which a slope may be held.

    Args:
        n: scaling factor.

    Returns:
        `offset_at_start` by dtype.
    """
    return {dtype: offset_at_start(n, dtype) for dtype in HELD}


def in_dtype_of(like: Tensor, a: Tensor, n: float) -> Tensor:
    """Cast slopes so that their distance from the start is kept: what is at the start stays there.

    Args:
        like: the same slopes as torch casts them; gives dtype and device.
        a: the slopes as they were, in another dtype.
        n: scaling factor.

    Returns:
        The slopes, in a tensor of their own; `like` where a dtype is none of `HELD`.
    """
    if not {a.dtype, like.dtype} <= set(HELD):
        return like.detach()
    wide = torch.promote_types(a.dtype, like.dtype)
    shift = start_value(n, like.dtype) - start_value(n, a.dtype)
    moved = a.to(wide) + shift if math.isfinite(shift) else a
    return moved.to(device=like.device, dtype=like.dtype)


def _rounded(value: float | Fraction, dtype: torch.dtype) -> float:
    """Round a number to a dtype, without tensors: they may be fake, or on a device without numbers."""
    number = float(value)
    if dtype == torch.float64 or number == 0:
        return number
    info = torch.finfo(dtype)
    step = info.eps * max(2.0 ** (math.frexp(number)[1] - 1), info.tiny)
    rounded = round(value / (Fraction(step) if isinstance(value, Fraction) else step)) * step
    return rounded if abs(rounded) <= info.max else math.copysign(math.inf, number)


def _is_one(value: Fraction, dtype: torch.dtype) -> bool:
    """Tell whether an exact value rounds to 1, of two equally near ones to the even one, which 1 is."""
    eps = Fraction(torch.finfo(dtype).eps)
    return 1 - eps / 4 <= value <= 1 + eps / 2
