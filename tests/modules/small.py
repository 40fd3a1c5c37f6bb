"""Small jobs that the tests of this room share: a quiet Trainer, data in memory, networks with a known answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation, Scope
from laaf_lightning.data import BurgersDataModule, DiscontinuousFunctionDataModule
from laaf_lightning.derivatives import Field
from laaf_lightning.modules import PINN, BurgersPINN, FunctionRegressor, ImageClassifier
from laaf_lightning.problems import PDE, Dirichlet

T = TypeVar("T")
SCOPES: tuple[Scope, ...] = ("fixed", "global", "layer", "channel", "neuron")


class Batches(list[T]):
    """One loader; a plain list would be several."""


class Losses(Callback):
    """The loss of each training batch."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.seen.append(outputs["loss"].item())


class TinyNetwork(nn.Sequential):
    """A network that takes LeNet's arguments and costs nothing."""

    def __init__(
        self, num_classes: int, in_channels: int, image_size: int, *, activation: str, scope: Scope, n: float
    ) -> None:
        shape = {"channel": (4, 1, 1), "neuron": (4, image_size, image_size)}.get(scope)
        super().__init__(
            nn.Conv2d(in_channels, 4, 3, padding=1),
            AdaptiveActivation(activation, scope, n, shape),
            nn.Flatten(),
            nn.Linear(4 * image_size**2, num_classes),
        )


def small_regressor(**settings: Any) -> FunctionRegressor:
    torch.manual_seed(0)
    return FunctionRegressor(**{"width": 8, "depth": 2, "n": 5, **settings})


def small_pinn(**settings: Any) -> BurgersPINN:
    torch.manual_seed(0)
    return BurgersPINN(**{"width": 8, "depth": 2, "n": 5, **settings})


def small_classifier(**settings: Any) -> ImageClassifier:
    torch.manual_seed(0)
    defaults = {"network": "tests.modules.small.TinyNetwork", "num_classes": 3, "in_channels": 1, "image_size": 6}
    return ImageClassifier(**{**defaults, "n": 2, **settings})


def regression_data(**settings: Any) -> DiscontinuousFunctionDataModule:
    return DiscontinuousFunctionDataModule(
        **{"num_points": 40, "num_test_points": 50, "steps_per_epoch": 5, **settings}
    )


def burgers_data(**settings: Any) -> BurgersDataModule:
    small = {"num_residual": 60, "num_initial": 10, "num_boundary": 10, "steps_per_epoch": 5}
    return BurgersDataModule(**{**small, **settings})


def image_batches(count: int = 3, size: int = 16, image_size: int = 6) -> Batches[tuple[Tensor, Tensor]]:
    """Noise whose mean tells the class."""
    generator = torch.Generator().manual_seed(7)
    batches = Batches[tuple[Tensor, Tensor]]()
    for _ in range(count):
        labels = torch.randint(3, (size,), generator=generator)
        noise = torch.rand(size, 1, image_size, image_size, generator=generator)
        batches.append((noise + labels.reshape(-1, 1, 1, 1), labels))
    return batches


class Polynomial(nn.Module):
    """u = weight · x²·t, whose derivatives are known; columns x, t."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, points: Tensor) -> Tensor:
        return self.weight * points[:, :1] ** 2 * points[:, 1:]


class PolynomialPINN(PINN):
    def build_network(self) -> nn.Module:
        return Polynomial()


class Reaction(PDE):
    """u_t = u − u³ on a square, whose residual depends on a constant u; no exact solution."""

    coordinates: ClassVar[tuple[str, ...]] = ("x", "t")
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (0.0, 1.0), "t": (0.0, 1.0)}

    def __init__(self, level: float = 0.3) -> None:
        self.level = level

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u.d("t") - u + u**3

    def conditions(self) -> Sequence[Dirichlet]:
        return (Dirichlet("initial", ("t", 0.0), lambda points: points[:, :1] * self.level),)
