"""The product σ(s·z) as an adaptive activation computes it: fused where that keeps less, else in plain operations."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from laaf_lightning.activations.product.fused import HALF, CompiledReLU, KeepsInput, KeepsResult, value
from laaf_lightning.activations.product.known import is_known, is_relu, rounds_otherwise, sigma_of
from laaf_lightning.activations.product.sigmas import IDENTITY, Sigma

# Below, a node of one's own costs more time than it saves memory worth having: of a function whose result is kept, and
# of one whose product is formed again. A batch of features is most often a PINN's, which is differentiated repeatedly.
FEWEST_KEPT, FEWEST_AGAIN, FEWEST_FEATURES = 1 << 15, 1 << 18, 1 << 20

_plain_alone = False
# torch 2.6 cannot tell an export, and gets the plain product. That vmap or grad is at work, which compiled nodes do not
# pass, has no public name; a test notices where this one goes.
_is_exporting = getattr(torch.compiler, "is_exporting", lambda: True)
_is_transformed = getattr(torch._C, "_are_functorch_transforms_active", lambda: True)


def scaled(activation: Callable[[Tensor], Tensor], z: Tensor, slope: Tensor) -> Tensor:
    r"""Compute σ(s·z).

    A product of a known σ (see `sigma_of`) keeps for the backward pass no more than σ(z) does: z and s, or the result
    and s. It is a plain product where nothing is gained: for few numbers, where another σ is given, in traces and
    exports, and under ``torch.compile``, which recomputes by itself all but ReLU's z. For z in half precision, product
    and σ are formed in float32 and rounded once; for another σ the product is, and σ gets it in z's dtype.

    Args:
        activation: the elementwise σ.
        z: pre-activations, floating.
        slope: the effective slope s, float32 or float64, whose shape broadcasts against z.

    Returns:
        A tensor of the shape of z, and of its dtype as far as σ keeps it.
    """
    half = z.dtype in HALF
    if torch.compiler.is_dynamo_compiling() and is_relu(activation) and not (_is_exporting() or _is_transformed()):
        y: Tensor = CompiledReLU.apply(z, slope.to(torch.float32 if half else z.dtype))
        return y
    if _needs_plain(z) or (not half and z.numel() < FEWEST_KEPT):
        return plain_product(activation, z, slope)
    sigma = sigma_of(activation)
    if sigma is None and not (half and _raised(activation) is None):
        return plain_product(activation, z, slope)
    s = slope.to(torch.float32 if half else z.dtype)
    if sigma is None:
        return activation(_fused(z, s, IDENTITY))
    with _without_autocast(z):
        return _fused(z, s, sigma)


def plain_product(activation: Callable[[Tensor], Tensor], z: Tensor, slope: Tensor) -> Tensor:
    """Compute σ(s·z) in plain operations, which are differentiated one by one; `scaled` is tested against it.

    Args:
        activation: as for `scaled`.
        z: as for `scaled`.
        slope: as for `scaled`.

    Returns:
        As `scaled`.
    """
    if z.dtype not in HALF:
        return activation(z * slope.to(z.dtype))
    product = z.to(torch.float32) * slope.to(torch.float32)
    if (raised := _raised(activation)) is None:
        return activation(product.to(z.dtype))
    with _without_autocast(z):
        y = raised(product)
        if rounds_otherwise(activation, z):
            # With s = 1 the bits of σ(z) all the same, and the gradient of y.
            of_z = activation(z.detach()).to(y.dtype)
            y = y + torch.where((slope == 1) & of_z.isfinite(), of_z - y, 0).detach()
        return y.to(z.dtype)


@contextlib.contextmanager
def plain_products() -> Iterator[None]:
    """Compute every σ(s·z) in plain operations, for comparison.

    Yields:
        Nothing.
    """
    global _plain_alone  # noqa: PLW0603
    before, _plain_alone = _plain_alone, True
    try:
        yield
    finally:
        _plain_alone = before


def _needs_plain(z: Tensor) -> bool:
    return (
        torch.compiler.is_compiling() or _plain_alone or type(z) not in {Tensor, nn.Parameter} or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    )


def _fused(z: Tensor, s: Tensor, sigma: Sigma) -> Tensor:
    needs_gradient = torch.is_grad_enabled() and (z.requires_grad or s.requires_grad)
    half = z.dtype in HALF
    if not needs_gradient and not (half and sigma.rounds_within):
        return value(z, s, sigma)
    if not half and not (sigma.fused and (sigma.keeps_result or z.numel() >= _fewest(z))):
        return sigma.value(z * s)
    node = KeepsResult if sigma.keeps_result else KeepsInput
    y: Tensor = node.apply(z, s, sigma)
    return y


def _fewest(z: Tensor) -> int:
    return FEWEST_AGAIN if z.dim() > 2 else FEWEST_FEATURES


def _raised(activation: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor] | None:
    """Return a known σ as a function of float32; None for another one, which may hold tensors of z's dtype."""
    if type(activation) is nn.PReLU:
        return lambda x: functional.prelu(x, activation.weight.to(x.dtype))
    if type(activation) is nn.RReLU:
        return None if activation.training else activation  # its noise is drawn in z's dtype
    return activation if is_known(activation) else None


def _without_autocast(z: Tensor) -> contextlib.AbstractContextManager[object]:
    """Keep autocast from rounding within σ."""
    device = z.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return contextlib.nullcontext()
