"""Each library says itself what the command line reads: a release with other words fails here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, NoReturn

import jsonargparse
import pytest
import torch
from pytorch_lightning import LightningDataModule, LightningModule
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.cli import LightningCLI
from torch import nn

from laaf_lightning.cli import foreign_texts


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
    assert foreign_texts.unknown_class(text) is None
    (reason,) = foreign_texts.alternatives(text)
    assert reason == "Problem with given class_path 'no_such_module.Part': No module named 'no_such_module'"


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
    assert foreign_texts.is_about_python_objects(str(raised.value)) is holds_objects


def silenced(beginning: str) -> str:
    """The pattern of the silenced warning that begins so."""
    (pattern,) = (pattern for pattern, _, _ in foreign_texts.HARMLESS_WARNINGS if pattern.startswith(beginning))
    return pattern


def test_lightning_says_that_a_checkpoint_lies_in_another_folder() -> None:
    saved = ModelCheckpoint(dirpath="one").state_dict()
    with pytest.warns(UserWarning, match=silenced("The dirpath")):
        ModelCheckpoint(dirpath="other").load_state_dict(saved)


def test_lightning_says_that_arguments_are_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["laaf", "fit"])
    classes: dict[str, Any] = {"subclass_mode_model": True, "subclass_mode_data": True}
    with pytest.raises(SystemExit), pytest.warns(UserWarning, match=silenced("LightningCLI's args")):
        LightningCLI(LightningModule, LightningDataModule, **classes, args=["fit", "--help"])
