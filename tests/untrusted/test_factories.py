from __future__ import annotations

import contextlib
import functools
import math
import os
import pathlib
import subprocess
from collections.abc import Callable, Hashable, Iterable, Iterator, Reversible
from typing import Any

import pytest
import torch
from pytorch_lightning.loggers import CSVLogger, Logger
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler, StepLR

from laaf_lightning.untrusted.factories import Wanted, complaint, wanted_by


def make_sgd(parameters: Iterable[Any]) -> SGD:
    return SGD(parameters, lr=0.1)


def double(x: Tensor) -> Tensor:
    return 2 * x


def untold(x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    return x


@pytest.mark.parametrize(
    ("hint", "wanted"),
    [
        (int, Wanted()),
        (dict[str, float] | None, Wanted()),
        (type[Optimizer], Wanted()),
        (pathlib.Path | str, Wanted((pathlib.Path,))),
        (Any, Wanted(anything=True)),
        (object | None, Wanted(anything=True)),
        (str | nn.Module, Wanted((nn.Module,))),
        (Logger | Iterable[Logger] | bool, Wanted((Logger, Iterable, Logger))),
        (Callable[[Optimizer], LRScheduler | Optimizer], Wanted(returns=(LRScheduler, Optimizer))),
        (Iterator | None, Wanted((Iterator,))),
        (Callable, Wanted(returns=(Any,))),
        (list[Callable[[int], float]] | None, Wanted(returns=(float,))),
        (Callable[[Iterable[Any]], Optimizer], Wanted(returns=(Optimizer,))),
    ],
)
def test_annotations_say_what_is_wanted(hint: Any, wanted: Wanted) -> None:
    assert wanted_by(hint) == wanted


@pytest.mark.parametrize("kind", [contextlib.AbstractContextManager, Hashable, Reversible])
def test_a_class_that_has_the_methods_of_another_is_no_subclass(kind: type) -> None:
    thing = dict if kind is Reversible else subprocess.Popen
    assert issubclass(thing, kind)
    said = complaint(thing, Wanted((kind,)), has_settings=True)
    assert said is not None
    assert said.startswith("is a class, and ")


OPTIMIZER, OPERATOR, NUMBER = Wanted(returns=(Optimizer,)), Wanted(returns=(Tensor,)), Wanted(returns=(float,))
LOGGER, HOOK, ANYTHING = Wanted((Logger,)), Wanted(returns=(Any,)), Wanted(anything=True)


@pytest.mark.parametrize(
    ("thing", "wanted"),
    [
        (SGD, OPTIMIZER),
        (make_sgd, OPTIMIZER),
        (StepLR, Wanted(returns=(LRScheduler,))),
        (torch.exp, OPERATOR),
        (nn.functional.softplus, OPERATOR),
        (double, OPERATOR),
        (math.sqrt, NUMBER),
        (untold, NUMBER),
        (untold, HOOK),
        (functools.partial(untold, 1), HOOK),
        (CSVLogger, LOGGER),
    ],
)
def test_what_is_wanted_may_be_called(thing: Any, wanted: Wanted) -> None:
    assert complaint(thing, wanted) is None


@pytest.mark.parametrize("has_settings", [False, True])
@pytest.mark.parametrize("wanted", [OPTIMIZER, OPERATOR, NUMBER, LOGGER, HOOK, ANYTHING])
@pytest.mark.parametrize(
    "thing",
    [
        os.system,
        subprocess.run,
        subprocess.Popen,
        pathlib.Path.touch,
        print,
        functools.partial(os.system, "true"),
        eval,
    ],
)
def test_pythons_own_functions_and_foreign_classes_may_not(thing: Any, wanted: Wanted, has_settings: bool) -> None:
    assert str(complaint(thing, wanted, has_settings=has_settings)).startswith("is a ")


@pytest.mark.parametrize("wanted", [OPTIMIZER, OPERATOR, NUMBER, HOOK])
@pytest.mark.parametrize("thing", [make_sgd, double, untold])
def test_a_function_is_never_called_with_settings_for_a_callable(thing: Any, wanted: Wanted) -> None:
    assert "by its path alone" in str(complaint(thing, wanted, has_settings=True)) or wanted is OPTIMIZER
    assert complaint(thing, wanted, has_settings=True) is not None


def test_the_complaint_names_what_is_wanted() -> None:
    assert complaint(untold, OPTIMIZER) == (
        "is a function, and a subclass of Optimizer or a function 'def name(…) -> Optimizer' is wanted"
    )
