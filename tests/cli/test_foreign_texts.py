"""Each library says itself what the command line reads: a release with other words fails here."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NoReturn

import jsonargparse
import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar
from torch import nn

from laaf_lightning.cli import foreign_texts
from laaf_lightning.untrusted.checkpoint_files import is_about_python_objects


class SaidError(Exception):
    """What a parser says, in place of its end."""


class Parser(jsonargparse.ArgumentParser):
    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if not self.exit_on_error:
            super().error(message, ex)
        raise SaidError(message) from ex


class Part:
    """What an option stands for."""

    def __init__(self, n: float = 1.0) -> None:
        if n <= 0:
            raise ValueError(f"n={n} must be > 0")
        self.n = n


PART = f"{__name__}.Part"


def said_about(kind: Any, *args: str) -> str:
    """What jsonargparse says about an option --part of a type."""
    parser = Parser()
    parser.add_argument("--part", type=kind)
    with pytest.raises(SaidError) as raised:
        parser.parse_args(list(args))
    return str(raised.value)


def test_jsonargparse_tells_the_key_the_value_and_the_choices() -> None:
    text = said_about(Literal["layer", "neuron"], "--part=neurons")
    assert foreign_texts.refused_key(text) == ["part"]
    assert foreign_texts.allowed_literals(text) == ["layer", "neuron"]
    assert foreign_texts.refused_value(text) == "neurons"
    assert foreign_texts.unknown_class(text) is None


def test_jsonargparse_tells_the_choices_of_several_types_and_the_value_that_none_of_them_takes() -> None:
    text = said_about(Literal[64, 32] | Literal["64", "16-mixed"] | None, "--part=12")
    assert foreign_texts.allowed_literals(text) == ["64", "32", "16-mixed"]
    assert foreign_texts.refused_value(text) == "12"


def test_jsonargparse_tells_the_key_inside_a_class_and_the_type_that_it_wants() -> None:
    text = said_about(Part, f"--part={PART}", "--part.n=ten")
    assert foreign_texts.refused_key(text) == ["part", "n"]
    assert foreign_texts.refused_value(text) == "ten"
    (reason,) = foreign_texts.alternatives(text)
    assert reason.endswith("Expected a <class 'float'>. Got value: ten")
    assert foreign_texts.plain_types(reason).endswith("Expected a float. Got value: ten")


@pytest.mark.parametrize("kind", [Part, Part | None, float | Part], ids=["class", "or_none", "or_number"])
@pytest.mark.parametrize("name", ["Prt", f"{__name__}.Prt"], ids=["name", "path"])
def test_jsonargparse_tells_the_class_that_it_does_not_find(kind: Any, name: str) -> None:
    text = said_about(kind, f"--part={name}")
    assert foreign_texts.unknown_class(text) == name
    assert foreign_texts.refused_key(text) == ["part"]


def test_jsonargparse_tells_a_module_that_is_not_there_from_a_class() -> None:
    text = said_about(Part | None, "--part=no_such_module.Part")
    assert foreign_texts.unknown_class(text) == "no_such_module.Part"
    assert foreign_texts.missing_module(text) == "no_such_module"
    (reason,) = foreign_texts.alternatives(text)
    assert reason == "Problem with given class_path 'no_such_module.Part': No module named 'no_such_module'"


@pytest.mark.parametrize("kind", [Callable[[int], Part], Callable[[int], Part] | None], ids=["factory", "or_none"])
@pytest.mark.parametrize(("name", "module"), [(f"{__name__}.Prt", None), ("no_such_module.Part", "no_such_module")])
def test_jsonargparse_tells_the_factory_that_it_does_not_find(kind: Any, name: str, module: str | None) -> None:
    for value in (name, f"{{class_path: {name}, init_args: {{n: 2}}}}"):
        text = said_about(kind, f"--part={value}")
        assert foreign_texts.unknown_class(text) == name
        assert foreign_texts.missing_module(text) == module


def test_jsonargparse_tells_what_each_type_says_of_which_its_own_words_are_known() -> None:
    parser = Parser()
    parser.add_argument("--part", type=float | Part)
    config = parser.parse_args([f"--part={PART}", "--part.n=-1"])
    with pytest.raises(ValueError, match=r"n=-1.0 must be > 0") as raised:
        parser.instantiate(config)
    number, part = foreign_texts.alternatives(str(raised.value))
    assert foreign_texts.is_about_a_type(number)
    assert part == "n=-1.0 must be > 0"
    assert not foreign_texts.is_about_a_type(part)
    innermost: BaseException = raised.value
    while innermost.__cause__ is not None:
        innermost = innermost.__cause__
    assert innermost is not raised.value
    assert foreign_texts.is_about_a_type(str(innermost))


def test_alternatives_are_one_a_type_without_none() -> None:
    text = "Does not validate\nSubtypes: [x]\nErrors:\n- Expected a <class 'float'>\n- steps=0 must be\n  >= 1"
    assert foreign_texts.alternatives(text) == ["Expected a <class 'float'>", "steps=0 must be >= 1"]


def test_jsonargparse_names_a_required_option_after_its_subcommand_and_the_subcommand_after_a_placeholder() -> None:
    parser, fit = Parser(prog="laaf"), Parser()
    fit.add_argument("--model", type=str, required=True)
    parser.add_subcommands().add_subcommand("fit", fit)
    with pytest.raises(SaidError) as raised:
        parser.parse_args(["fit"])
    assert "fit.model" in str(raised.value)
    assert foreign_texts.as_options(str(raised.value)).endswith(" required: --model")
    assert fit.prog != "laaf fit"
    assert foreign_texts.subcommand_of(fit.prog) == "laaf fit"


def test_torch_tells_one_difference_a_line_after_a_headline() -> None:
    small, large = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1)), nn.Sequential(nn.Linear(1, 3))
    with pytest.raises(RuntimeError) as raised:
        large.load_state_dict(small.state_dict())
    assert foreign_texts.is_state_mismatch(raised.value)
    unexpected, *sizes = foreign_texts.state_differences(str(raised.value))
    assert unexpected == 'Unexpected key(s) in state_dict: "1.weight", "1.bias"'
    assert [size.partition(":")[0] for size in sizes] == [
        "size mismatch for 0.weight",
        "size mismatch for 0.bias",
    ]
    assert not any(line.endswith(".") for line in sizes)


def test_other_errors_of_torch_are_no_state_mismatch() -> None:
    with pytest.raises(RuntimeError) as raised:
        nn.Linear(1, 2)(torch.zeros(1, 3))
    assert not foreign_texts.is_state_mismatch(raised.value)


@pytest.mark.parametrize(("content", "holds_objects"), [({"object": Path()}, True), (b"no file of torch's", False)])
def test_torch_tells_python_objects_from_a_damaged_file(content: Any, holds_objects: bool) -> None:
    if holds_objects:
        torch.save(content, "file.pt")
    else:
        Path("file.pt").write_bytes(content)
    with pytest.raises(Exception, match=r".+") as raised:
        torch.load("file.pt", weights_only=True)
    assert is_about_python_objects(str(raised.value)) is holds_objects


class Watched(LightningModule):
    """A module that logs one metric."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.log("train/loss", self.weight)
        return self.weight.square()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val/error", self.weight)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 0.1)
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        if any(isinstance(callback, Plateau) for callback in callbacks):
            scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "val/eror"}}
        return optimizer


class Plateau(Callback):
    """Marks a run with ReduceLROnPlateau."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("callback", "who"),
    [
        (lambda: EarlyStopping("val/eror"), "EarlyStopping"),
        (lambda: ModelCheckpoint(monitor="val/eror"), "ModelCheckpoint"),
        (Plateau, "ReduceLROnPlateau"),
    ],
    ids=["early_stopping", "checkpoint", "plateau"],
)
def test_lightning_tells_who_misses_which_metric_and_those_that_there_are(
    callback: Callable[[], Callback], who: str
) -> None:
    loader = torch.utils.data.DataLoader([0])  # type: ignore[arg-type, var-annotated]
    settings: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(callbacks=callback(), max_epochs=1, accelerator="cpu", **settings)
    with pytest.raises(Exception, match="val/eror") as raised:
        trainer.fit(Watched(), loader, loader)
    found = foreign_texts.missing_metric(str(raised.value))
    assert found is not None
    assert found[:2] == (who, "val/eror")
    assert {"train/loss", "val/error"} <= {*found[2]} <= {"train/loss", "val/error", "epoch", "step"}


@pytest.mark.parametrize("name", ["wandb", "mlflow", "comet"])
def test_lightning_tells_which_package_a_logger_lacks(name: str) -> None:
    module = importlib.import_module(f"pytorch_lightning.loggers.{name}")
    package = {"comet": "comet_ml"}.get(name, name)
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    (logger,) = (kind for key, kind in vars(module).items() if key.lower() == f"{name}logger")
    with pytest.raises(ModuleNotFoundError) as raised:
        logger()
    found = foreign_texts.missing_package(str(raised.value))
    assert found is not None
    assert found.replace("_", "-").startswith(package.replace("_", "-"))


def test_lightning_tells_that_rich_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytorch_lightning.callbacks.progress.rich_progress._RICH_AVAILABLE", False)
    with pytest.raises(ModuleNotFoundError) as raised:
        RichProgressBar()
    assert foreign_texts.missing_package(str(raised.value)) == "rich"


def test_other_texts_are_about_no_metric_and_no_package() -> None:
    assert foreign_texts.missing_metric("mat1 and mat2 shapes cannot be multiplied") is None
    assert foreign_texts.missing_package("No module named 'users_own'") is None
