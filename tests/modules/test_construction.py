"""A module of another project, derived from the base directly."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam
from torchmetrics import MetricCollection

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.modules import AdaptiveModule, FunctionRegressor
from tests.modules.small import regression_data
from tests.trainers import quiet_trainer

Batch = tuple[Tensor, Tensor]


class Small(AdaptiveModule):
    """Has no constructor of its own."""

    width = 8

    def build_network(self) -> nn.Module:
        return nn.Sequential(nn.Linear(1, self.width), AdaptiveActivation("tanh", n=2.0), nn.Linear(self.width, 1))

    def loss(self, batch: Batch) -> Tensor:
        return nn.functional.mse_loss(self(batch[0]), batch[1])


class After(Small):
    def __init__(self, width: int = 8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width


class Before(Small):
    def __init__(self, width: int = 8, **kwargs: Any) -> None:
        self.width = width
        super().__init__(**kwargs)


class Inherited(After):
    """Has no constructor of its own."""


class Named:
    """A class of no module, whose constructor comes first."""

    def __init__(self, name: str = "one", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = name


class Mixed(Named, After):
    pass


class Counting(After):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.calls: list[str] = []
        super().__init__(*args, **kwargs)

    def build_network(self) -> nn.Module:
        self.calls.append("network")
        return super().build_network()

    def build_metrics(self) -> MetricCollection:
        self.calls.append("metrics")
        return super().build_metrics()


KINDS: list[Any] = [After, Before, Inherited, Mixed]


@pytest.mark.parametrize("kind", KINDS)
def test_network_and_metrics_are_there_once_the_constructor_has_returned(kind: Any) -> None:
    model = kind(width=3)
    assert [tuple(parameter.shape) for parameter in model.parameters()] == [(3, 1), (3,), (), (1, 3), (1,)]
    assert list(model.metrics) == ["relative_l2"]
    assert model(torch.zeros(4, 1)).shape == (4, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_with_the_defaults(kind: Any) -> None:
    model = kind(width=3)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(model, datamodule=regression_data())
    assert isinstance(trainer.optimizers[0], Adam)
    assert all(not torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())
    assert {"train/loss", "val/relative_l2"} <= set(trainer.callback_metrics)


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_rebuilds_it_from_the_arguments_of_the_outermost_constructor(kind: Any, tmp_path: Path) -> None:
    model = kind(width=3, slope_lr=0.5, optimizer=partial(SGD, lr=0.1))
    assert model.hparams == {"width": 3, "slope_lr": 0.5} | ({"name": "one"} if kind is Mixed else {})
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(model, datamodule=regression_data())
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    twin = kind.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    assert all(torch.equal(one, other) for one, other in zip(twin.parameters(), model.parameters(), strict=True))
    assert twin.hparams == model.hparams


def test_parts_are_built_once_whatever_the_constructor_does() -> None:
    class Eager(Counting):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.build_parts()
            self.sizes = [parameter.numel() for parameter in self.network.parameters()]
            self.build_parts()

    for kind in (Counting, Eager):
        model = kind(width=3)
        assert model.calls == ["network", "metrics"]
    assert model.sizes == [3, 3, 1, 3, 1]


def test_copies_and_pickles_are_not_built_again() -> None:
    model = Counting(width=3)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.calls == model.calls == ["network", "metrics"]
        assert twin.hparams == model.hparams == {"width": 3}


def test_a_subclass_of_a_library_module_has_its_network_after_the_librarys_constructor() -> None:
    class Frozen(FunctionRegressor):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.network.requires_grad_(False)
            self.names = [name for name, _ in self.named_parameters()]

    model = Frozen(width=4, depth=1)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model.names == [name for name, _ in model.named_parameters()]


def test_a_part_that_is_asked_for_too_early_is_an_error_that_says_what_to_call() -> None:
    class Impatient(After):
        def __init__(self) -> None:
            super().__init__()
            self.network.requires_grad_(False)

    with pytest.raises(AttributeError, match=r"no attribute 'network'.* Impatient, .* self\.build_parts\(\)"):
        Impatient()


def test_a_setting_that_is_missing_when_a_library_module_builds_is_an_error_that_says_where_to_set_it() -> None:
    class Late(FunctionRegressor):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.factor = 2

        def build_network(self) -> nn.Module:
            return nn.Linear(1, self.factor)

    with pytest.raises(AttributeError, match=r"no attribute 'factor'.* Late, .* before super\(\).__init__"):
        Late()


def test_another_attribute_error_of_a_constructor_keeps_its_words() -> None:
    class Broken(After):
        def __init__(self) -> None:
            super().__init__()
            self.width = "eight".widht  # type: ignore[attr-defined]

    with pytest.raises(AttributeError, match=r"^'str' object has no attribute 'widht'$"):
        Broken()


def test_a_constructor_is_left_as_it_was_written_and_its_signature_is_the_classes() -> None:
    def constructor(self: After, width: int = 8, **kwargs: Any) -> None:
        After.__init__(self, width, **kwargs)

    kind = type("Made", (After,), {"__init__": constructor})
    assert kind.__init__ is constructor  # type: ignore[misc]
    assert list(inspect.signature(kind).parameters) == ["width", "kwargs"]
    assert inspect.signature(FunctionRegressor).parameters["width"].default == 50
    assert str(inspect.signature(Before)) == "(width: 'int' = 8, **kwargs: 'Any') -> 'None'"
    assert kind(width=3).hparams == {"width": 3}


def test_wrong_arguments_get_pythons_own_words() -> None:
    with pytest.raises(TypeError, match=r"__init__\(\) got an unexpected keyword argument 'widht'"):
        After(widht=3)


def test_an_argument_is_saved_as_it_was_given() -> None:
    class Spline(After):
        def __init__(self, knots: Any, width: int = 8, **kwargs: Any) -> None:
            knots = np.asarray(knots)
            super().__init__(width=2 * width, **kwargs)
            self.knots = knots

    model = Spline([0.0, 0.5, 1.0], 3)
    assert model.hparams == model.hparams_initial == {"knots": [0.0, 0.5, 1.0], "width": 3}
    assert model.width == 6


def test_hyper_parameters_are_there_for_the_rest_of_the_constructor() -> None:
    class Reading(After):
        def __init__(self, width: int = 8, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.width = self.hparams["width"] + 1

    assert Reading(4).width == 5


def test_a_module_made_inside_another_ones_constructor_has_arguments_of_its_own() -> None:
    class Outer(After):
        def __init__(self, points: Any, width: int = 8, **kwargs: Any) -> None:
            self.inner_settings = After(width=2).hparams
            super().__init__(width=width, **kwargs)
            self.inner = Before(3)

    model = Outer(np.zeros(5), width=4)
    assert model.inner_settings == {"width": 2}
    assert model.inner.hparams == {"width": 3}
    assert model.hparams == {"width": 4}


def test_a_finished_module_does_not_keep_its_arguments_alive() -> None:
    class Handed(After):
        def __init__(self, layer: nn.Module, **kwargs: Any) -> None:
            super().__init__(**kwargs)

    layer = nn.Linear(1, 1)
    watched = weakref.ref(layer)
    model = Handed(layer)
    del layer
    gc.collect()
    assert watched() is None
    assert isinstance(model.network, nn.Sequential)


@pytest.mark.slow
def test_compile_on_request_compiles_the_network() -> None:
    torch.manual_seed(0)
    model, x = After(width=3, compile=True), torch.rand(5, 1)
    plain = After(width=3)
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(x), plain(x))
    assert model.network._compiled_call_impl is not None  # torch's only trace of it


def test_the_four_settings_may_be_given_by_position() -> None:
    class Plain(AdaptiveModule):
        def build_network(self) -> nn.Module:
            return nn.Linear(1, 1)

        def loss(self, batch: Batch) -> Tensor:
            return self(batch[0]).sum()  # type: ignore[no-any-return]

    schedule: Callable[..., Any] = partial(torch.optim.lr_scheduler.StepLR, step_size=1)
    config = Plain(partial(SGD, lr=0.5), schedule, None, False).configure_optimizers()
    assert type(config["optimizer"]) is SGD
    assert config["lr_scheduler"]["interval"] == "epoch"
    assert Plain().hparams == {"slope_lr": None, "compile": False, "lr_scheduler": None}
