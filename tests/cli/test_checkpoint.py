from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from laaf_lightning import MLP, ConfigurationError, adapt
from laaf_lightning.cli.checkpoint import check_checkpoint, refuse_unresolvable, state_mismatch

FETCHED = Path("fetched")


@pytest.mark.parametrize("path", [None, "best", "last", "hpc", "registry:model", "."])
def test_what_the_trainer_resolves_itself_is_left_to_it(path: str | None) -> None:
    assert check_checkpoint(path, None, FETCHED) == path


def test_a_whole_checkpoint_passes() -> None:
    torch.save({"state_dict": {"a": torch.zeros(2)}}, "file.ckpt")
    assert check_checkpoint("file.ckpt", None, FETCHED) == "file.ckpt"


def test_a_file_whose_name_begins_like_an_address_is_handed_on_so_that_lightning_finds_it() -> None:
    torch.save({"state_dict": {}}, "http.ckpt")
    assert check_checkpoint("http.ckpt", None, FETCHED) == Path("http.ckpt").absolute()


def test_unsafe_loading_is_refused_with_two_lines_that_make_a_plain_checkpoint() -> None:
    torch.save({"state_dict": {"a": torch.ones(2)}, "epoch": 3, "object": Path()}, "file.ckpt")
    with pytest.raises(ConfigurationError, match="--weights_only false") as refused:
        check_checkpoint("file.ckpt", weights_only=False, folder=FETCHED)
    with pytest.raises(ConfigurationError, match="holds Python objects") as unsafe:
        check_checkpoint("file.ckpt", weights_only=True, folder=FETCHED)
    for error in (refused, unsafe):
        _, first, second = str(error.value).splitlines()
        exec(f"{first} {second}", {})  # as the command line joins them
        assert check_checkpoint("file-plain.ckpt", None, FETCHED) == "file-plain.ckpt"
        assert torch.load("file-plain.ckpt", weights_only=True)["epoch"] == 3
        Path("file-plain.ckpt").unlink()


@pytest.mark.parametrize("depth", [3, 60])
def test_a_mismatch_is_a_short_sentence_however_large_the_model(depth: int) -> None:
    small, large = MLP(1, 1, width=4, depth=2, n=10), MLP(1, 1, width=5, depth=depth, n=5)
    with pytest.raises(RuntimeError) as raised:
        large.load_state_dict(small.state_dict())
    sentence = state_mismatch(str(raised.value))
    assert sentence.startswith("the checkpoint does not fit the model: activations.0.n: the checkpoint has n=10, this ")
    assert len(sentence) < 900
    assert " more; build the model as it was trained" in sentence


def settings(keyword: str | None, dirpath: str | None = None, save_dir: str = "runs") -> dict[str, Any]:
    callback = {"class_path": "any", "init_args": {"dirpath": dirpath}}
    logger = {"class_path": "any", "init_args": {"save_dir": save_dir}}
    return {"ckpt_path": keyword, "trainer": {"callbacks": [callback], "logger": logger, "default_root_dir": None}}


@pytest.mark.parametrize("keyword", ["best", "last"])
@pytest.mark.parametrize("subcommand", ["fit", "test"])
def test_a_keyword_without_anything_behind_it_is_refused_with_the_newest_file(keyword: str, subcommand: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"ckpt_path='{keyword}' names no file: .*: --ckpt_path FILE"):
        refuse_unresolvable(settings(keyword), subcommand)
    folder = Path("elsewhere/job/2026/checkpoints")
    folder.mkdir(parents=True)
    for number, name in enumerate(
        ("best-step=1.ckpt", "best-step=2.ckpt", "epoch=1-step=3.ckpt", "epoch=2-step=4.ckpt")
    ):
        (folder / name).touch()
        os.utime(folder / name, (number, number))
    newest = {"best": "best-step=2.ckpt", "last": "epoch=2-step=4.ckpt"}[keyword]
    with pytest.raises(ConfigurationError, match=rf"for example --ckpt_path \S+/{newest}, the newest"):
        refuse_unresolvable(settings(keyword, save_dir="elsewhere"), subcommand)


def test_last_is_left_to_the_trainer_where_a_callback_keeps_it_in_a_folder_of_its_own() -> None:
    for subcommand in ("fit", "test"):
        with pytest.raises(ConfigurationError, match="names no file"):
            refuse_unresolvable(settings("last", "kept"), subcommand)
    Path("kept").mkdir()
    Path("kept/last.ckpt").touch()
    for subcommand in ("fit", "test"):
        refuse_unresolvable(settings("last", "kept"), subcommand)


@pytest.mark.parametrize("path", [None, "hpc", "file.ckpt"])
def test_what_is_no_keyword_for_a_fits_own_files_passes(path: str | None) -> None:
    refuse_unresolvable(settings(path), "test")


def test_slopes_that_the_model_has_not_name_the_form_that_loads() -> None:
    plain, adapted = nn.Sequential(nn.Linear(1, 1), nn.Tanh()), nn.Sequential(nn.Linear(1, 1), nn.Tanh())
    state = adapt(adapted).state_dict()
    with pytest.raises(RuntimeError) as raised:
        plain.load_state_dict(state)
    assert state_mismatch(str(raised.value)).endswith("call it in its constructor: self.net = adapt(self.net, …)")
    with pytest.raises(RuntimeError) as raised:
        plain.load_state_dict(nn.Linear(1, 1).state_dict())
    assert "adapt" not in state_mismatch(str(raised.value))
