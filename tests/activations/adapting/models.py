"""Small networks that call their activations in all the ways that forwards do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Functions(nn.Module):
    """Functions, methods and in-place forms beside a module."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.act = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.b(self.act(self.a(x))), 0.2, inplace=True)
        h = F.gelu(self.b(h), approximate="tanh").relu_()
        output: Tensor = torch.sigmoid(self.c(h)).tanh()
        return output


class Repeated(nn.Module):
    """One module, called twice in one forward."""

    def __init__(self, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.act = nn.ReLU(inplace=True) if activation is None else activation

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.act(self.b(self.act(self.a(x))))
        return output


class Auxiliary(nn.Module):
    """A head that runs in training mode only, between two calls of a function."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        h = torch.relu(self.a(x))
        extra = torch.tanh(self.head(h)) if self.training else None
        y = torch.relu(self.b(h))
        return y if extra is None else (y, extra)


class Siamese(nn.Module):
    """A network that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), Functions())

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        output: Tensor = self.branch(x) - self.branch(y)
        return output


class Loop(nn.Module):
    """A loop over time, with two functions a turn."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.gate = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros_like(x[:, 0])
        for step in x.unbind(1):
            h = torch.tanh(self.inner(h + step)) * torch.sigmoid(self.gate(step))
        return h


class Outside(nn.Module):
    """Activations in a list, which torch does not see as submodules."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.acts: list[Callable[[Tensor], Tensor]] = [nn.ReLU(), nn.Tanh()]

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.acts[1](self.b(self.acts[0](self.a(x))))
        return output


class Quick(nn.Module):
    """An activation of another library, of several functions."""

    def forward(self, z: Tensor) -> Tensor:
        return z * torch.sigmoid(1.702 * z)


class OverwritesSkip(nn.Module):
    """A skip connection that carries what an in-place activation left in it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.act = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        y: Tensor = self.b(self.act(h))
        output: Tensor = y + h
        return output


class OverwritesOnly(nn.Module):
    """An in-place activation whose result is thrown away."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        F.relu_(h)
        output: Tensor = self.b(h)
        return output
