"""Which dimension of a tensor holds the features: told by the affine layer that made it, and followed from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

F = nn.functional
_MARK = "_laaf_layout"


class Layout(NamedTuple):
    """Where the features of a tensor lie.

    Attributes:
        dim: the dimension, counted from 0, the batch.
        dense: whether a fully connected layer made them, so that all other dimensions hold independent samples.
    """

    dim: int
    dense: bool


def _named(*names: str) -> set[Callable[..., Any]]:
    homes: list[Any] = [F, torch, Tensor]
    return {getattr(home, name) for home in homes for name in names if hasattr(home, name)}


_DENSE = _named("linear", "bilinear", "embedding", "embedding_bag", "multi_head_attention_forward")
_PRODUCTS = _named("matmul", "mm", "addmm", "__matmul__", "bmm", "baddbmm", "einsum", "scaled_dot_product_attention")
_CONVOLUTIONS = {
    function: spatial for spatial in (1, 2, 3) for function in _named(f"conv{spatial}d", f"conv_transpose{spatial}d")
}
_CHANNEL_NORMS = _named("batch_norm", "instance_norm", "group_norm")
_LAST_NORMS = _named("layer_norm", "rms_norm")
_PERMUTATIONS = _named("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t")


def layout_of(tensor: Tensor) -> Layout | None:
    """Return where the features of a tensor lie.

    Args:
        tensor: of a recorded forward pass.

    Returns:
        What is known of it; None for nothing.
    """
    known = getattr(tensor, _MARK, None)
    return known if isinstance(known, Layout) else None


def follow(function: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any], result: Any) -> None:
    """Note where the features of a torch function's results lie.

    Args:
        function: as a ``TorchFunctionMode`` gets it.
        arguments: its positional arguments.
        named: its keyword arguments.
        result: what it returned.
    """
    given = [leaf for leaf in tree_leaves((arguments, dict(named))) if isinstance(leaf, Tensor)]
    for output in _tensors(result):
        layout = _layout(function, arguments, named, given, output)
        if layout is not None or layout_of(output) is not None:
            setattr(output, _MARK, layout)


def _tensors(result: Any) -> Iterable[Tensor]:
    outputs = result if isinstance(result, (tuple, list)) else (result,)
    return (output for output in outputs if isinstance(output, Tensor))


def _layout(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    named: Mapping[str, Any],
    given: Sequence[Tensor],
    output: Tensor,
) -> Layout | None:
    before = next(((t, known) for t in given if (known := layout_of(t)) is not None), None)
    if function in _CHANNEL_NORMS:
        return Layout(1, dense=output.ndim == 2 or (before is not None and before[1].dense))
    if function in _DENSE | _PRODUCTS | _CONVOLUTIONS.keys():
        return _made(function, given, output.ndim - 1)
    if before is None:
        return Layout(output.ndim - 1, dense=True) if function in _LAST_NORMS else None
    source, known = before
    if function in _PERMUTATIONS:
        return known._replace(dim=_permuted(function, arguments, named, source).index(known.dim))
    return _kept(known, source.shape, output.shape)


def _made(function: Callable[..., Any], given: Sequence[Tensor], last: int) -> Layout | None:
    """Say where an affine layer puts its features; a product of two activations, as in attention, has none."""
    if function in _CONVOLUTIONS:
        return Layout(last - _CONVOLUTIONS[function], dense=False)
    if function in _DENSE or any(isinstance(tensor, nn.Parameter) for tensor in given):
        return Layout(last, dense=True)
    return None


def _permuted(
    function: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any], source: Tensor
) -> list[int]:
    """Return which dimension of `source` each one of the result was, by permuting a tensor that tells them apart."""
    probe = torch.empty([2 + k for k in range(source.ndim)], device="meta")
    replaced = [probe if argument is source else argument for argument in arguments]
    named = {name: probe if value is source else value for name, value in named.items()}
    return [size - 2 for size in function(*replaced, **named).shape]


def _kept(known: Layout, before: torch.Size, after: torch.Size) -> Layout | None:
    """Say where features lie after a function that keeps the order of dimensions."""
    if len(before) == len(after) and before[known.dim] == after[known.dim]:
        return known
    if known.dim == len(before) - 1 and after and after[-1] == before[-1]:
        return known._replace(dim=len(after) - 1)
    if known.dim == 1 and len(after) >= 2 and before[:2] == after[:2]:
        return known
    if len(after) == 2 and len(before) > 2 and after[0] == before[0]:
        return Layout(1, dense=known.dense)  # flattened
    return known if len(before) == len(after) else None
