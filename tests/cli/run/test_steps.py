from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from laaf_lightning import FunctionRegressor
from tests.cli.command import TINY, laaf


class FailsAtTheEnd(FunctionRegressor):
    """A test that fails when its results are there."""

    def on_test_end(self) -> None:
        raise RuntimeError("no room")


class FailsAtTheStart(FunctionRegressor):
    """A test that fails before its first batch."""

    def on_test_start(self) -> None:
        raise RuntimeError("no data")


@pytest.mark.parametrize(("kind", "stays"), [(FailsAtTheEnd, True), (FailsAtTheStart, False)])
def test_a_run_that_has_begun_keeps_its_folder_and_one_that_has_not_leaves_none(kind: Any, stays: bool) -> None:
    model = ("--model", f"{__name__}.{kind.__name__}")
    with pytest.raises(RuntimeError, match="no "):
        laaf("test", *TINY, *model)
    assert Path("runs").exists() == stays
    assert bool(list(Path().rglob("config.yaml"))) == stays
