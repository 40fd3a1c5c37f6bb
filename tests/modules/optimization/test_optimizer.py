from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
import pytorch_lightning.cli
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import MultiStepLR, ReduceLROnPlateau

from laaf_lightning.activations import AdaptiveActivation, Scope, named_slopes
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import AdaptiveModule
from laaf_lightning.modules.optimization.optimizer import build_optimizer
from tests.matrices_only import MATRICES_ONLY
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


@pytest.mark.parametrize("factory", [partial(AdamW, lr=0.1, weight_decay=0.5), partial(SGD, lr=0.1, weight_decay=0.5)])
@pytest.mark.parametrize("scope", ["global", "layer", "neuron"])
def test_weight_decay_leaves_a_slope_with_zero_gradient_unchanged(
    factory: Callable[..., Optimizer], scope: Scope
) -> None:
    model = small_regressor(scope=scope, optimizer=factory)
    optimizer = model.configure_optimizers()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    after = dict(model.named_parameters())
    slopes = {name for name in before if name.endswith(".a")}
    assert slopes
    assert all(torch.equal(after[name], before[name]) for name in slopes)
    weights = {name for name in before if name.endswith("weight")}
    assert all(not torch.equal(after[name], before[name]) for name in weights)


def test_every_parameter_is_in_exactly_one_group() -> None:
    model = small_regressor(scope="global", optimizer=AdamW)
    groups = model.configure_optimizers().param_groups
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())


def test_parameters_that_a_subclass_adds_are_trained_too() -> None:
    model = small_regressor()
    model.extra = nn.Linear(2, 2)
    held = {id(parameter) for group in model.configure_optimizers().param_groups for parameter in group["params"]}
    assert id(model.extra.weight) in held


def test_slopes_take_their_own_learning_rate() -> None:
    model = small_regressor(scope="neuron", slope_lr=0.5, optimizer=partial(SGD, lr=0.25))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = model.configure_optimizers()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        step = before[name] - parameter.detach()
        torch.testing.assert_close(step, torch.full_like(step, 0.5 if name.endswith(".a") else 0.25))


def test_lbfgs_gets_one_flat_list_of_all_parameters() -> None:
    model = small_pinn(optimizer=LBFGS)
    optimizer = model.configure_optimizers()
    (group,) = optimizer.param_groups
    assert {id(parameter) for parameter in group["params"]} == {id(parameter) for parameter in model.parameters()}


def test_one_flat_list_is_in_the_order_of_the_model_which_saved_states_of_lbfgs_count_on() -> None:
    model = nn.Sequential(nn.Linear(2, 3), AdaptiveActivation("tanh"), nn.Linear(3, 1))
    (group,) = build_optimizer(model, LBFGS).param_groups
    assert [id(parameter) for parameter in group["params"]] == [id(parameter) for parameter in model.parameters()]


@pytest.mark.parametrize(
    ("kind", "count"), [(Adam, 1), (LBFGS, 3), (partial(LBFGS, lr=-1), 3), (partial(SGD, lr=-1), 3)]
)
def test_a_factory_is_called_once_unless_it_refuses_the_groups(kind: Callable[..., Optimizer], count: int) -> None:
    calls: list[Optimizer | None] = []

    def counted(params: Iterable[Any]) -> Optimizer:
        calls.append(None)
        calls[-1] = optimizer = kind(params)
        return optimizer

    model = nn.Sequential(nn.Linear(2, 3), AdaptiveActivation("tanh"))
    if isinstance(kind, partial):
        with pytest.raises(ValueError, match="Invalid learning rate: -1"):
            build_optimizer(model, counted, slope_lr=0.1)
    else:
        assert build_optimizer(model, counted) is calls[-1]
    assert len(calls) == count


def test_slope_lr_with_lbfgs_is_an_error_that_says_what_to_do() -> None:
    model = small_pinn(optimizer=LBFGS, slope_lr=0.1)
    with pytest.raises(
        ConfigurationError, match=r"slope_lr=0.1 needs an optimiser with parameter groups: .*leave slope_lr out"
    ):
        model.configure_optimizers()


@pytest.mark.parametrize(("make", "data"), [(small_regressor, regression_data), (small_pinn, burgers_data)])
def test_lbfgs_with_a_line_search_trains_weights_and_slopes(
    make: Callable[..., AdaptiveModule], data: Callable[..., Any]
) -> None:
    model, batch = make(optimizer=partial(LBFGS, line_search_fn="strong_wolfe", max_iter=5)), data()
    first = model.loss(batch.train_dataloader().batch).item()
    quiet_trainer(max_steps=4, limit_val_batches=0).fit(model, datamodule=batch)
    assert model.loss(batch.train_dataloader().batch).item() < 0.8 * first
    assert all(bool((slope != 1).all()) for _, slope in named_slopes(model))


@pytest.mark.parametrize("factory", MATRICES_ONLY)
def test_an_optimiser_that_refuses_a_shape_gets_a_sentence_that_names_the_parameters(
    factory: Callable[..., Optimizer],
) -> None:
    model = small_regressor(depth=1, optimizer=factory)
    sentence = (
        r"the optimiser refuses network\.linears\.0\.bias of shape \(8,\), network\.linears\.1\.bias of shape \(1,\), "
        r"network\.activations\.0\.a of shape \(\): .*take one that accepts parameters of any shape"
    )
    with pytest.raises(ConfigurationError, match=sentence):
        model.configure_optimizers()


def test_an_optimiser_that_refuses_its_own_settings_says_so_itself() -> None:
    with pytest.raises(ValueError, match=r"^Invalid learning rate: -1"):
        small_regressor(optimizer=partial(Adam, lr=-1)).configure_optimizers()


def test_frozen_parameters_are_left_out() -> None:
    model = nn.Sequential(nn.Linear(2, 3), AdaptiveActivation("tanh"), nn.Linear(3, 1))
    model[0].requires_grad_(False)
    for factory in (SGD, partial(LBFGS, max_iter=1)):
        optimizer = build_optimizer(model, factory)
        assert sum(len(group["params"]) for group in optimizer.param_groups) == 3


@pytest.mark.parametrize(("job", "expected"), [("classifier", 0.01), ("regressor", 0.001), ("pinn", 0.001)])
def test_scheduler_steps_once_an_epoch_for_the_classifier_and_at_every_step_for_the_others(
    job: str, expected: float
) -> None:
    settings: dict[str, Any] = {"optimizer": partial(SGD, lr=0.1)}
    settings["lr_scheduler"] = partial(MultiStepLR, milestones=[1, 3, 50], gamma=0.1)
    trainer = quiet_trainer(max_epochs=2, limit_val_batches=0)
    if job == "classifier":
        trainer.fit(small_classifier(**settings), image_batches(4), image_batches(1))
    elif job == "regressor":
        trainer.fit(small_regressor(**settings), datamodule=regression_data(steps_per_epoch=4))
    else:
        trainer.fit(small_pinn(**settings), datamodule=burgers_data(steps_per_epoch=4))
    # Two epochs of four steps pass milestone 1 of epochs, and 1 and 3 of steps.
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(expected)


@pytest.mark.parametrize("job", ["classifier", "regressor", "pinn"])
@pytest.mark.filterwarnings("ignore:The number of training batches:UserWarning")  # an interval of 50 is meant here
def test_plateau_scheduler_counts_epochs_of_a_loss_that_was_measured_in_them(job: str) -> None:
    watched: list[float] = []

    class Recorded(ReduceLROnPlateau):
        def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]  # as in torch
            watched.append(float(metrics))
            super().step(metrics, epoch)

    losses = Losses()
    scheduler = partial(Recorded, patience=0, threshold=10.0, threshold_mode="abs")  # no epoch is ever good enough
    settings: dict[str, Any] = {"optimizer": partial(SGD, lr=0.01), "lr_scheduler": scheduler}
    trainer = quiet_trainer(max_epochs=3, limit_val_batches=0, log_every_n_steps=50, callbacks=[losses])
    if job == "classifier":
        trainer.fit(small_classifier(**settings), image_batches(2), image_batches(1))
    elif job == "regressor":
        trainer.fit(small_regressor(**settings), datamodule=regression_data(steps_per_epoch=2))
    else:
        trainer.fit(small_pinn(**settings), datamodule=burgers_data(steps_per_epoch=2))
    # Two steps an epoch: the loss of the second, three times; each epoch after the first cuts the rate by 10.
    assert watched == pytest.approx(losses.seen[1::2], rel=1e-6)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01 / 100)


def test_plateau_scheduler_watches_what_it_is_told() -> None:
    scheduler = partial(pytorch_lightning.cli.ReduceLROnPlateau, monitor="val/relative_l2")
    config = small_pinn(lr_scheduler=scheduler).configure_optimizers()["lr_scheduler"]
    assert (config["monitor"], config["interval"]) == ("val/relative_l2", "epoch")
    trainer = quiet_trainer(max_epochs=2)
    trainer.fit(small_pinn(lr_scheduler=scheduler), datamodule=burgers_data())
    assert trainer.global_step == 10
