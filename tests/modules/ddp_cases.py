"""What two ranks train together, and what one process trains instead."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from pytorch_lightning import Trainer
from torch import Tensor
from torch.optim import LBFGS, SGD, Adam

from laaf_lightning.callbacks import EpochTrainLoss
from laaf_lightning.data import CollocationDataModule, SemeionDataModule
from laaf_lightning.derivatives import Field
from laaf_lightning.modules import PINN, AdaptiveModule, BurgersPINN, FunctionRegressor, ImageClassifier
from laaf_lightning.optimizers import SelfScaledBroyden, SequentialOptimizer
from laaf_lightning.problems import PDE, AllenCahn, Burgers, Dirichlet, InverseBurgers
from tests.modules.small import Batches, burgers_data, regression_data, small_pinn, small_regressor
from tests.ranks import WORLD_SIZE, two_rank_trainer
from tests.trainers import quiet_trainer

MakeTrainer = Callable[..., Trainer]
ADAM = partial(Adam, lr=1e-2)
STRONG_WOLFE = partial(LBFGS, line_search_fn="strong_wolfe", max_iter=8)
ADAM_THEN_BROYDEN = partial(SequentialOptimizer, optimizers=[ADAM, partial(SelfScaledBroyden, max_iter=5)], steps=[3])


def _fit_points(make_trainer: MakeTrainer, model: AdaptiveModule, data: Any, steps: int) -> dict[str, Tensor]:
    trainer = make_trainer(
        max_steps=steps, max_epochs=-1, limit_val_batches=0, precision="64-true", log_every_n_steps=1
    )
    trainer.fit(model, **(data if isinstance(data, dict) else {"datamodule": data}))
    result = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    return {**result, "train/loss": trainer.callback_metrics["train/loss"].double()}


def fit_regressor(make_trainer: MakeTrainer, optimizer: Any, steps: int) -> dict[str, Tensor]:
    return _fit_points(make_trainer, small_regressor(scope="neuron", optimizer=optimizer), regression_data(), steps)


def fit_pinn(make_trainer: MakeTrainer, optimizer: Any, steps: int) -> dict[str, Tensor]:
    return _fit_points(make_trainer, small_pinn(scope="neuron", optimizer=optimizer), burgers_data(), steps)


def fit_classifier(make_trainer: MakeTrainer, batch_size: int) -> dict[str, Tensor]:
    torch.manual_seed(0)
    model = ImageClassifier(
        "lenet", num_classes=10, in_channels=1, image_size=16, scope="channel", optimizer=partial(SGD, lr=0.05)
    )
    trainer = make_trainer(max_steps=3, limit_val_batches=0, log_every_n_steps=1)
    trainer.fit(model, datamodule=SemeionDataModule(batch_size=batch_size, augment=True))
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def validate_regressor(make_trainer: MakeTrainer) -> float:
    """Measure on 51 points, 26 on one rank and 25 on the other."""
    (logged,) = make_trainer(precision="64-true").validate(
        small_regressor(), datamodule=regression_data(num_test_points=51), verbose=False
    )
    return logged["val/relative_l2"]


def validate_classifier(make_trainer: MakeTrainer) -> dict[str, float]:
    torch.manual_seed(0)
    model = ImageClassifier("lenet", num_classes=10, in_channels=1, image_size=16)
    data = SemeionDataModule(batch_size=50, val_split=100)
    (logged,) = make_trainer().validate(model, datamodule=data, verbose=False)
    counts = model.figure_data()["classification"]
    return {**logged, "images": float(counts.counts.sum())}  # type: ignore[attr-defined]


def regressor_adam(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, Tensor]:
    return fit_regressor(make_trainer, ADAM, 20)


def regressor_lbfgs(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, Tensor]:
    return fit_regressor(make_trainer, STRONG_WOLFE, 5)


def pinn_adam(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, Tensor]:
    return fit_pinn(make_trainer, ADAM, 20)


def pinn_fused(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, Tensor]:
    """The last case of a process, since engine="auto" takes a kernel that is there."""
    os.environ["TORCH_EXTENSIONS_DIR"] = os.environ["KERNEL_CACHE"]
    torch.manual_seed(0)
    model = BurgersPINN(scope="neuron", width=8, depth=2, n=5, optimizer=ADAM, engine="fused")
    assert model.differentiator.name == "fused"
    return _fit_points(make_trainer, model, burgers_data(), 20)


def fit_problem(make_trainer: MakeTrainer, problem: PDE, **settings: Any) -> dict[str, Tensor]:
    """Train on 24 residual points and an even number of points on the conditions."""
    torch.manual_seed(0)
    model = PINN(problem, width=5, depth=2, scope="neuron", n=2, optimizer=ADAM)
    return _fit_points(make_trainer, model, CollocationDataModule(problem, 24, 4, steps_per_epoch=5, **settings), 12)


def pinn_periodic(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, Tensor]:
    return fit_problem(make_trainer, AllenCahn(diffusivity=0.01, reaction=2.0))


def pinn_hard(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, Tensor]:
    return fit_problem(make_trainer, Burgers(0.1, hard_conditions=True))


def pinn_inverse(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, Tensor]:
    return fit_problem(make_trainer, InverseBurgers(0.1, num_measurements=10))


def pinn_minibatches(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, Tensor]:
    return fit_problem(make_trainer, AllenCahn(diffusivity=0.01, reaction=2.0), batch_size=5)


def pinn_whole_batches(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, Tensor]:
    """Minibatches of all the points that a rank has."""
    world = 1 if make_trainer is not two_rank_trainer else WORLD_SIZE
    return fit_problem(make_trainer, AllenCahn(diffusivity=0.01, reaction=2.0), batch_size=24 // world)


def coefficient_warnings() -> dict[str, Any]:
    """Validate an inverse problem; return the coefficient's error and what was warned."""
    problem = InverseBurgers(0.1, first_guess=0.3, num_measurements=10)
    model = PINN(problem, width=4, depth=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (logged,) = two_rank_trainer().validate(model, datamodule=CollocationDataModule(problem, 24, 4), verbose=False)
    return {
        "error": logged["val/viscosity_error"],
        "warnings": [str(warning.message) for warning in caught if "sync_dist" in str(warning.message)],
    }


class Channel(PDE):
    """A slow flow under a high pressure, without swirl."""

    coordinates = ("x",)
    domain: ClassVar = {"x": (0.0, 1.0)}
    unknowns = ("velocity", "pressure", "swirl")

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return torch.cat([each.d("x") for each in u], dim=1)

    def conditions(self) -> Sequence[Dirichlet]:
        return [Dirichlet(name, ("x", 0.0), 0.0, name) for name in self.unknowns]

    def exact(self, points: Tensor) -> Tensor:
        return torch.tensor([1e-3, 1e3, 0.0], dtype=torch.float64).expand(len(points), 3)


def channel_errors(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, float]:
    """Validate on 101 points, 51 on one rank and 50 on the other."""
    torch.manual_seed(0)
    data = CollocationDataModule(Channel(), 24, 4)
    (logged,) = make_trainer().validate(PINN(Channel(), width=4, depth=1), datamodule=data, verbose=False)
    return dict(logged)


def pinn_lbfgs(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, Tensor]:
    return fit_pinn(make_trainer, STRONG_WOLFE, 5)


def pinn_broyden(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, Tensor]:
    return fit_pinn(make_trainer, ADAM_THEN_BROYDEN, 8)


class UnequalShards(FunctionRegressor):
    """Trains on the mean of two means, over 20 points and over the 11 others; each is a rank's own if there are two."""

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, u = batch
        shards = [(x[:20], u[:20]), (x[20:], u[20:])]
        if self.trainer.world_size > 1:
            return super().loss(shards[self.trainer.global_rank])
        return 0.5 * (super().loss(shards[0]) + super().loss(shards[1]))


def unequal_shards_broyden(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, Tensor]:
    torch.manual_seed(0)
    model = UnequalShards(width=5, depth=2, scope="neuron", n=2, optimizer=ADAM_THEN_BROYDEN)
    x = torch.linspace(-2, 2, 31, dtype=torch.float64)[:, None]
    batches = Batches([(x, x.sin().abs())])
    return _fit_points(make_trainer, model, {"train_dataloaders": batches, "val_dataloaders": batches}, 8)


def classifier_two_ranks() -> dict[str, Tensor]:
    return fit_classifier(two_rank_trainer, 8)


def classifier_one_process() -> dict[str, Tensor]:
    return fit_classifier(quiet_trainer, 16)


def uneven_shards(make_trainer: MakeTrainer = two_rank_trainer) -> float:
    return validate_regressor(make_trainer)


def classifier_validation(make_trainer: MakeTrainer = two_rank_trainer) -> dict[str, float]:
    return validate_classifier(make_trainer)


def epoch_train_loss(make_trainer: MakeTrainer = two_rank_trainer) -> float:
    """The untrained network's loss over 100 images."""
    torch.manual_seed(0)
    model = ImageClassifier("lenet", num_classes=10, in_channels=1, image_size=16, optimizer=partial(SGD, lr=0.0))
    trainer = make_trainer(max_epochs=1, limit_val_batches=0, log_every_n_steps=1, callbacks=[EpochTrainLoss()])
    trainer.fit(model, datamodule=SemeionDataModule(batch_size=20, train_size=100))
    return float(trainer.callback_metrics["epoch_train_loss"])
