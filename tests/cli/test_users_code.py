from __future__ import annotations

import sys
from pathlib import Path

import pytest

from laaf_lightning.cli import cli
from laaf_lightning.cli.users_code import about_users_code, place_in_users_code
from tests.cli.command import QUIET, refusal

MODULE = """
import torch
from laaf_lightning import PDE, PINN, Dirichlet

class Growth(PDE):
    coordinates = ("x",)
    domain = {"x": (0.0, 1.0)}

    def residual(self, x, u):
        return u.d("x") - u

    def conditions(self):
        return [Dirichlet("left", ("x", 0.0), 1.0)]

    def exact(self, points):
        return points.exp()

class WrongKey(Growth):
    def residual(self, x, u):
        return u.d("x") - {"x": 1.0}["y"]

class WrongDerivative(Growth):
    def residual(self, x, u):
        return u.d("y") - u

class WrongConditions(Growth):
    def conditions(self):
        return [1 / 0]

class WrongExact(Growth):
    def exact(self, points):
        return points @ torch.zeros(7, 7)

class WrongStart(Growth):
    def __init__(self, rate: float = 1.0):
        self.rate = {}[rate]

class WrongLoss(PINN):
    def __init__(self, problem: PDE, width: int = 4, depth: int = 1):
        super().__init__(problem, width=width, depth=depth)

    def loss(self, batch):
        return averaged(batch)

def averaged(batch):
    raise TypeError("no average")
"""
CONFIG = """
model: {class_path: laaf_lightning.PINN, init_args: {problem: {class_path: users_growth.Growth}, width: 4, depth: 1}}
data: {class_path: laaf_lightning.CollocationDataModule, init_args: {num_residual: 8, num_condition: 2}}
trainer: {max_steps: 2, max_epochs: -1, logger: false, enable_checkpointing: false}
slope_recovery: {weight: 0}
"""


@pytest.fixture
def users_file(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (workplace / "users_growth.py").write_text(MODULE)
    (workplace / "growth.yaml").write_text(CONFIG)
    monkeypatch.syspath_prepend(workplace)
    monkeypatch.delitem(sys.modules, "users_growth", raising=False)
    return workplace / "users_growth.py"


def line_of(text: str) -> int:
    return MODULE.splitlines().index(text) + 1


@pytest.mark.parametrize(
    ("arguments", "line", "function", "message", "frames"),
    [
        (
            "--model.problem=users_growth.WrongKey",
            '        return u.d("x") - {"x": 1.0}["y"]',
            "residual",
            "KeyError: 'y'",
            1,
        ),
        ("--model.problem=users_growth.WrongConditions", "        return [1 / 0]", "conditions", "ZeroDivision", 1),
        ("--model.problem=users_growth.WrongExact", "        return points @ torch.zeros(7, 7)", "exact", "Runtime", 1),
        ("--model.problem=users_growth.WrongStart", "        self.rate = {}[rate]", "__init__", "KeyError: 1.0", 1),
        (
            "--model=users_growth.WrongLoss --model.problem=users_growth.Growth",
            '    raise TypeError("no average")',
            "averaged",
            "TypeError: no average",
            2,
        ),
    ],
)
def test_an_error_in_the_users_code_is_shown_at_its_place_with_their_frames_alone(
    arguments: str,
    line: str,
    function: str,
    message: str,
    frames: int,
    users_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("LAAF_TRACEBACK", raising=False)
    monkeypatch.setattr(sys, "argv", ["laaf", "fit", *QUIET, "--config=growth.yaml", *arguments.split()])
    with pytest.raises(SystemExit) as end:
        cli()
    assert end.value.code == 1
    said = capsys.readouterr().err
    (first, heading, *rest) = said[said.index("users_growth.py") :].splitlines()
    assert first.startswith(f"users_growth.py:{line_of(line)}, in {function}: {message}")
    assert "LAAF_TRACEBACK=1 shows all of it" in heading
    places = [text for text in rest if text.startswith("  File ")]
    assert len(places) == frames
    assert all(str(users_file) in place for place in places)


def test_the_whole_traceback_of_the_users_error_is_shown_on_request(
    users_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAAF_TRACEBACK", "1")
    problem = "--model.problem=users_growth.WrongKey"
    monkeypatch.setattr(sys, "argv", ["laaf", "fit", *QUIET, "--config=growth.yaml", problem])
    with pytest.raises(ValueError, match="'y'") as raised:
        cli()
    assert isinstance(raised.value.__cause__, KeyError)


def test_a_wrong_request_in_the_users_code_is_one_sentence_with_its_place(
    users_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, "fit", "--config=growth.yaml", "--model.problem=users_growth.WrongDerivative")
    place = f"users_growth.py:{line_of(chr(32) * 8 + 'return u.d(' + repr('y').replace(chr(39), chr(34)) + ') - u')}"
    assert f"unknown coordinate 'y': valid are x; at {place}, in residual" in said


def test_errors_of_libraries_and_of_generated_code_are_not_the_users() -> None:
    for code in ("import json; json.loads('{')", "1 / 0"):
        with pytest.raises((ValueError, ZeroDivisionError)) as raised:
            exec(compile(code, "<generated>", "exec"), {})
        error = raised.value.with_traceback(raised.tb.tb_next)  # without the frame of this file
        assert about_users_code(error) is None
        assert place_in_users_code(error) == ""
