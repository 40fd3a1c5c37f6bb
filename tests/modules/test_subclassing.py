"""Each module serves another project by overriding one method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanSquaredError, MetricCollection
from torchmetrics.classification import MulticlassF1Score, MulticlassRecall

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import AdaptiveModule, BurgersPINN, FunctionRegressor, ImageClassifier
from tests.modules.small import (
    Batches,
    TinyNetwork,
    burgers_data,
    image_batches,
    regression_data,
    small_classifier,
    small_pinn,
    small_regressor,
)
from tests.trainers import quiet_trainer

IMAGES: dict[str, Any] = {"num_classes": 3, "in_channels": 1, "image_size": 6}


def sine_network(inputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 6), AdaptiveActivation(torch.sin, "neuron", 2.0, (6,)), nn.Linear(6, 1))


class SineRegressor(FunctionRegressor):
    def build_network(self) -> nn.Module:
        return sine_network(1)


class SinePINN(BurgersPINN):
    def build_network(self) -> nn.Module:
        return sine_network(2)


class TinyClassifier(ImageClassifier):
    def build_network(self) -> nn.Module:
        return TinyNetwork(3, 1, 6, activation="tanh", scope="channel", n=2.0)


@pytest.mark.parametrize("kind", [SineRegressor, SinePINN, TinyClassifier])
def test_network_of_ones_own_trains(kind: type[AdaptiveModule]) -> None:
    model = kind(**IMAGES) if issubclass(kind, ImageClassifier) else kind()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    if issubclass(kind, ImageClassifier):
        quiet_trainer(max_epochs=1).fit(model, image_batches(), image_batches(1))
    else:
        data = regression_data() if kind is SineRegressor else burgers_data()
        quiet_trainer(max_epochs=1).fit(model, datamodule=data)
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == set(before)


def test_loss_of_ones_own_is_what_training_lowers() -> None:
    class Absolute(FunctionRegressor):
        def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
            x, u = batch
            loss: Tensor = (self(x) - u).abs().mean() + 5
            return loss

    model = Absolute(width=4, depth=1)
    trainer = quiet_trainer(max_steps=1, limit_val_batches=0)
    batch = regression_data().train_dataloader().batch
    expected = 5 + (model(batch[0]) - batch[1]).abs().mean().item()
    trainer.fit(model, datamodule=regression_data())
    assert trainer.callback_metrics["train/loss"].item() == pytest.approx(expected, rel=1e-6)


def test_metrics_of_ones_own_are_logged_in_validation_and_test() -> None:
    class Measured(FunctionRegressor):
        def build_metrics(self) -> MetricCollection:
            return MetricCollection({"mae": MeanAbsoluteError(), "mse": MeanSquaredError()})

    model = Measured(width=4, depth=1)
    x = torch.linspace(-1, 1, 10).unsqueeze(1)
    with torch.no_grad():
        error = model(x) - x
    trainer = quiet_trainer()
    batches = Batches([(x[:7], x[:7]), (x[7:], x[7:])])
    for stage, run in (("val", trainer.validate), ("test", trainer.test)):
        (logged,) = run(model, batches, verbose=False)
        assert logged == {
            f"{stage}/mae": pytest.approx(error.abs().mean().item(), rel=1e-5),
            f"{stage}/mse": pytest.approx(error.square().mean().item(), rel=1e-5),
        }


def test_metrics_that_share_their_state_are_right_in_every_epoch() -> None:
    # torchmetrics updates one metric of such a group and hands its state to the others.
    class Measured(TinyClassifier):
        def build_metrics(self) -> MetricCollection:
            settings: dict[str, Any] = {"num_classes": 3, "average": "macro"}
            return MetricCollection({"f1": MulticlassF1Score(**settings), "recall": MulticlassRecall(**settings)})

    model, batches = Measured(**IMAGES), image_batches()
    for _ in range(2):
        trainer = quiet_trainer(max_epochs=2)
        trainer.fit(model, image_batches(), batches)
        (logged,) = trainer.validate(model, batches, verbose=False)
        images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
        with torch.no_grad():
            logits = model(images)
        for name, metric in {"f1": MulticlassF1Score(3, average="macro"), "recall": MulticlassRecall(3)}.items():
            assert logged[f"val/{name}"] == pytest.approx(metric(logits, labels).item(), rel=1e-6)


@pytest.mark.parametrize("base", [FunctionRegressor, BurgersPINN, ImageClassifier])
def test_parts_are_built_once_in_the_constructor(base: type[AdaptiveModule]) -> None:
    calls: list[str] = []

    class Counting(base):  # type: ignore[misc,valid-type]
        def build_network(self) -> nn.Module:
            calls.append("network")
            network: nn.Module = super().build_network()
            return network

        def build_metrics(self) -> MetricCollection:
            calls.append("metrics")
            metrics: MetricCollection = super().build_metrics()
            return metrics

    if base is ImageClassifier:
        model, loaders = (
            Counting(network="tests.modules.small.TinyNetwork", **IMAGES),
            (image_batches(), image_batches()),
        )
        assert calls == ["network", "metrics"]
        quiet_trainer(max_epochs=2).fit(model, *loaders)
        quiet_trainer().validate(model, loaders[1], verbose=False)
    else:
        model, data = Counting(width=4, depth=1), regression_data() if base is FunctionRegressor else burgers_data()
        assert calls == ["network", "metrics"]
        quiet_trainer(max_epochs=2).fit(model, datamodule=data)
        quiet_trainer().validate(model, datamodule=data, verbose=False)
    assert calls == ["network", "metrics"]


@pytest.mark.parametrize("make", [small_regressor, small_pinn, small_classifier])
def test_another_network_can_be_built_at_any_time_and_leaves_the_module_as_it_is(
    make: Callable[[], AdaptiveModule],
) -> None:
    model = make()
    modules = list(model.named_modules())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    others = [model.build_network() for _ in range(2)]
    assert list(model.named_modules()) == modules
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    parameters = [p for network in (model.network, *others) for p in network.parameters()]
    assert len(set(parameters)) == len(parameters)
    one, other = (next(network.parameters()) for network in others)
    assert not torch.equal(one, other)
    model.network.load_state_dict(others[0].state_dict())


def test_a_classifier_that_was_given_its_network_cannot_build_another() -> None:
    network = TinyNetwork(3, 1, 6, activation="tanh", scope="channel", n=2.0)
    model = ImageClassifier(network, **IMAGES)
    assert model.network is network
    with pytest.raises(ConfigurationError, match=r"its network as an object, .* dotted path .* override build_network"):
        model.build_network()


def test_network_may_need_settings_of_ones_own() -> None:
    class Wide(FunctionRegressor):
        def __init__(self, factor: int = 2, **settings: Any) -> None:
            self.factor = factor
            super().__init__(**settings)

        def build_network(self) -> nn.Module:
            return nn.Linear(1, self.factor * self.width)

    model = Wide(factor=3, width=5)
    assert model(torch.zeros(2, 1)).shape == (2, 15)
    assert model.hparams == {"factor": 3, "width": 5}


def test_base_class_names_what_is_missing() -> None:
    class Nothing(AdaptiveModule):
        pass

    with pytest.raises(TypeError, match=r"abstract methods.*build_network.*loss"):
        Nothing(torch.optim.Adam, None, None, False)  # type: ignore[abstract]
