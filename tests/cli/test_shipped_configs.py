from __future__ import annotations

import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from laaf_lightning import ConfigurationError
from laaf_lightning.cli import cli, main
from laaf_lightning.cli.parser import NAMES, known_classes
from laaf_lightning.cli.shipped_configs import config_folder, config_names, find_config, with_found_configs
from tests.cli.command import CONFIGS, QUIET, refusal


def test_the_shipped_configurations_are_those_at_the_top_of_the_tree() -> None:
    assert {name: (config_folder() / name).read_bytes() for name in config_names()} == {
        file.name: file.read_bytes() for file in CONFIGS.glob("*.yaml")
    }


def test_setup_lists_every_package_and_the_configurations() -> None:
    setup = ConfigParser()
    setup.read(CONFIGS.parent / "setup.cfg", encoding="utf-8")
    listed = setup["options"]["packages"].split()
    files = (CONFIGS.parent / "laaf_lightning").rglob("__init__.py")
    found = [".".join(file.parent.relative_to(CONFIGS.parent).parts) for file in files]
    assert listed == sorted([*found, "laaf_lightning.configs"])
    assert setup["options"]["package_dir"].split() == ["laaf_lightning.configs", "=", "configs"]


def test_a_name_is_a_file_here_first_and_then_a_shipped_one(workplace: Path) -> None:
    assert find_config("burgers.yaml") == find_config("burgers") == str(config_folder() / "burgers.yaml")
    (workplace / "burgers.yaml").write_text("seed_everything: 1\n", encoding="utf-8")
    assert find_config("burgers.yaml") == "burgers.yaml"
    assert find_config("https://somewhere/burgers.yaml") == "https://somewhere/burgers.yaml"
    assert find_config("seed_everything: 3\n") == "seed_everything: 3\n"


@pytest.mark.parametrize("name", ["burger.yaml", "configs/burgers.yml", "", "mine/burgers.yaml"])
def test_an_unknown_name_lists_ours_and_the_nearest(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"those of laaf are allen_cahn\.yaml.*named by its path") as error:
        find_config(name)
    assert not name or "did you mean 'burgers.yaml'?" in str(error.value)


def test_a_folder_is_no_configuration(workplace: Path) -> None:
    (workplace / "mine").mkdir()
    with pytest.raises(ConfigurationError, match="--config mine: this is a folder"):
        find_config("mine")


def test_every_way_to_name_one_among_the_arguments_is_found_and_told() -> None:
    path = str(config_folder() / "heat.yaml")
    given = ["fit", "--config=heat", "-c", "heat.yaml", "--config", path, "--model.n", "-c"]
    found, lines = with_found_configs(given)
    assert found == ["fit", f"--config={path}", "-c", path, "--config", path, "--model.n", "-c"]
    assert [line.partition(":")[0] for line in lines] == ["heat", "heat.yaml"]
    assert all(path in line for line in lines)


def test_a_run_says_which_file_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    quick = ("--model.width=4", "--trainer.max_steps=1", "--trainer.limit_val_batches=0", "--trainer.logger=false")
    main(["fit", "--config", "discontinuous.yaml", *QUIET, *quick])
    assert capsys.readouterr().out.splitlines()[0] == (
        "discontinuous.yaml: no such file here, so the one that comes with laaf, "
        f"{config_folder() / 'discontinuous.yaml'}"
    )


def own_command(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(args)
    assert end.value.code == 0
    return capsys.readouterr().out


def test_configs_lists_them_with_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    lines = own_command(capsys, "configs").splitlines()
    assert [line.split()[0] for line in lines[:-1]] == config_names()
    assert all(len(line.split()) > 3 for line in lines)


def test_copy_writes_one_out_and_never_over_a_file(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    own_command(capsys, "configs", "--copy", "heat")
    assert (workplace / "heat.yaml").read_bytes() == (config_folder() / "heat.yaml").read_bytes()
    (workplace / "heat.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"heat\.yaml is there already: choose another name with --to PATH"):
        main(["configs", "--copy", "heat.yaml"])
    assert (workplace / "heat.yaml").read_text(encoding="utf-8") == "mine"
    own_command(capsys, "configs", "--copy", "heat.yaml", "--to", "other.yaml")
    assert (workplace / "other.yaml").is_file()
    with pytest.raises(ConfigurationError, match=r"unknown configuration 'heet': .*did you mean 'heat.yaml'"):
        main(["configs", "--copy", "heet"])


def test_the_version_names_what_it_runs_on(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    assert f"(torch {torch.__version__.partition('+')[0]}" in own_command(capsys, "--version")


def test_classes_are_named_by_their_last_name(capsys: pytest.CaptureFixture[str]) -> None:
    own_command(
        capsys,
        *("fit", "--model", "PINN", "--model.problem", "Burgers", "--data", "CollocationDataModule", "--print_config"),
        *("--slope_recovery.weight", "OffAfter", "--slope_recovery.weight.steps", "3", "--model.optimizer", "AdamW"),
    )
    told = own_command(capsys, "fit", "--model", "BurgersPINN", "--data", "BurgersDataModule", "--print_config")
    assert "class_path: laaf_lightning.BurgersPINN" in told
    assert "class_path: laaf_lightning.BurgersDataModule" in told


def test_help_begins_with_ours_and_names_modules_data_and_problems(capsys: pytest.CaptureFixture[str]) -> None:
    text = own_command(capsys, "fit", "--help")
    places = [
        text.index(option) for option in ("--config", "--model", "--data", "--slope_recovery", "--trainer.accelerator")
    ]
    assert places == sorted(places)
    head = " ".join(text[: text.index("options:")].split())
    for name in ("PINN", "ImageClassifier", "BurgersDataModule", "SemeionDataModule", "Helmholtz", "OffAfter"):
        assert name in head


@pytest.mark.parametrize("key", NAMES)
def test_help_names_every_class_that_can_be_built(key: str) -> None:
    assert NAMES[key][1].split() == [name.rpartition(".")[2] for name in known_classes(key)]


def test_a_file_of_the_users_own_in_the_working_folder_is_found(
    capsys: pytest.CaptureFixture[str], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "own_heat.py").write_text(
        "import laaf_lightning as laaf\nclass Mine(laaf.Heat): pass\n", encoding="utf-8"
    )
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in {"", str(workplace)}])
    request = ["fit", "--model=PINN", "--model.problem=own_heat.Mine", "--data=CollocationDataModule", "--print_config"]
    monkeypatch.setattr(sys, "argv", ["laaf", *request])
    with pytest.raises(SystemExit) as end:
        cli()
    assert end.value.code == 0
    assert "class_path: own_heat.Mine" in capsys.readouterr().out
    sys.modules.pop("own_heat", None)


def test_an_error_has_one_hint_in_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = refusal(capsys, "fit", "--config=discontinuous.yaml", "--model.n=ten")
    assert sentence.count("(") == 1
