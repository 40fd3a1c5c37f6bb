from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torchmetrics import MeanSquaredError, MetricCollection

from laaf_lightning import PINN, CollocationDataModule
from laaf_lightning.cli.run.outcome import in_words
from tests.modules.ddp_cases import Channel
from tests.modules.small import burgers_data, small_pinn
from tests.trainers import quiet_trainer


class Constants(nn.Module):
    """A network that gives the same values everywhere."""

    def __init__(self, values: Sequence[float]) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values))

    def forward(self, points: Tensor) -> Tensor:
        return self.values + 0 * points[:, :1]


class Constant(PINN):
    values: Sequence[float] = (2.0, 1e3, 0.5)

    def build_network(self) -> nn.Module:
        return Constants(self.values)


def data() -> CollocationDataModule:
    return CollocationDataModule(Channel(), num_residual=4, num_condition=1)


@pytest.mark.parametrize("stage", ["val", "test"])
def test_a_small_unknown_does_not_hide_behind_a_large_one(stage: str) -> None:
    trainer = quiet_trainer()
    evaluate = trainer.validate if stage == "val" else trainer.test
    (logged,) = evaluate(Constant(Channel()), data(), verbose=False)
    assert logged[f"{stage}/relative_l2_velocity"] == pytest.approx(1999, rel=1e-5)
    assert logged[f"{stage}/relative_l2_pressure"] == 0
    assert logged[f"{stage}/absolute_l2_swirl"] == pytest.approx(0.5)
    assert logged[f"{stage}/relative_l2"] == pytest.approx((1.999**2 + 0.25) ** 0.5 / 1e3, rel=1e-5)
    assert in_words({"metrics": logged, "logged_at": 0, "steps": 0}) == (
        "relative L2 error 0.002061 (velocity 1999, pressure 0, swirl 0.5 absolute, its exact values being zero)"
    )


def test_a_second_evaluation_begins_anew() -> None:
    model, trainer = Constant(Channel()), quiet_trainer()
    trainer.validate(model, data(), verbose=False)
    model.network.get_parameter("values").data[0] = 1e-3
    (logged,) = trainer.validate(model, data(), verbose=False)
    assert logged["val/relative_l2_velocity"] == 0


def test_one_unknown_has_one_error() -> None:
    model = small_pinn()
    (logged,) = quiet_trainer().validate(model, burgers_data(), verbose=False)
    assert [name for name in logged if "l2" in name] == ["val/relative_l2"]
    assert model.errors_by_unknown is None


def test_metrics_of_ones_own_stand_alone() -> None:
    class Measured(Constant):
        def build_metrics(self) -> MetricCollection:
            return MetricCollection({"mse": MeanSquaredError()})

    (logged,) = quiet_trainer().validate(Measured(Channel()), data(), verbose=False)
    assert [*logged] == ["val/mse"]
