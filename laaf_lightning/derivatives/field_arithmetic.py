"""What makes a field behave as its value: operators, comparisons, indexing, the functions and methods of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class FieldArithmetic:
    """Base of `Field`: stands for the tensor `value` in expressions, whose results are tensors.

    Comparisons are elementwise, as those of tensors are. Methods of tensors are the value's, but for those that change
    it in place. Its length is N; to go through it is to go through the unknowns.

    Attributes:
        value: shape (N, C).
    """

    value: Tensor
    __array_ufunc__ = None  # NumPy's numbers leave operators to the field

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return function(*map(_value, args), **{name: _value(argument) for name, argument in (kwargs or {}).items()})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "value" not in vars(self):  # a copy that is being made has no value yet
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if not hasattr(Tensor, name):
            raise AttributeError(self._lacks(name))
        if name.endswith("_"):
            raise AttributeError(f"u.{name}() would change u in place: write u.{name.rstrip('_')}(), which does not")
        return getattr(self.value, name)

    def _lacks(self, name: str) -> str:
        return f"{type(self).__name__!r} has no attribute {name!r}: it has d(…) and what a tensor has"

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]  # elementwise, as of a tensor
        return torch.eq(self.value, _value(other))

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]  # likewise
        return torch.ne(self.value, _value(other))

    __hash__ = object.__hash__

    def __lt__(self, other: Any) -> Tensor:
        return torch.lt(self.value, _value(other))

    def __le__(self, other: Any) -> Tensor:
        return torch.le(self.value, _value(other))

    def __gt__(self, other: Any) -> Tensor:
        return torch.gt(self.value, _value(other))

    def __ge__(self, other: Any) -> Tensor:
        return torch.ge(self.value, _value(other))

    def __add__(self, other: Any) -> Tensor:
        return torch.add(self.value, _value(other))

    def __sub__(self, other: Any) -> Tensor:
        return torch.sub(self.value, _value(other))

    def __rsub__(self, other: Any) -> Tensor:
        return torch.sub(_value(other) * torch.ones_like(self.value), self.value)

    def __mul__(self, other: Any) -> Tensor:
        return torch.mul(self.value, _value(other))

    def __matmul__(self, other: Any) -> Tensor:
        return torch.matmul(self.value, _value(other))

    def __truediv__(self, other: Any) -> Tensor:
        return torch.div(self.value, _value(other))

    def __rtruediv__(self, other: Any) -> Tensor:
        return torch.mul(self.value.reciprocal(), _value(other))

    def __floordiv__(self, other: Any) -> Tensor:
        return torch.floor_divide(self.value, _value(other))

    def __rfloordiv__(self, other: Any) -> Tensor:
        return torch.floor_divide(_value(other) * torch.ones_like(self.value), self.value)

    def __rmod__(self, other: Any) -> Tensor:
        return torch.remainder(_value(other), self.value)

    def __mod__(self, other: Any) -> Tensor:
        return torch.remainder(self.value, _value(other))

    def __pow__(self, exponent: Any) -> Tensor:
        return torch.pow(self.value, _value(exponent))

    def __rpow__(self, base: Any) -> Tensor:
        return torch.pow(_value(base), self.value)

    def __abs__(self) -> Tensor:
        return torch.abs(self.value)

    def __neg__(self) -> Tensor:
        return torch.neg(self.value)

    def __pos__(self) -> Tensor:
        return self.value

    __radd__ = __add__
    __rmul__ = __mul__


def _value(argument: Any) -> Any:
    """Return the (N, C) value for a field, also inside the lists that functions such as ``torch.cat`` take."""
    if isinstance(argument, (list, tuple)):
        return [_value(part) for part in argument]
    return argument.value if isinstance(argument, FieldArithmetic) else argument
