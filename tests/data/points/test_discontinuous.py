from __future__ import annotations

from typing import Any

import lightning.pytorch
import numpy as np
import pytest
import pytorch_lightning
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from laaf_lightning.data import DiscontinuousFunctionDataModule
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import FunctionRegressor
from tests.trainers import quiet_trainer


def formula(x: Tensor) -> NDArray[np.float64]:
    values: NDArray[np.float64] = x.double().numpy()
    return np.where(values <= 0, 0.2 * np.sin(6 * values), 1 + 0.1 * values * np.cos(18 * values))


def the_batch(loader: Any) -> tuple[Tensor, Tensor]:
    (batch,) = {id(batch): batch for batch in loader}.values()
    x, u = batch
    return x, u


@pytest.mark.parametrize("points", ["random", "equispaced"])
def test_batch_holds_the_function_at_its_points_and_repeats_for_an_epoch(points: Any) -> None:
    data = DiscontinuousFunctionDataModule(num_points=50, points=points, steps_per_epoch=7)
    loader = data.train_dataloader()
    x, u = the_batch(loader)
    assert len(loader) == 7
    assert x.shape == u.shape == (50, 1)
    assert x.dtype == u.dtype == torch.float32
    np.testing.assert_allclose(u.numpy(), formula(x), rtol=0, atol=1e-6)


def test_random_points_are_uniform_over_the_domain() -> None:
    x, _ = DiscontinuousFunctionDataModule(num_points=20_000).training_points()
    counts = np.histogram(x.numpy(), bins=10, range=(-3, 3))[0]
    assert counts.sum() == 20_000
    # Six standard deviations of a share of a tenth.
    assert np.abs(counts - 2000).max() < 6 * np.sqrt(20_000 * 0.1 * 0.9)


@pytest.mark.parametrize("count", [1, 2, 201, 301, 1000])
def test_equispaced_points_are_numpys_and_meet_the_jump_at_exactly_zero(count: int) -> None:
    x, u = DiscontinuousFunctionDataModule(num_points=count, points="equispaced").training_points()
    np.testing.assert_allclose(x[:, 0].numpy(), np.linspace(-3, 3, count), rtol=0, atol=1e-14)
    if count % 2 and count > 1:
        assert x[count // 2].item() == u[count // 2].item() == 0.0


def test_papers_settings_are_the_defaults() -> None:
    data = DiscontinuousFunctionDataModule()
    assert len(the_batch(data.train_dataloader())[0]) == 300
    assert len(data.train_dataloader()) == 100
    x, _ = the_batch(data.val_dataloader())
    np.testing.assert_allclose(x[:, 0].numpy(), np.linspace(-3, 3, 1000), rtol=0, atol=1e-6)


def test_seed_alone_decides_the_points() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = DiscontinuousFunctionDataModule(seed=3).training_points()[0]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert torch.equal(DiscontinuousFunctionDataModule(seed=3).training_points()[0], first)
    assert not torch.equal(DiscontinuousFunctionDataModule(seed=4).training_points()[0], first)


def test_validation_test_and_prediction_see_the_same_grid_once() -> None:
    data = DiscontinuousFunctionDataModule(num_test_points=11)
    for loader in (data.val_dataloader(), data.test_dataloader(), data.predict_dataloader()):
        assert len(loader) == 1
        x, u = the_batch(loader)
        np.testing.assert_allclose(x[:, 0].numpy(), np.linspace(-3, 3, 11), rtol=0, atol=1e-6)
        np.testing.assert_allclose(u.numpy(), formula(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_points": 0}, "num_points=0 must be >= 1"),
        ({"num_test_points": 1}, "num_test_points=1 must be >= 2"),
        ({"steps_per_epoch": 0}, "steps_per_epoch=0 must be >= 1"),
        ({"points": "randm"}, r"unknown points 'randm': valid are random, equispaced; did you mean 'random'\?"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DiscontinuousFunctionDataModule(**settings)


def test_settings_are_kept_as_hyper_parameters() -> None:
    assert dict(DiscontinuousFunctionDataModule(num_points=7).hparams) == {
        "num_points": 7,
        "points": "random",
        "num_test_points": 1000,
        "seed": 0,
        "steps_per_epoch": 100,
    }


def trainer(namespace: Any, **settings: Any) -> Any:
    return quiet_trainer(namespace=namespace, **settings)


def test_training_in_double_precision_gets_points_of_full_accuracy() -> None:
    seen: list[Tensor] = []

    class Recorder(FunctionRegressor):
        def loss(self, batch: Any) -> Tensor:
            seen.extend(batch)
            return super().loss(batch)

    data = DiscontinuousFunctionDataModule(num_points=20, steps_per_epoch=1)
    trainer(pytorch_lightning, max_epochs=1, precision="64-true").fit(Recorder(width=4, depth=1), datamodule=data)
    for got, expected in zip(seen, data.training_points(), strict=True):
        assert got.dtype == torch.float64
        assert torch.equal(got, expected)


@pytest.mark.parametrize("namespace", [pytorch_lightning, lightning.pytorch], ids=lambda namespace: namespace.__name__)
def test_both_trainers_fit_validate_test_and_predict_on_it(namespace: Any) -> None:
    class Linear(namespace.LightningModule):  # type: ignore[misc]  # the base is a parameter
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(1, 1)

        def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
            return nn.functional.mse_loss(self.linear(batch[0]), batch[1])

        def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
            self.log("loss", nn.functional.mse_loss(self.linear(batch[0]), batch[1]))

        test_step = validation_step

        def predict_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
            outputs: Tensor = self.linear(batch[0])
            return outputs

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.LBFGS(self.parameters(), line_search_fn="strong_wolfe")

    data = DiscontinuousFunctionDataModule(num_test_points=301, steps_per_epoch=3)
    model, runner = Linear(), trainer(namespace, max_epochs=2)
    runner.fit(model, datamodule=data)
    assert runner.global_step == 6
    x, u = (part[:, 0].numpy() for part in data.training_points())
    best = np.polyfit(x, u, 1)
    np.testing.assert_allclose([model.linear.weight.item(), model.linear.bias.item()], best, rtol=0, atol=1e-5)
    assert runner.test(model, datamodule=data, verbose=False)[0]["loss"] > 0
    assert runner.predict(model, datamodule=data)[0].shape == (301, 1)
