from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch
from jsonargparse import ArgumentError
from pytorch_lightning import LightningDataModule, LightningModule, Trainer

from laaf_lightning import ConfigurationError, SlopeRecovery
from laaf_lightning.cli.checked import CheckedParser
from laaf_lightning.cli.compare.read_run import read_runs
from tests.cli.command import TINY, checkpoints_of, laaf, refusal
from tests.untrusted.bombs import PROOF, YAML_CALL, laughs, save_bomb, served

OWN = """
from pathlib import Path

import torch
from pytorch_lightning.cli import LRSchedulerCallable

from laaf_lightning import FunctionRegressor


def bomb(*args, **kwargs):
    Path("proof").touch()
    return 1.0


def half(step):
    return 0.5


def warm(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.StepLR:
    return torch.optim.lr_scheduler.StepLR(optimizer, 3)


class Several(FunctionRegressor):
    def __init__(self, make: LRSchedulerCallable = torch.optim.lr_scheduler.ConstantLR) -> None:
        super().__init__(width=4)
        self.make = make


class Untyped(torch.optim.SGD):
    def __init__(self, params: list, lr: float = 0.1, extra: object = None) -> None:
        super().__init__(params, lr)
"""


@pytest.fixture(autouse=True)
def own_code(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workplace / "own_code.py").write_text(OWN)
    monkeypatch.syspath_prepend(workplace)


def built(path: str, **arguments: str) -> str:
    settings = ", ".join(f"{name}: {value}" for name, value in arguments.items())
    return f"{{class_path: {path}, init_args: {{{settings}}}}}"


LAMBDA, SEQUENTIAL = "torch.optim.lr_scheduler.LambdaLR", "laaf_lightning.SequentialOptimizer"
BOMBS = [
    f"--slope_recovery.operator={YAML_CALL}",
    "--slope_recovery.operator=os.system",
    "--slope_recovery.operator=own_code.bomb",
    f"--slope_recovery.weight={YAML_CALL}",
    f"--model={YAML_CALL}",
    f"--data={YAML_CALL}",
    "--model.activation=own_code.bomb",
    f"--model.optimizer={YAML_CALL}",
    "--model.optimizer=own_code.bomb",
    f"--model.optimizer={built('own_code.bomb')}",
    f"--model.optimizer={built('own_code.Untyped', extra=YAML_CALL)}",
    f"--model.optimizer={built(SEQUENTIAL, steps='[1]', optimizers=f'[torch.optim.Adam, {YAML_CALL}]')}",
    f"--model.lr_scheduler={YAML_CALL}",
    "--model.lr_scheduler=own_code.bomb",
    f"--model.lr_scheduler={built(LAMBDA, lr_lambda=YAML_CALL)}",
    f"--model.lr_scheduler={built(LAMBDA, lr_lambda=f'[{YAML_CALL}]')}",
    f"--model.lr_scheduler={built(LAMBDA, lr_lambda='os._exit')}",
    f"--trainer.callbacks={YAML_CALL}",
    f"--trainer.callbacks={built('LambdaCallback', on_fit_start=YAML_CALL)}",
    f"--trainer.callbacks={built('LambdaCallback', on_fit_start='builtins.breakpoint')}",
    f"--trainer.logger={YAML_CALL}",
    f"--trainer.strategy={built('DDPStrategy', ddp_comm_hook=YAML_CALL)}",
    f"--trainer.strategy={built('DDPStrategy', ddp_comm_state=YAML_CALL)}",
]


@pytest.fixture(scope="module")
def parser() -> CheckedParser:
    """A parser of some of the settings of the command line, which takes a second to make all of its own."""
    parser = CheckedParser(exit_on_error=False)
    parser.add_lightning_class_args(SlopeRecovery, "slope_recovery")
    parser.add_subclass_arguments(LightningModule, "model")
    parser.add_subclass_arguments(LightningDataModule, "data", required=False)
    parser.add_class_arguments(Trainer, "trainer", instantiate=False)
    return parser


@pytest.mark.filterwarnings("ignore")  # jsonargparse's own, about some of these names
@pytest.mark.parametrize("setting", BOMBS)
def test_what_a_setting_names_is_not_called(setting: str, parser: CheckedParser) -> None:
    model = () if setting.startswith("--model={") else ("--model=laaf_lightning.FunctionRegressor",)
    with pytest.raises((ValueError, ArgumentError)):  # ours, perhaps in one of jsonargparse
        parser.instantiate_classes(parser.parse_args([*model, setting]))
    assert not PROOF.exists()


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (f"--model.lr_scheduler={YAML_CALL}", "lr_scheduler='os.system' is a function, and a subclass of LRScheduler"),
        (f"--model.optimizer={YAML_CALL}", "a class_path names a function, and a class is wanted: it was not called"),
        (f"--slope_recovery.operator={YAML_CALL}", "an elementwise function of tensors"),
        (f"--model.lr_scheduler={built(LAMBDA, lr_lambda=YAML_CALL)}", "lr_lambda='os.system' is a function"),
    ],
)
def test_the_command_line_says_in_one_sentence_what_is_wanted(
    setting: str, sentence: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.filters", [])
        assert sentence in refusal(capsys, "fit", *TINY, setting)
    assert not PROOF.exists()
    assert not (workplace / "runs").exists()


def test_what_is_wanted_is_called(parser: CheckedParser) -> None:
    def made(setting: str) -> Any:
        model = ("--model=laaf_lightning.FunctionRegressor", "--model.width=4")
        objects = parser.instantiate_classes(parser.parse_args([*model, setting]))
        return objects, objects.model.configure_optimizers()

    _, configured = made("--model.lr_scheduler=own_code.warm")
    assert isinstance(configured["lr_scheduler"]["scheduler"], torch.optim.lr_scheduler.StepLR)
    _, configured = made(f"--model.lr_scheduler={built(LAMBDA, lr_lambda='own_code.half')}")
    assert configured["optimizer"].param_groups[0]["lr"] == 0.5e-3
    _, optimizer = made(f"--model.optimizer={built('own_code.Untyped', lr='0.3', extra='3')}")
    assert optimizer.param_groups[0]["lr"] == 0.3
    objects, _ = made("--slope_recovery.operator=torch.nn.functional.softplus")
    assert isinstance(objects.slope_recovery, SlopeRecovery)


def test_a_checkpoint_runs_nothing_wherever_it_lies(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    save_bomb(Path("bomb.ckpt"))
    with fsspec.open("memory://bomb.ckpt", "wb") as target:
        target.write(Path("bomb.ckpt").read_bytes())
    with served(workplace) as server:
        address = f"{server}bomb.ckpt"
        requests = [
            ("fit", f"--ckpt_path={address}"),
            ("test", f"--ckpt_path={address}"),
            ("validate", "--ckpt_path=memory://bomb.ckpt"),
            ("predict", f"--ckpt_path={Path('bomb.ckpt').absolute().as_uri()}"),
            ("fit", f"--init_from={address}"),
        ]
        for request in requests:
            assert "holds Python objects" in refusal(capsys, request[0], *TINY, request[1])
    said = refusal(capsys, "test", *TINY, "--ckpt_path=bomb.ckpt", "--weights_only=false")
    assert "torch.load('bomb.ckpt'" in said
    assert not PROOF.exists()


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended:UserWarning")
def test_a_plain_checkpoint_is_fetched_and_resumed(workplace: Path) -> None:
    (file, *_) = checkpoints_of(laaf("fit", *TINY))
    with served(workplace) as server:
        address = f"{server}{file.relative_to(workplace) if file.is_absolute() else file}"
        run = laaf("fit", *TINY, "--trainer.max_steps=3", f"--ckpt_path={address}")
    assert run.trainer.global_step == 3
    assert run.config.fit.ckpt_path == address
    assert Path(str(run.trainer.ckpt_path)).is_file()


@pytest.mark.parametrize("place", ["a file", "a nested file", "a text", "an argument", "an inline configuration"])
def test_nested_anchors_end_with_a_sentence(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("laughs.yaml").write_text(f"model: {laughs()}")
    Path("text.yaml").write_text(f"model:\n  class_path: FunctionRegressor\n  init_args:\n    width: '{laughs()}'\n")
    given = {
        "a file": "--config=laughs.yaml",
        "a nested file": "--model=laughs.yaml",
        "a text": "--config=text.yaml",
        "an argument": f"--model.width={laughs()}",
        "an inline configuration": f"--config=model: {laughs()}\n",
    }[place]
    assert "its anchors stand for more than 10000 values" in refusal(capsys, "fit", *TINY, given)


def test_nested_anchors_in_the_folder_of_a_run_end_with_a_sentence() -> None:
    Path("run").mkdir()
    Path("run/config.yaml").write_text(f"model: {laughs()}")
    with pytest.raises(ConfigurationError, match="its anchors stand for more than 10000 values"):
        read_runs(["run"])


@pytest.mark.parametrize("content", [b"n: \xe9\n", "n: 3".encode("utf-16"), bytes(range(128, 256))])
def test_a_configuration_that_is_no_text_ends_with_a_sentence(
    content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("own.yaml").write_bytes(content)
    assert "'own.yaml' is no text in UTF-8" in refusal(capsys, "fit", *TINY, "--config=own.yaml")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (f"--config={'a' * 5000}", "File name too long"),
        (f"--model.width={'[' * 90}{']' * 90}{'x' * 5000}", "model.width"),
        ("--model.width=!!int ten", "model.width"),
        ("--trainer.devices=own_code", "the Trainer refuses its settings"),
    ],
)
def test_a_value_without_end_is_told_in_short(setting: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sentence in refusal(capsys, "fit", *TINY, setting)


def test_a_scheduler_may_be_one_of_several_kinds(parser: CheckedParser) -> None:
    def made(setting: str) -> Any:
        objects = parser.instantiate_classes(parser.parse_args(["--model=own_code.Several", f"--model.make={setting}"]))
        return objects.model.make(torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0))

    assert isinstance(made("own_code.warm"), torch.optim.lr_scheduler.StepLR)
    assert made(built("torch.optim.lr_scheduler.StepLR", step_size="3")).step_size == 3
