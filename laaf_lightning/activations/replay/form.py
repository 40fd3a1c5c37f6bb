"""The form of what a forward was called with: no data, but what an example like it can be made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from laaf_lightning.activations.recording.example import Example

Form = dict[str, Any]
_MARK = "_laaf_called_with"
_PLAIN = (type(None), bool, int, float, str)
_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128, torch.bool,
        torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    )
}  # fmt: skip
_SEQUENCES = {"list": list, "tuple": tuple}
# A form may come from a file, and an example of it must fit into memory.
_DEPTH, _PARTS, _LETTERS, _DIMENSIONS, _NUMBERS = 16, 1_000, 1_000, 16, 2**28
_FEW = 2  # samples, with which batch normalisation still runs in training mode


def form_of(example: Example) -> Form | None:
    """Write down the form of a forward's arguments.

    Args:
        example: the arguments.

    Returns:
        Plain values: lists, tuples and dicts as they lie in one another, each tensor as dtype and shape, None, bool,
        int, float and str as they are. None where there is something else among them, or more than an example is to
        be made of.

    Example:
        >>> form_of(Example((torch.ones(4, 2),), {"scale": 2.0}))
        {'tuple': [{'tuple': [{'tensor': ['float32', 4, 2]}]}, {'dict': [['scale', 2.0]]}]}
    """
    try:
        form = _written((example.positional, example.named), _DEPTH)
        check_form(form)
    except (TypeError, ValueError):
        return None
    return form  # type: ignore[no-any-return]


def check_form(form: Any) -> None:
    """Check a form that may come from a file, without making anything of its size.

    Args:
        form: of `form_of`.

    Raises:
        ValueError: if it is none, or one of which an example does not fit into memory.
    """
    counts: list[int] = []
    try:
        _arguments(form, lambda _dtype, shape: counts.append(math.prod(shape)))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no form of arguments, {type(error).__name__}: {error}") from None
    if sum(counts) > _NUMBERS:
        raise ValueError(f"tensors of {sum(counts)} numbers, more than {_NUMBERS}")


def examples_like(form: Form, model: nn.Module) -> Iterator[Example]:
    """Make arguments of a form, on the CPU: normally distributed numbers, zeros where they are whole, and True.

    Args:
        form: of `form_of`, checked.
        model: whose precision the floating tensors get, as from a Trainer.

    Yields:
        First with two samples, where all tensors are batches of one size, then of the whole form; always the same
        numbers, which move no random state of others.
    """
    sizes = set[int]()
    _arguments(form, lambda _dtype, shape: sizes.add(shape[0] if shape else 0))
    if len(sizes) == 1 and max(sizes) > _FEW:
        yield _made(form, model, _FEW)
    yield _made(form, model, None)


def called_with(module: nn.Module) -> Form | None:
    """Tell the form of what a module was called with when it was adapted.

    Args:
        module: any.

    Returns:
        The form; None where it is not known.
    """
    form: Form | None = vars(module).get(_MARK)
    return form


def keep_form(module: nn.Module, form: Form | None) -> None:
    """Let a module, and its copies, know the form of what it was called with.

    Args:
        module: that was adapted.
        form: of `form_of`.
    """
    vars(module)[_MARK] = form


def _written(value: Any, depth: int) -> Any:
    if type(value) in _PLAIN:
        return value
    if not depth:
        raise ValueError("values too deep in one another")
    if isinstance(value, Tensor) and value.layout is torch.strided and not (value.is_nested or value.is_quantized):
        return {"tensor": [str(value.dtype).removeprefix("torch."), *value.shape]}
    if type(value) is dict:
        return {"dict": [[key, _written(each, depth - 1)] for key, each in value.items()]}
    if type(value) not in _SEQUENCES.values():
        raise TypeError(f"a {type(value).__name__}")
    return {type(value).__name__: [_written(each, depth - 1) for each in value]}


def _arguments(form: Any, tensor: Callable[[torch.dtype, list[int]], Any]) -> Example:
    """Read a form, and let a function stand for its tensors."""
    arguments = _read(form, tensor, _DEPTH, iter(range(_PARTS)))
    positional, named = arguments
    if type(positional) is not tuple or type(named) is not dict or not all(type(name) is str for name in named):
        raise TypeError("no tuple of arguments and dict of named ones")
    return Example(positional, named)


def _read(form: Any, tensor: Callable[[torch.dtype, list[int]], Any], depth: int, parts: Iterator[int]) -> Any:
    if next(parts, None) is None or not depth:
        raise ValueError("too many parts, or too deep in one another")
    if type(form) in _PLAIN:
        if isinstance(form, str) and len(form) > _LETTERS:
            raise ValueError("a text that is too long")
        return form
    ((kind, content),) = form.items()
    if kind == "tensor":
        name, *shape = content
        if len(shape) > _DIMENSIONS or not all(type(size) is int and 0 <= size <= _NUMBERS for size in shape):
            raise ValueError(f"a tensor of shape {str(shape)[:80]}")
        return tensor(_DTYPES[name], shape)
    if kind == "dict":
        if not all(type(key) in _PLAIN for key, _ in content):
            raise TypeError("a dict with keys that are no plain values")
        return {key: _read(each, tensor, depth - 1, parts) for key, each in content}
    return _SEQUENCES[kind](_read(each, tensor, depth - 1, parts) for each in content)


def _made(form: Form, model: nn.Module, samples: int | None) -> Example:
    precision = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
    generator = torch.Generator().manual_seed(0)

    def tensor(dtype: torch.dtype, shape: list[int]) -> Tensor:
        size = shape if samples is None else [samples, *shape[1:]]
        if dtype.is_floating_point:
            return torch.randn(size, generator=generator, device="cpu").to(precision or dtype)
        if dtype.is_complex:
            return torch.randn(size, generator=generator, dtype=dtype, device="cpu")
        return torch.full(size, dtype is torch.bool, dtype=dtype, device="cpu")

    return _arguments(form, tensor)
