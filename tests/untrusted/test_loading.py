from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch

import laaf_lightning as laaf
from laaf_lightning.errors import ConfigurationError
from tests.modules.small import small_regressor
from tests.modules.test_checkpoints import same_parameters, saved
from tests.trainers import quiet_trainer
from tests.untrusted.bombs import CALL, PROOF, save_bomb, served

MADE_BY_THE_COMMAND_LINE = {
    "_class_path": "laaf_lightning.FunctionRegressor",
    "_instantiator": "pytorch_lightning.cli.instantiate_module",
}


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # what holds must hold against it
    return tmp_path


def addresses_of(name: str, server: str) -> list[Any]:
    with fsspec.open(f"memory://{name}", "wb") as target:
        target.write(Path(name).read_bytes())
    return [name, Path(name), Path(name).absolute().as_uri(), server + name, f"memory://{name}"]


def test_nothing_of_a_pickle_runs_wherever_it_lies(workplace: Path) -> None:
    save_bomb(Path("bomb.ckpt"), hyper_parameters={})
    with served(workplace) as server:
        for path in addresses_of("bomb.ckpt", server):
            for kind in (laaf.FunctionRegressor, laaf.DiscontinuousFunctionDataModule):
                with pytest.raises(ConfigurationError, match="holds Python objects"):
                    kind.load_from_checkpoint(path)
            with pytest.raises(ConfigurationError, match=r"weights_only=False .* is not done here"):
                laaf.FunctionRegressor.load_from_checkpoint(path, weights_only=False)
    with Path("bomb.ckpt").open("rb") as file, pytest.raises(ConfigurationError, match="holds Python objects"):
        laaf.FunctionRegressor.load_from_checkpoint(file)
    assert not PROOF.exists()


def test_a_plain_checkpoint_loads_from_every_address(workplace: Path) -> None:
    model = small_regressor()
    name = saved(model, workplace).name
    with served(workplace) as server:
        for path in addresses_of(name, server):
            assert same_parameters(laaf.FunctionRegressor.load_from_checkpoint(path), model)


def test_a_trainer_of_ones_own_loads_plain_checkpoints_only(workplace: Path) -> None:
    model = small_regressor()
    data = laaf.DiscontinuousFunctionDataModule(num_points=4, num_test_points=4)
    content = torch.load(saved(model, workplace), weights_only=True)
    save_bomb(Path("bomb.ckpt"), **content)
    with served(workplace) as server:
        for path in ("bomb.ckpt", f"{server}bomb.ckpt"):
            with pytest.raises(ConfigurationError, match="holds Python objects"):
                quiet_trainer().validate(small_regressor(), data, ckpt_path=path, verbose=False)
        with pytest.raises(ConfigurationError, match="is not done here"):
            quiet_trainer().validate(small_regressor(), data, ckpt_path="bomb.ckpt", weights_only=False, verbose=False)
        assert not PROOF.exists()
        with torch.no_grad():
            twin = small_regressor()
            next(twin.parameters()).zero_()
        quiet_trainer().validate(twin, data, ckpt_path=f"{server}model.ckpt", verbose=False)
        assert same_parameters(twin, model)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": CALL},
        {"optimizer": "os.system"},
        {"lr_scheduler": CALL},
        {"lr_scheduler": {"class_path": "torch.optim.lr_scheduler.LambdaLR", "init_args": {"lr_lambda": CALL}}},
        {"optimizer": {"class_path": "laaf_lightning.SequentialOptimizer", "init_args": {"optimizers": [CALL, CALL]}}},
        {"optimizer": {"class_path": "laaf_lightning.cli.main", "init_args": {"args": ["--version"]}}},
        {"optimizer": {"class_path": "laaf_lightning.MLP", "init_args": {}}},
        {"optimizer": {"class_path": "laaf_lightning.cli.subprocess.Popen"}},
        {"_class_path": "subprocess.Popen"},
        {"_class_path": "imported_proof.Module"},
    ],
)
def test_what_settings_of_a_checkpoint_name_is_neither_imported_nor_called(
    settings: dict[str, Any], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("imported_proof.py").write_text(f"open({str(PROOF)!r}, 'w')")
    monkeypatch.syspath_prepend(workplace)
    path = saved(small_regressor(), workplace)
    content = torch.load(path, weights_only=True)
    torch.save({**content, "hyper_parameters": {**MADE_BY_THE_COMMAND_LINE, "width": 8, **settings}}, path)
    with pytest.raises(ConfigurationError, match=r"load_from_checkpoint\(path|cannot be imported"):
        laaf.FunctionRegressor.load_from_checkpoint(path)
    assert not PROOF.exists()


@pytest.mark.parametrize("key", ["hyper_parameters", "hparams", "module_arguments"])
@pytest.mark.parametrize("instantiator", ["os.system", "pytorch_lightning.cli.instantiate_module", ["os.system"]])
def test_an_instantiator_is_not_asked(key: str, instantiator: object, workplace: Path) -> None:
    model = small_regressor()
    path = saved(model, workplace)
    content = torch.load(path, weights_only=True)
    settings = {**content.pop("hyper_parameters"), "_instantiator": instantiator}
    torch.save({**content, key: settings}, path)
    assert same_parameters(laaf.FunctionRegressor.load_from_checkpoint(path), model)


def test_what_the_command_line_saved_is_built_and_python_goes_before(workplace: Path) -> None:
    model = small_regressor()
    path = saved(model, workplace)
    content = torch.load(path, weights_only=True)
    settings = {
        **content["hyper_parameters"],
        **MADE_BY_THE_COMMAND_LINE,
        "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.5}},
        "lr_scheduler": {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 3}},
    }
    torch.save({**content, "hyper_parameters": settings}, path)
    configured = laaf.AdaptiveModule.load_from_checkpoint(path).configure_optimizers()
    assert isinstance(configured["optimizer"], torch.optim.SGD)
    assert configured["optimizer"].param_groups[0]["lr"] == 0.5
    assert configured["lr_scheduler"]["scheduler"].step_size == 3
    other = laaf.FunctionRegressor.load_from_checkpoint(path, optimizer=torch.optim.AdamW, lr_scheduler=None)
    assert isinstance(other.configure_optimizers(), torch.optim.AdamW)
    with pytest.raises(ConfigurationError, match="is no PINN: call FunctionRegressor"):
        laaf.PINN.load_from_checkpoint(path)


def test_a_network_of_a_checkpoint_is_ours_or_given_from_python(workplace: Path) -> None:
    facts: dict[str, Any] = {"num_classes": 3, "in_channels": 1, "image_size": 16}
    model = laaf.ImageClassifier("laaf_lightning.LeNet", **facts)
    path = saved(model, workplace)
    assert same_parameters(laaf.ImageClassifier.load_from_checkpoint(path), model)
    content = torch.load(path, weights_only=True)
    for name in ("os.system", "laaf_lightning.cli.main", "torch.nn.functional.relu", "torch.hub.load"):
        torch.save({**content, "hyper_parameters": {**content["hyper_parameters"], "network": name}}, path)
        with pytest.raises(ConfigurationError, match=r"network=…\)|makes no torch\.nn\.Module"):
            laaf.ImageClassifier.load_from_checkpoint(path)
    assert same_parameters(laaf.ImageClassifier.load_from_checkpoint(path, network="lenet"), model)
    given = laaf.ImageClassifier.load_from_checkpoint(path, network="laaf_lightning.models.lenet.LeNet")
    assert same_parameters(given, model)


@pytest.mark.parametrize("name", ["os.system", "builtins.print", "subprocess.Popen", "torch.hub.load"])
def test_a_network_from_python_is_a_factory_of_a_module(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"network='{name}' makes no torch\.nn\.Module, and is not called"):
        laaf.ImageClassifier(name, num_classes=3, in_channels=1, image_size=16)


def test_settings_from_a_file_are_looked_through_alike(workplace: Path) -> None:
    path = saved(small_regressor(), workplace)
    Path("settings.yaml").write_text("width: 8\ndepth: 2\nn: 5\n_instantiator: os.system\n")
    assert laaf.FunctionRegressor.load_from_checkpoint(path, hparams_file="settings.yaml").width == 8
    Path("settings.yaml").write_text("_instantiator: x\n_class_path: subprocess.Popen\n")
    with pytest.raises(ConfigurationError, match=r"of the class 'subprocess\.Popen'"):
        laaf.FunctionRegressor.load_from_checkpoint(path, hparams_file="settings.yaml")


def test_what_cannot_be_fetched_is_one_sentence() -> None:
    for address in ("memory://nothing.ckpt", "noprotocol://file.ckpt"):
        with pytest.raises(ConfigurationError, match=f"'{address}' cannot be fetched"):
            laaf.FunctionRegressor.load_from_checkpoint(address)
    with pytest.raises(FileNotFoundError):
        laaf.FunctionRegressor.load_from_checkpoint("nothing.ckpt")
