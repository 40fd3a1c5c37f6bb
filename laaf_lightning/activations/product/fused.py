"""σ(s·z) as one node of the autograd graph, which keeps for the backward pass no more than σ(z) would."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from laaf_lightning.activations.product.sigmas import Sigma

HALF = (torch.bfloat16, torch.float16)


def value(z: Tensor, s: Tensor, sigma: Sigma) -> Tensor:
    """Compute σ(s·z) in few passes: what is written over is the product.

    Args:
        z: pre-activations, floating.
        s: effective slopes, of the dtype in which the product is formed.
        sigma: the function.

    Returns:
        A tensor like z, rounded once.
    """
    y = sigma.in_place(_product(z, s))
    if z.dtype not in HALF:
        return y
    y = y.to(z.dtype)
    # Where torch's own kernel rounds otherwise, s = 1 gives the bits of σ(z) all the same.
    on_cpu = z.device.type == "cpu"
    if sigma.rounds_within or (on_cpu and (z.dtype == torch.float16 or sigma.rounds_at_ends)):
        y = torch.where(torch.zeros_like(y, dtype=torch.bool) | (s == 1), sigma.value(z), y)  # in the order of y
    return y


class _Scaled(torch.autograd.Function):
    """σ(s·z) as one node of the graph."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, s: Tensor, sigma: Sigma) -> Tensor:
        """Compute σ(s·z)."""
        return value(z, s, sigma)


class KeepsInput(_Scaled):
    """σ(s·z), of which z and s are kept: the product is formed again in the backward pass."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Sigma], output: Tensor) -> None:
        """Keep what the backward pass needs."""
        z, s, ctx.sigma = inputs
        ctx.save_for_backward(z, s)
        ctx.save_for_forward(z, s)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Return the gradients of z and s, by operations that are differentiable."""
        z, s = ctx.saved_tensors
        return *_gradients(ctx, g, s, z, _product(z, s)), None

    @staticmethod
    def jvp(ctx: Any, dz: Tensor, ds: Tensor, _: None) -> Tensor:
        """Return the tangent of the result."""
        z, s = ctx.saved_tensors
        tangent = dz.to(s.dtype) * s + z.to(s.dtype) * ds
        result: Tensor = ctx.sigma.gradient(tangent, _product(z, s))
        return result.to(z.dtype)


class KeepsResult(_Scaled):
    """σ(s·z), of which y = σ(s·z) and s are kept: where σ′ is not 0, z is y/s."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Sigma], output: Tensor) -> None:
        """Keep what the backward pass needs."""
        _, s, ctx.sigma = inputs
        ctx.save_for_backward(output, s)
        ctx.save_for_forward(output, s)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Return the gradients of z and s, by operations that are differentiable."""
        y, s = ctx.saved_tensors
        of_z, of_s = _gradients(ctx, g, s, y, y)
        return of_z, None if of_s is None else of_s / _divisor(s), None

    @staticmethod
    def jvp(ctx: Any, dz: Tensor, ds: Tensor, _: None) -> Tensor:
        """Return the tangent of the result."""
        y, s = ctx.saved_tensors
        exact = y.to(s.dtype)
        result: Tensor = ctx.sigma.gradient(dz.to(s.dtype) * s + exact / _divisor(s) * ds, exact)
        return result.to(y.dtype)


class CompiledReLU(torch.autograd.Function):
    """`KeepsResult` of ReLU in the form that ``torch.compile`` follows, which differentiates once."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, s: Tensor) -> Tensor:
        """Compute max(0, s·z)."""
        y = torch.relu(z.to(s.dtype) * s).to(z.dtype)
        ctx.save_for_backward(y, s)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of z and s."""
        y, s = ctx.saved_tensors
        h = torch.where(y <= 0, 0, g).to(s.dtype)
        return (h * s).to(y.dtype), (h * y).sum_to_size(s.shape) / _divisor(s)


def _divisor(s: Tensor) -> Tensor:
    """Return s; at s = 0 the result is 0, and so are σ′ and the gradient, whatever it is divided by."""
    return torch.where(s == 0, 1, s)


def _product(z: Tensor, s: Tensor) -> Tensor:
    """Return s·z in the dtype of s, in one pass."""
    if z.dtype != s.dtype and z.dim() and not s.dim():
        s = s.reshape(1)  # without a dimension it would take the dtype of z
    return z * s if z.dim() else z.to(s.dtype) * s


def _gradients(ctx: Any, g: Tensor, s: Tensor, z: Tensor, of: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Return s·h and the sum of h·z, with h = g·σ′ by what the function's gradient is a function of."""
    half = z.dtype != s.dtype
    h = ctx.sigma.gradient(g.to(s.dtype), of.to(s.dtype)) if half else ctx.sigma.gradient(g, of)
    of_z, of_s = ctx.needs_input_grad[:2]
    sums = _sum_of_products(h, z.to(s.dtype) if half else z, s) if of_s else None
    if not of_z:
        return None, sums
    product = h * s if torch.is_grad_enabled() else h.mul_(s)
    return product.to(z.dtype) if half else product, sums


def _sum_of_products(h: Tensor, z: Tensor, s: Tensor) -> Tensor:
    """Sum h·z over the dimensions along which s is the same."""
    if s.numel() != 1:
        return (h * z).sum_to_size(s.shape)
    if not h.is_contiguous() and z.dim() > 2:  # channels last
        h, z = (x.permute(0, *range(2, x.dim()), 1) for x in (h, z))
    if h.is_contiguous() and z.is_contiguous():
        return torch.dot(h.view(-1), z.view(-1)).view(s.shape)
    return (h * z).sum().view(s.shape)


for _node in (KeepsInput, KeepsResult):
    # torch asks for it at every call, and finding it anew takes longer than all the rest of a small one.
    _node.forward.__signature__ = inspect.signature(_node.forward)  # type: ignore[attr-defined]
