"""The functions that a fused product knows, with settings other than torch's own too."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations.elementwise import FUNCTIONS, MODULES
from laaf_lightning.activations.product import scaled as module

_ARGUMENTS: dict[type[nn.Module], tuple[Any, ...]] = {nn.Threshold: (0.3, -2.0)}

KNOWN: dict[str, Callable[[Tensor], Tensor]] = {
    **FUNCTIONS,
    **{kind.__name__: kind(*_ARGUMENTS.get(kind, ())).eval() for kind in MODULES},
    "GELU_tanh": nn.GELU("tanh"),
    "gelu_tanh": functools.partial(nn.functional.gelu, approximate="tanh"),
    "Softplus_2": nn.Softplus(2, 5.0),
    "LeakyReLU_0.3": nn.LeakyReLU(0.3),
    "leaky_relu_in_place": functools.partial(nn.functional.leaky_relu, negative_slope=0.2, inplace=True),
    "ELU_0.7": nn.ELU(0.7),
    "CELU_0.5": nn.CELU(0.5),
    "Hardtanh_-0.3_0.7": nn.Hardtanh(-0.3, 0.7),
    "Hardshrink_0.1": nn.Hardshrink(0.1),
    "Softshrink_0.2": nn.Softshrink(0.2),
    "ReLU_in_place": nn.ReLU(inplace=True),
    "ReLU6_in_place": nn.ReLU6(inplace=True),
    "SiLU_in_place": nn.SiLU(inplace=True),
}
# Of torch's modules these have tensors of their own, or draw numbers.
WITHOUT_SIGMA = ("PReLU", "RReLU")
SLOPE_SHAPES = {
    "layer": ((6, 3, 4, 5), ()),
    "channels": ((6, 3, 4, 5), (3, 1, 1)),
    "neurons": ((6, 3, 4, 5), (3, 4, 5)),
    "features": ((7, 3), (3,)),
}


@pytest.fixture
def fuse_all() -> Iterator[None]:
    """Fuse products of few numbers too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FEWEST_KEPT", "FEWEST_AGAIN", "FEWEST_FEATURES"):
            patch.setattr(module, name, 0)
        yield


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors hold the same numbers, NaN being one of them."""
    return one.dtype == other.dtype and bool(((one == other) | (one.isnan() & other.isnan())).all())


def every_number(dtype: torch.dtype) -> Tensor:
    """Return all numbers of a half precision, NaN and infinities included."""
    return torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
