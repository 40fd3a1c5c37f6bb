from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import StepLR

from laaf_lightning import SelfScaledBroyden, SequentialOptimizer
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.optimizers.factory_checks import Made, refuse_no_factory
from tests.optimizers.objectives import parameter

ADAM = Adam([parameter([1.0])])


@pytest.mark.parametrize("value", [Adam, partial(Adam, lr=1.0), lambda p: Adam(p, lr=1.0), SelfScaledBroyden])
def test_what_makes_an_optimiser_passes(value: Any) -> None:
    refuse_no_factory("optimizer", value, "optimizer")


@pytest.mark.parametrize("value", [StepLR, partial(StepLR, step_size=2), lambda o: StepLR(o, 2)])
def test_what_makes_a_scheduler_passes(value: Any) -> None:
    refuse_no_factory("lr_scheduler", value, "lr_scheduler")


@pytest.mark.parametrize(
    ("makes", "value", "message"),
    [
        (
            "optimizer",
            "adam",
            r"^optimizer='adam' is a name: give what makes one of parameters, optimizer=torch.optim.Adam, with "
            r"settings partial\(torch.optim.Adam, lr=1e-3\) of functools; on the command line --model.optimizer "
            r"torch.optim.Adam --model.optimizer.lr 1e-3$",
        ),
        ("optimizer", "torch.optim.SGD", r"^optimizer='torch.optim.SGD' is a name: .* optimizer=torch.optim.SGD, with"),
        ("optimizer", "lbfgs", r"optimizer=torch.optim.LBFGS, with"),
        ("optimizer", "quite another", r"optimizer=torch.optim.Adam, with"),
        (
            "optimizer",
            SGD([parameter([1.0])], lr=1.0),
            r"^optimizer=<SGD> is an optimiser that is built already.*m.SGD,",
        ),
        ("optimizer", StepLR(ADAM, 2), r"^optimizer=<StepLR> is a scheduler, not an optimiser"),
        ("optimizer", StepLR, r"^optimizer=StepLR is the class of a scheduler, not of an optimiser"),
        ("optimizer", None, r"^optimizer=<NoneType> is nothing that can be called"),
        ("optimizer", {"lr": 1e-3}, r"^optimizer=<dict> is nothing that can be called"),
        ("optimizer", torch.optim, r"^optimizer=torch.optim is nothing that can be called"),
        (
            "lr_scheduler",
            "step",
            r"^lr_scheduler='step' is a name: give what makes one of the optimiser, lr_scheduler=torch.optim."
            r"lr_scheduler.StepLR, with settings partial\(torch.optim.lr_scheduler.StepLR, step_size=100\) of functools"
            r"; on the command line --model.lr_scheduler torch.optim.lr_scheduler.StepLR "
            r"--model.lr_scheduler.step_size 100$",
        ),
        ("lr_scheduler", "OneCycle", r"partial\(torch.optim.lr_scheduler.OneCycleLR, …\).*lr_scheduler.OneCycleLR$"),
        ("lr_scheduler", StepLR(ADAM, 2), r"^lr_scheduler=<StepLR> is a scheduler that is built already"),
        ("lr_scheduler", ADAM, r"^lr_scheduler=<Adam> is an optimiser, not a scheduler"),
        ("lr_scheduler", Adam, r"^lr_scheduler=Adam is the class of an optimiser, not of a scheduler"),
        ("lr_scheduler", 0.9, r"^lr_scheduler=<float> is nothing that can be called"),
    ],
)
def test_what_makes_none_is_refused_with_the_way_out(makes: Made, value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        refuse_no_factory(makes, value, makes)


@pytest.mark.parametrize(
    ("optimizers", "steps", "message"),
    [
        (
            "adam",
            [1],
            r"^optimizers='adam' of SequentialOptimizer must be a list, such as optimizers=\[torch.optim.Adam, ",
        ),
        (Adam, [1], r"^optimizers=<class 'type'> of SequentialOptimizer must be a list"),
        (["adam", "lbfgs"], [1], r"^optimizers\[0\]='adam' is a name: .* optimizers\[0\]=torch.optim.Adam, with"),
        ([Adam, ADAM], [1], r"^optimizers\[1\]=<Adam> is an optimiser that is built already"),
        ([Adam, SGD], "5", r"^steps='5' of SequentialOptimizer must be a list, such as steps=\[1000\]$"),
        ([Adam, SGD], 5, r"^steps=5 of SequentialOptimizer must be a list"),
    ],
)
def test_stages_that_are_no_lists_of_factories_are_refused(optimizers: Any, steps: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SequentialOptimizer([parameter([1.0])], optimizers, steps)
