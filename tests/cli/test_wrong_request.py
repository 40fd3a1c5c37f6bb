from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from laaf_lightning import ConfigurationError, FunctionRegressor
from laaf_lightning.cli import cli, main
from laaf_lightning.cli.wrong_request import as_wrong_request
from tests.cli.command import CONFIGS, QUIET, TINY, contents, folder_of, laaf, refusal

BURGERS = (f"--config={CONFIGS / 'burgers_paper.yaml'}", "--model.width=4", "--data.num_residual=20")
SEMEION = (f"--config={CONFIGS / 'semeion.yaml'}", "--trainer.max_steps=1")
FASHION = (f"--config={CONFIGS / 'fashion_mnist.yaml'}", "--trainer.max_steps=1", "--data.root=sets")
SCOPES = "unknown model.scope 'neurons': valid are fixed, global, layer, channel, neuron; did you mean 'neuron'"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((*TINY, "--model.scope=neurons"), SCOPES),
        ((*TINY, "--model.init=xavir"), "unknown model.init 'xavir': valid are xavier, normal; did you mean 'xavier'"),
        ((*TINY, "--model.activation=tan"), "unknown activation 'tan': valid are .*, tanh; did you mean 'tanh'"),
        ((*TINY, "--slope_recovery.operator=expp"), "unknown slope_recovery.operator 'expp': valid are exp, .*'exp'"),
        ((*TINY, "--slope_recovery.reduction=avg"), "unknown slope_recovery.reduction 'avg': valid are mean, sum"),
        ((*TINY, "--slope_recovery.weight=OffAftr"), "unknown class for slope_recovery.weight 'OffAftr': valid are .*"),
        ((*TINY, "--slope_recovery.weight=-1"), "weight=-1.0 .*>= 0.*--slope_recovery.weight 0"),
        (
            (*TINY, *("--slope_recovery.weight=laaf_lightning.OffAfter", "--slope_recovery.weight.steps=0")),
            "steps=0 .*",
        ),
        ((*TINY, "--model.n=0"), "n=0.0 must be a finite number > 0.*"),
        ((*TINY, "--model.n=ten"), "model.n: .*Expected a float. Got value: ten.*"),
        ((*TINY, "--data.points=equispacd"), "unknown data.points 'equispacd': .*did you mean 'equispaced'"),
        ((*BURGERS, "--model.engine=autograt"), "unknown model.engine 'autograt': .*did you mean 'autograd'"),
        ((*BURGERS, "--data.sampler=soboll"), "unknown data.sampler 'soboll': .*did you mean 'sobol'"),
        ((*BURGERS, "--model.problem=Burger"), "unknown class for model.problem 'Burger': .*'laaf_lightning.Burgers'"),
        ((*BURGERS, "--data.num_condition.initail=3"), "unknown condition of Burgers 'initail': .*'initial'"),
        ((*SEMEION, "--model.network=lenett"), "unknown network 'lenett': .*did you mean 'lenet'"),
        (
            (*TINY, "--data=Semeon"),
            "unknown class for data 'Semeon': .*did you mean 'laaf_lightning.SemeionDataModule'",
        ),
        ((*TINY, "--data=laaf_lightning.FashionMNIST"), ".*did you mean 'laaf_lightning.FashionMNISTDataModule'"),
        ((*TINY, "--data=no_such_module.Data"), "data: there is no module 'no_such_module', which .* names.*"),
        (
            (*TINY, "--model=laaf_lightnin.FunctionRegressor"),
            "model: .*did you mean 'laaf_lightning.FunctionRegressor'",
        ),
        ((*TINY, "--model.optimizer=torch.optim.Adm"), "model.optimizer: .*did you mean 'torch.optim.Adam'"),
        ((*TINY, "--trainer.logger=pytorch_lightning.loggers.CSVLoger"), ".*did you mean '.*loggers.CSVLogger'"),
        ((*TINY, "--trainer.callbacks+=pytorch_lightning.calbacks.Timer"), ".*did you mean '.*callbacks.Timer'"),
        ((*TINY, "--trainer.callbacks+=EarlyStoping"), ".*did you mean 'pytorch_lightning.callbacks.EarlyStopping'"),
        ((*TINY, "--ckpt_path=best"), "ckpt_path='best' names no file: .*: --ckpt_path FILE"),
        ((*TINY, "--ckpt_path=last"), "ckpt_path='last' names no file: .*: --ckpt_path FILE"),
        ((*TINY, "--model=Regressor"), "unknown class for model 'Regressor': valid are .*FunctionRegressor.*"),
        ((*TINY, "--model.optimizer=Adamm"), "unknown class for model.optimizer 'Adamm': .*'torch.optim.Adam'"),
        ((*TINY, "--trainer.precision=12"), "unknown trainer.precision '12': valid are 64, .*"),
        ((*TINY, "--trainer.strategy=dpp"), "the Trainer refuses its settings: .*dpp.*"),
        ((*TINY, "--trainer.devices=0"), ".*devices.*0"),
        ((*TINY, "--optimizer=torch.optim.SGD"), "unrecognized arguments: --optimizer=.*"),
        (("--data=laaf_lightning.SemeionDataModule",), "the following arguments are required: --model.*"),
        (
            ("--config=nowhere.yaml",),
            "unknown configuration 'nowhere.yaml': .*burgers.yaml.*is no file.*",
        ),
        (("--config", "burger.yaml"), ".*did you mean 'burgers.yaml'.*"),
        (("--config=configs",), "unknown configuration 'configs'.*"),
    ],
    ids=lambda value: value[-1].lstrip("-") if isinstance(value, tuple) else "",
)
def test_a_wrong_request_gets_one_sentence_and_leaves_nothing(
    arguments: tuple[str, ...], sentence: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, "fit", *arguments)
    assert re.match(sentence, said), said
    assert not contents(workplace)


def test_a_setting_that_the_optimiser_refuses_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Invalid learning rate: -1.0" in refusal(capsys, "fit", *TINY, "--model.optimizer.lr=-1")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("width:", "widht:", "Option 'widht' is not accepted"),
        ("max_steps:", "max_stps:", "does not accept option 'trainer.max_stps'"),
        ("slope_recovery:", "slope_recovry:", "does not accept option 'slope_recovry"),
        ("scope: layer", "scope: layr", "did you mean 'layer'"),
        ("num_points: 300", "num_points: [", "Problems parsing config"),
    ],
)
def test_a_misspelt_configuration_gets_the_parsers_message(
    old: str, new: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (CONFIGS / "discontinuous_paper.yaml").read_text()
    assert text.count(old) == 1
    Path("misspelt.yaml").write_text(text.replace(old, new))
    assert sentence in refusal(capsys, "fit", "--config=misspelt.yaml")


@pytest.mark.parametrize(("arguments", "sentence"), [((), "subcommand"), (("fitt",), "invalid choice: 'fitt'")])
def test_a_missing_or_unknown_subcommand_lists_all(
    arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, *arguments)
    assert sentence in said
    assert all(name in said for name in ("fit", "validate", "test", "predict"))


def test_a_log_folder_that_is_a_file_is_refused_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs").write_text("precious")
    said = refusal(capsys, "fit", *TINY)
    assert said.startswith(
        "cannot write the run's folder under 'runs/discontinuous_paper': Not a directory; choose another"
    )
    assert Path("runs").read_text() == "precious"


def test_a_missing_data_file_is_named(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, "fit", *FASHION, "--data.download=false")
    assert said.startswith("sets/FashionMNIST/raw/train-images-idx3-ubyte is missing: put ")
    assert "LAAF_DATA_ROOT" in said
    assert not contents(workplace)


def test_a_damaged_data_file_is_named_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    raw = Path("sets/FashionMNIST/raw")
    raw.mkdir(parents=True)
    for name, size in (("images-idx3", (5, 28, 28)), ("labels-idx1", (5,))):
        content = bytes((0, 0, 8, len(size))) + np.array(size, ">u4").tobytes() + bytes(int(np.prod(size)))
        for part in ("train", "t10k"):
            (raw / f"{part}-{name}-ubyte").write_bytes(content)
    damaged = raw / "train-images-idx3-ubyte"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    before = contents(Path("sets"))
    said = refusal(capsys, "fit", *FASHION, "--data.verify=false", "--data.download=false")
    assert said.startswith("sets/FashionMNIST/raw/train-images-idx3-ubyte is damaged: it is truncated")
    assert contents(Path("sets")) == before


@pytest.mark.parametrize("kind", ["EarlyStopping", "ModelCheckpoint"])
def test_a_metric_that_is_not_there_is_refused_with_those_that_are(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = (
        f"--trainer.callbacks+=pytorch_lightning.callbacks.{kind}",
        "--trainer.callbacks.monitor=val/relative_l1",
    )
    said = refusal(capsys, "fit", *TINY, *callback, "--trainer.limit_val_batches=1", "--data.steps_per_epoch=1")
    assert said.startswith(f"{kind} monitors 'val/relative_l1', which is not logged: there are ")
    assert "did you mean 'val/relative_l2'?" in said


def test_a_logger_whose_package_is_not_installed_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    if find_spec("wandb") is not None:
        pytest.skip("wandb is installed")
    said = refusal(capsys, "fit", *TINY, "--trainer.logger=pytorch_lightning.loggers.WandbLogger")
    assert re.match(r"the package 'wandb' is not installed, or too old: pip install '?wandb", said), said


def test_slope_recovery_of_a_model_without_adaptive_activations_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], workplace: Path
) -> None:
    (workplace / "plain_module.py").write_text(
        "import torch\nfrom pytorch_lightning import LightningModule\n"
        "class Plain(LightningModule):\n"
        "    def training_step(self, batch, batch_idx): ...\n"
        "    def validation_step(self, batch, batch_idx): ...\n"
        "    def configure_optimizers(self):\n"
        "        return torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])\n"
    )
    monkeypatch.syspath_prepend(workplace)
    data = "--data=laaf_lightning.DiscontinuousFunctionDataModule"
    said = refusal(capsys, "fit", "--model=plain_module.Plain", data, "--trainer.max_epochs=1")
    assert "Plain has no AdaptiveActivation" in said
    assert "--slope_recovery.weight 0" in said


def test_from_python_a_wrong_request_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="valid are fixed, global, layer, channel, neuron; did you mean 'neur"):
        main(["fit", *TINY, "--model.scope=neurons"])


def test_a_traceback_is_shown_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAAF_TRACEBACK", "1")
    monkeypatch.setattr(sys, "argv", ["laaf", "fit", *TINY, "--model.scope=neurons"])
    with pytest.raises(ConfigurationError, match="neurons") as raised:
        cli()
    assert raised.value.__cause__ is not None


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FunctionRegressor, "loss", Mock(side_effect=ValueError("a defect")))
    monkeypatch.setattr(sys, "argv", ["laaf", "fit", *QUIET, *TINY])
    with pytest.raises(ValueError, match="a defect") as raised:
        cli()
    assert not isinstance(raised.value, ConfigurationError)


def test_a_defect_in_a_constructor_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FunctionRegressor, "build_network", Mock(side_effect=TypeError("a defect")))
    monkeypatch.setattr(sys, "argv", ["laaf", "fit", *QUIET, *TINY])
    with pytest.raises(ValueError, match="a defect"):
        cli()


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2"), TypeError("x"), KeyError("x"), ValueError("x"), OSError("no source")]
)
def test_errors_of_the_code_are_no_wrong_requests(error: Exception) -> None:
    assert as_wrong_request(error) is None


def test_an_error_about_a_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        (tmp_path / "x").read_text()
    assert str(as_wrong_request(raised.value)) == f"{tmp_path / 'x'}: No such file or directory"


@pytest.mark.slow
def test_a_failed_run_does_not_stop_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    refusal(capsys, "fit", *FASHION, "--data.download=false")
    first = laaf("fit", *TINY)
    refusal(capsys, "fit", *TINY, "--model.n=0")
    assert folder_of(laaf("fit", *TINY)) != folder_of(first)
