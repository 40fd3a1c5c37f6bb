from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from laaf_lightning.activations import named_slopes
from laaf_lightning.modules import AdaptiveModule
from tests.modules.small import (
    Losses,
    burgers_data,
    image_batches,
    regression_data,
    small_classifier,
    small_pinn,
    small_regressor,
)
from tests.trainers import quiet_trainer

POINT_JOBS: dict[str, tuple[Callable[..., AdaptiveModule], Callable[..., Any]]] = {
    "regressor": (small_regressor, regression_data),
    "pinn": (small_pinn, burgers_data),
}


class Dtypes(Callback):
    def __init__(self) -> None:
        self.seen: set[torch.dtype] = set()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.seen |= {part.dtype for part in batch if isinstance(part, torch.Tensor)} | {outputs["loss"].dtype}


@pytest.mark.parametrize(("precision", "dtype"), [("32-true", torch.float32), ("64-true", torch.float64)])
@pytest.mark.parametrize("job", POINT_JOBS)
def test_single_and_double_precision_train_on_data_of_their_own_kind(
    job: str, precision: str, dtype: torch.dtype
) -> None:
    make, data = POINT_JOBS[job]
    model, dtypes = make(), Dtypes()
    trainer = quiet_trainer(max_epochs=1, precision=precision, callbacks=[dtypes])
    trainer.fit(model, datamodule=data())
    assert dtypes.seen == {dtype}
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    assert all(bool((slope != 1).all()) for _, slope in named_slopes(model))
    assert trainer.callback_metrics["val/relative_l2"].isfinite()


def test_double_precision_points_are_not_rounded_on_the_way() -> None:
    trainer, data = quiet_trainer(max_steps=1, precision="64-true", limit_val_batches=0), regression_data()
    trainer.fit(small_regressor(), datamodule=data)
    x, _ = data.train_dataloader().batch
    assert not torch.equal(x, x.float().double())


@pytest.mark.parametrize(
    ("job", "what"),
    [("regressor", "a regression to small errors"), ("pinn", "the second derivatives of a PDE residual")],
)
@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_half_precision_warns_once_and_names_the_way_out(job: str, what: str, precision: str) -> None:
    make, data = POINT_JOBS[job]
    trainer = quiet_trainer(max_steps=2, limit_val_batches=0, precision=precision)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(make(), datamodule=data())
    texts = [str(warning.message) for warning in caught]
    assert [text for text in texts if "too low" in text] == [
        f"precision {precision} is too low for {what}: use 32-true or 64-true (--trainer.precision 64-true)"
    ]


def test_classifier_trains_in_mixed_precision_without_a_warning() -> None:
    model = small_classifier(scope="neuron")
    quiet_trainer(max_epochs=1, precision="bf16-mixed").fit(model, image_batches(), image_batches(1))
    assert all(bool((slope != 1).any()) for _, slope in named_slopes(model))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("scope", ["layer", "channel", "neuron"])
@pytest.mark.parametrize("precision", ["16-mixed", "bf16-mixed"])
def test_classifier_trains_on_a_gpu_in_mixed_precision_as_in_single(precision: str, scope: Any) -> None:
    losses = []
    for each in (precision, "32-true"):
        model = small_classifier(scope=scope)
        seen = Losses()
        trainer = quiet_trainer(max_epochs=5, precision=each, accelerator="gpu", callbacks=[seen])
        trainer.fit(model, image_batches(), image_batches(1))
        losses.append(seen.seen)
        assert all(bool((slope != 1).any()) for _, slope in named_slopes(model))
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    torch.testing.assert_close(*losses, rtol=0.02, atol=0.02)
