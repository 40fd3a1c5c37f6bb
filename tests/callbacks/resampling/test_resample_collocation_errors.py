from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningDataModule
from torch import nn

import laaf_lightning as laaf
from tests.callbacks.plain_training import Batches, PlainModule, adapted, one_epoch_trainer, regression_batches
from tests.callbacks.resampling.collocation_cases import Diverges, Line, fit_line


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"every_n_steps": 0}, "every_n_steps=0 of ResampleCollocation must be >= 1"),
        ({"num_candidates": 0}, "num_candidates=0 of ResampleCollocation must be >= 1"),
        ({"num_added": -1}, "num_added=-1 of ResampleCollocation must be >= 1"),
        ({"max_points": 0}, "max_points=0 of ResampleCollocation must be >= 1"),
        ({"chunk_size": 0}, "chunk_size=0 of ResampleCollocation must be >= 1"),
        ({"from_step": -1}, "from_step=-1 of ResampleCollocation must be >= 0"),
        ({"from_step": 7, "until_step": 6}, "from_step=7 of ResampleCollocation must be <= until_step=6"),
        ({"seed": -1}, "seed=-1 of ResampleCollocation must be >= 0"),
        ({"power": 0.0}, "power=0.0 must be finite and > 0, offset=1.0 finite and >= 0"),
        ({"power": math.inf}, "power=inf must be finite"),
        ({"offset": -0.5}, "offset=-0.5 finite and >= 0"),
        ({"offset": math.nan}, "offset=nan finite and >= 0"),
        ({"method": "rat"}, "unknown method 'rat': valid are uniform, rad, rar"),
    ],
)
def test_settings_outside_their_range_are_refused_by_name(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(laaf.ConfigurationError) as error:
        laaf.ResampleCollocation(**settings)
    assert text in str(error.value)


def test_loaders_without_a_datamodule_are_refused_before_training() -> None:
    module = adapted(PlainModule())
    with pytest.raises(laaf.ConfigurationError, match=r"this fit has only loaders: call trainer.fit\(module, datamod"):
        one_epoch_trainer(laaf.ResampleCollocation(10**6)).fit(module, Batches(regression_batches()))


class Foreign(LightningDataModule):
    def train_dataloader(self) -> Any:
        return Batches(regression_batches())

    def residual_points(self) -> torch.Tensor:
        return torch.zeros(3, 1)


def test_a_datamodule_whose_points_cannot_be_set_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(laaf.ConfigurationError) as error:
        one_epoch_trainer(laaf.ResampleCollocation()).fit(adapted(PlainModule()), datamodule=Foreign())
    text = str(error.value)
    assert "Foreign has no sample_residual_points, set_residual_points: take laaf_lightning.Colloc" in text
    assert "--resample_collocation.enabled false" in text


@pytest.mark.parametrize("method", ["rad", "rar"])
def test_a_module_without_residual_is_refused_where_it_is_needed(method: Any) -> None:
    module = Line()
    module.residual = None  # type: ignore[assignment,method-assign]
    with pytest.raises(laaf.ConfigurationError, match=rf"method='{method}' needs a method residual\(points\) of Line"):
        fit_line(laaf.ResampleCollocation(method=method), module=module)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"method": "rad", "num_candidates": 11}, "num_candidates=11 .* at least the 12 residual points"),
        ({"method": "rar", "num_candidates": 4, "num_added": 5}, "num_candidates=4 .* at least the 5 points to add"),
        ({"method": "rar", "max_points": 11}, "max_points=11 .* at least the 12 residual points of the start"),
    ],
)
def test_numbers_of_points_that_do_not_go_together_are_refused_at_the_start(
    settings: dict[str, Any], text: str
) -> None:
    module = Line()
    with pytest.raises(laaf.ConfigurationError, match=text):
        fit_line(laaf.ResampleCollocation(**settings), module=module)
    assert module.seen == []


@pytest.mark.parametrize("method", ["rad", "rar"])
def test_a_residual_that_is_not_finite_ends_the_run_with_a_clear_text(method: Any) -> None:
    with pytest.raises(laaf.ConfigurationError, match="the residual of Diverges is not finite at 120 of 120"):
        fit_line(laaf.ResampleCollocation(2, method), module=Diverges())


def test_a_mode_is_as_before_also_after_an_error() -> None:
    module = Diverges()
    module.dropout = nn.Dropout()
    with pytest.raises(laaf.ConfigurationError):
        fit_line(laaf.ResampleCollocation(1, "rad"), module=module)
    assert module.dropout.training
