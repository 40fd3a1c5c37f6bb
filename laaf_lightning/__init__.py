"""Adaptive activation functions σ(n·a·z) with slope recovery for PyTorch Lightning.

Public names are imported on first use, so that ``import laaf_lightning`` and the command line stay quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from laaf_lightning._version import __version__ as __version__

if TYPE_CHECKING:
    from laaf_lightning.activations import AdaptiveActivation as AdaptiveActivation
    from laaf_lightning.activations import adapt as adapt
    from laaf_lightning.activations import named_slopes as named_slopes
    from laaf_lightning.activations import slope_parameter_groups as slope_parameter_groups
    from laaf_lightning.activations import slope_recovery as slope_recovery
    from laaf_lightning.callbacks import AdaptiveLossWeights as AdaptiveLossWeights
    from laaf_lightning.callbacks import ConstantWeight as ConstantWeight
    from laaf_lightning.callbacks import CosineDecay as CosineDecay
    from laaf_lightning.callbacks import EpochTrainLoss as EpochTrainLoss
    from laaf_lightning.callbacks import FigureCallback as FigureCallback
    from laaf_lightning.callbacks import LinearDecay as LinearDecay
    from laaf_lightning.callbacks import OffAfter as OffAfter
    from laaf_lightning.callbacks import ResampleCollocation as ResampleCollocation
    from laaf_lightning.callbacks import SlopeRecovery as SlopeRecovery
    from laaf_lightning.callbacks import WeightSchedule as WeightSchedule
    from laaf_lightning.data import Augmentation as Augmentation
    from laaf_lightning.data import BurgersDataModule as BurgersDataModule
    from laaf_lightning.data import CIFAR10DataModule as CIFAR10DataModule
    from laaf_lightning.data import CIFAR100DataModule as CIFAR100DataModule
    from laaf_lightning.data import CollocationBatch as CollocationBatch
    from laaf_lightning.data import CollocationDataModule as CollocationDataModule
    from laaf_lightning.data import DiscontinuousFunctionDataModule as DiscontinuousFunctionDataModule
    from laaf_lightning.data import FashionMNISTDataModule as FashionMNISTDataModule
    from laaf_lightning.data import IDXDataModule as IDXDataModule
    from laaf_lightning.data import ImageDataModule as ImageDataModule
    from laaf_lightning.data import KMNISTDataModule as KMNISTDataModule
    from laaf_lightning.data import MNISTDataModule as MNISTDataModule
    from laaf_lightning.data import Normalization as Normalization
    from laaf_lightning.data import PublishedImageDataModule as PublishedImageDataModule
    from laaf_lightning.data import SemeionDataModule as SemeionDataModule
    from laaf_lightning.data import SVHNDataModule as SVHNDataModule
    from laaf_lightning.derivatives import Differentiable as Differentiable
    from laaf_lightning.derivatives import Field as Field
    from laaf_lightning.derivatives import FusedField as FusedField
    from laaf_lightning.errors import ConfigurationError as ConfigurationError
    from laaf_lightning.metrics import RelativeL2Error as RelativeL2Error
    from laaf_lightning.models import MLP as MLP
    from laaf_lightning.models import LeNet as LeNet
    from laaf_lightning.models import PreActResNet18 as PreActResNet18
    from laaf_lightning.modules import PINN as PINN
    from laaf_lightning.modules import AdaptiveModule as AdaptiveModule
    from laaf_lightning.modules import BurgersPINN as BurgersPINN
    from laaf_lightning.modules import FunctionRegressor as FunctionRegressor
    from laaf_lightning.modules import ImageClassifier as ImageClassifier
    from laaf_lightning.optimizers import SelfScaledBroyden as SelfScaledBroyden
    from laaf_lightning.optimizers import SequentialOptimizer as SequentialOptimizer
    from laaf_lightning.problems import PDE as PDE
    from laaf_lightning.problems import AllenCahn as AllenCahn
    from laaf_lightning.problems import Ansatz as Ansatz
    from laaf_lightning.problems import Burgers as Burgers
    from laaf_lightning.problems import Condition as Condition
    from laaf_lightning.problems import Dirichlet as Dirichlet
    from laaf_lightning.problems import Heat as Heat
    from laaf_lightning.problems import Helmholtz as Helmholtz
    from laaf_lightning.problems import InverseBurgers as InverseBurgers
    from laaf_lightning.problems import Neumann as Neumann
    from laaf_lightning.problems import Periodic as Periodic
    from laaf_lightning.problems import PointData as PointData
    from laaf_lightning.problems import Robin as Robin

_ROOMS = {
    "activations": ("AdaptiveActivation", "adapt", "named_slopes", "slope_parameter_groups", "slope_recovery"),
    "callbacks": (
        "AdaptiveLossWeights",
        "ConstantWeight",
        "CosineDecay",
        "EpochTrainLoss",
        "FigureCallback",
        "LinearDecay",
        "OffAfter",
        "ResampleCollocation",
        "SlopeRecovery",
        "WeightSchedule",
    ),
    "data": (
        "Augmentation",
        "BurgersDataModule",
        "CIFAR10DataModule",
        "CIFAR100DataModule",
        "CollocationBatch",
        "CollocationDataModule",
        "DiscontinuousFunctionDataModule",
        "FashionMNISTDataModule",
        "IDXDataModule",
        "ImageDataModule",
        "KMNISTDataModule",
        "MNISTDataModule",
        "Normalization",
        "PublishedImageDataModule",
        "SVHNDataModule",
        "SemeionDataModule",
    ),
    "errors": ("ConfigurationError",),
    "metrics": ("RelativeL2Error",),
    "models": ("LeNet", "MLP", "PreActResNet18"),
    "modules": ("AdaptiveModule", "BurgersPINN", "FunctionRegressor", "ImageClassifier", "PINN"),
    "derivatives": ("Differentiable", "Field", "FusedField"),
    "optimizers": ("SelfScaledBroyden", "SequentialOptimizer"),
    "problems": (
        "PDE",
        "AllenCahn",
        "Ansatz",
        "Burgers",
        "Condition",
        "Dirichlet",
        "Heat",
        "Helmholtz",
        "InverseBurgers",
        "Neumann",
        "Periodic",
        "PointData",
        "Robin",
    ),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}
__all__ = ["__version__", *_ROOM_OF]  # noqa: PLE0604  # the table above holds strings only


def __getattr__(name: str) -> object:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
