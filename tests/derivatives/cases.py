"""Networks, points and the comparison with nested autograd that every engine goes through."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.derivatives import AutogradField, Field, FusedField, FusedPlan, Order, TaylorField, TaylorPlan
from laaf_lightning.derivatives.engines import Unsuitable

NAMES = ("x", "y", "t")
UNKNOWNS = ("u", "v", "w")
ACTIVATIONS = ("tanh", "sin", "sigmoid", "softplus", "silu", "gelu", "identity")


def why_not(plan: type[TaylorPlan] | type[FusedPlan], network: nn.Module, orders: Iterable[Order]) -> str | None:
    """Return the reason for which a network's derivatives cannot be planned; None if they can."""
    try:
        plan.of(network, orders)
    except Unsuitable as error:
        return error.reason
    return None


def up_to(order: int, coordinates: int) -> tuple[Order, ...]:
    """List all partial derivatives of order 1 to `order`."""
    columns = range(coordinates)
    return tuple(by for k in range(1, order + 1) for by in itertools.combinations_with_replacement(columns, k))


def points(coordinates: int, count: int = 6, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(coordinates)
    return (2 * torch.rand(count, coordinates, dtype=torch.float64, generator=generator) - 1).to(dtype)


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """Draw all parameters in float64: weights from N(0, 0.5²), slopes n·a between 0.5 and 1.5, all different."""
    generator = torch.Generator().manual_seed(seed)
    sites = [site for site in network.double().modules() if isinstance(site, AdaptiveActivation)]
    factors = {id(site.a): site.n for site in sites if site.a is not None}
    with torch.no_grad():
        for p in network.parameters():
            if id(p) in factors:
                p.copy_((0.5 + torch.rand(p.shape, dtype=torch.float64, generator=generator)) / factors[id(p)])
            else:
                p.copy_(torch.randn(p.shape, dtype=torch.float64, generator=generator) / 2)
    return network


def tempered(network: nn.Module) -> nn.Module:
    """Divide each weight by the square root of its inputs, so that wide networks do not grow from layer to layer."""
    with torch.no_grad():
        for p in network.parameters():
            if p.ndim == 2:
                p.div_(p.shape[1] ** 0.5)
    return network


def both(
    network: nn.Module,
    at: Tensor,
    orders: Sequence[Order],
    unknowns: int = 1,
    kind: type[TaylorField | FusedField] = TaylorField,
) -> tuple[Field, Field]:
    """Make the field in Taylor mode, or by the kernel, and its oracle by nested autograd."""
    names, sought = NAMES[: at.shape[1]], UNKNOWNS[:unknowns]
    return kind(network, at, names, orders, sought), AutogradField(network, at, names, sought)


def derivatives(field: Field, orders: Sequence[Order]) -> list[Tensor]:
    """Return the value and some derivatives."""
    return [field.value, *(field.d(*(field.coordinates[column] for column in order)) for order in orders)]


def nonlinear_loss(terms: Sequence[Tensor]) -> Tensor:
    """Mix derivatives so that the gradient of each depends on the others, as in a nonlinear equation."""
    mixed = torch.stack([(k + 1) / 10 * term for k, term in enumerate(terms)])
    return (mixed + torch.sin(mixed) * mixed.roll(1, dims=0)).square().mean()


def gradients(loss: Tensor, network: nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(network.parameters()), allow_unused=True, materialize_grads=True))


def assert_equal_oracle(
    network: nn.Module,
    at: Tensor,
    orders: Sequence[Order],
    unknowns: int = 1,
    tolerance: float = 1e-10,
    kind: type[TaylorField | FusedField] = TaylorField,
) -> None:
    """Compare values, derivatives and parameter gradients with nested autograd."""
    told, oracle = (derivatives(field, orders) for field in both(network, at, orders, unknowns, kind))
    for order, got, expected in zip(((), *orders), told, oracle, strict=True):
        assert got.shape == (len(at), unknowns)
        torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance, msg=partial("{}: {}".format, order))
    got_gradients, expected_gradients = (gradients(nonlinear_loss(terms), network) for terms in (told, oracle))
    for (name, _), got, expected in zip(network.named_parameters(), got_gradients, expected_gradients, strict=True):
        scale = max(1.0, expected.abs().max().item())
        error = (got - expected).abs().max().item() / scale
        assert error <= tolerance, f"gradient by {name}: {error}"


def assert_near_oracle_in_single_precision(
    network: nn.Module,
    at: Tensor,
    orders: Sequence[Order],
    unknowns: int = 1,
    kind: type[TaylorField | FusedField] = TaylorField,
) -> None:
    """Compare in float32 with nested autograd in float64: relative to the largest entry, or absolute below 1."""
    names = NAMES[: at.shape[1]], UNKNOWNS[:unknowns]
    oracle = derivatives(AutogradField(network, at, *names), orders)
    expected = gradients(nonlinear_loss(oracle), network)
    network.float()
    told = derivatives(kind(network, at.float(), names[0], orders, names[1]), orders)
    found = gradients(nonlinear_loss(told), network)
    for got, exact in zip([*told, *found], [*oracle, *expected], strict=True):
        assert got.dtype == torch.float32
        assert (got.double() - exact).abs().max() <= 1e-4 * max(1.0, exact.abs().max().item())


class Steep(nn.Module):
    """A user's activation, exp(−z²), with its derivatives up to order 2."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.exp(-z * z)

    def derivatives(self, z: Tensor, order: int) -> list[Tensor]:
        g = self(z)
        return [g, -2 * z * g, (4 * z * z - 2) * g][: order + 1]


class Chain(nn.Module):
    """A user's own network with a method layers()."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def layers(self) -> list[nn.Module]:
        return list(self.parts)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x


def nested_derivatives(function: Callable[[Tensor], Tensor], z: Tensor, order: int) -> list[Tensor]:
    """Return a scalar function and its derivatives by nested autograd, zero where there is no graph."""
    z = z.detach().clone().requires_grad_()
    found = [function(z)]
    for _ in range(order):
        if not found[-1].requires_grad:
            found.append(torch.zeros_like(z))
            continue
        (gradient,) = torch.autograd.grad(
            found[-1].sum(), z, create_graph=True, allow_unused=True, materialize_grads=True
        )
        found.append(gradient)
    return [value.detach() for value in found]
