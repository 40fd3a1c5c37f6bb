"""Objectives with known minima, and closures over them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer


def rosenbrock(x: Tensor) -> Tensor:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def quadratic(size: int, condition: float) -> tuple[Tensor, Tensor]:
    """Make a symmetric positive definite matrix A with eigenvalues from 1 to `condition`, and a minimiser."""
    generator = torch.Generator().manual_seed(size)
    basis, _ = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))
    eigenvalues = torch.logspace(0, torch.tensor(condition).log10().item(), size, dtype=torch.float64)
    return basis @ (eigenvalues[:, None] * basis.T), torch.randn(size, generator=generator, dtype=torch.float64)


def parameter(values: list[float] | Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.as_tensor(values, dtype=torch.float64).clone())


def closure_of(optimizer: Optimizer, objective: Callable[[], Tensor]) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective()
        loss.backward()
        return loss

    return closure
