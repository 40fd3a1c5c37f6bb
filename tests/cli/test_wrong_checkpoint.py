"""A checkpoint that cannot be taken is refused in a sentence, and kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.cli.command import TINY, checkpoint_of, contents, laaf, refusal


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of TINY with n = 10, in a folder that tests must leave as it is."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder / checkpoint_of(laaf("fit", *TINY))


@pytest.mark.parametrize(
    ("subcommand", "arguments", "sentence"),
    [
        ("fit", ("--model.n=5",), "network.activations.0.n: the checkpoint has n=10, this activation has n=5"),
        ("test", ("--model.width=5",), "size mismatch for network.linears.0.weight"),
        ("fit", ("--model.depth=3",), "Missing key(s) in state_dict: "),
        ("predict", ("--model.scope=fixed",), "Unexpected key(s) in state_dict: "),
        ("test", ("--model.n=5", "--model.width=5"), "the checkpoint has n=10, this activation has n=5"),
    ],
    ids=["n", "width", "depth", "scope", "n_and_width"],
)
def test_a_checkpoint_of_another_model_is_refused_and_kept(
    subcommand: str, arguments: tuple[str, ...], sentence: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(checkpoint.parents[1])
    said = refusal(capsys, subcommand, *TINY, *arguments, f"--ckpt_path={checkpoint}")
    assert said.startswith("the checkpoint does not fit the model: ")
    assert sentence in said
    assert "config.yaml" in said
    assert contents(checkpoint.parents[1]) == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "this file is no checkpoint, or a damaged one"),
        (b"model: 3\n", "this file is no checkpoint, or a damaged one"),
        (b"PK\x03\x04" + bytes(200), "this file is no checkpoint, or a damaged one"),
        ("truncated", "this file is no checkpoint, or a damaged one"),
        ({"weights": torch.zeros(2)}, "is no checkpoint of Lightning: it has no 'state_dict'"),
        ([1, 2], "is no checkpoint of Lightning: it has no 'state_dict'"),
        ({"state_dict": {}, "object": Path()}, "run code when they are loaded; if you trust where it comes from"),
    ],
    ids=["empty", "text", "zip", "truncated", "dictionary", "list", "objects"],
)
def test_a_file_that_is_no_checkpoint_is_refused_before_anything_is_made(
    content: object, sentence: str, checkpoint: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path("file.ckpt")
    if content == "truncated":
        file.write_bytes(checkpoint.read_bytes()[:-300])
    elif isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    said = refusal(capsys, "test", *TINY, f"--ckpt_path={file}")
    assert "ckpt_path='file.ckpt'" in said
    assert sentence in said
    assert list(workplace.iterdir()) == [workplace / "file.ckpt"]


def test_a_missing_checkpoint_is_refused_with_its_neighbours(
    checkpoint: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = checkpoint.with_name("other.ckpt")
    said = refusal(capsys, "test", *TINY, f"--ckpt_path={missing}")
    assert said.startswith(f"ckpt_path='{missing}': there is no such file; its folder holds {checkpoint.name}")
    assert not list(workplace.iterdir())
    assert refusal(capsys, "test", *TINY, "--ckpt_path=nowhere/x.ckpt").startswith(
        "ckpt_path='nowhere/x.ckpt': there is no such file ("
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"loops": None},
        {"optimizer_states": [{"a": 1}]},
        {"callbacks": "x"},
        {"pytorch-lightning_version": "none"},
        {"exact_resume": {}},
    ],
)
def test_a_checkpoint_of_other_content_is_refused_in_a_sentence(
    changes: dict[str, object], checkpoint: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({**torch.load(checkpoint, weights_only=True), **changes}, "other.ckpt")
    said = refusal(capsys, "fit", *TINY, "--trainer.max_steps=4", "--ckpt_path=other.ckpt")
    assert "this checkpoint cannot be gone on from" in said


@pytest.mark.parametrize("begin", ["", "file://", "local://"])
def test_a_checkpoint_cannot_have_anything_removed(begin: str, checkpoint: Path, workplace: Path) -> None:
    mine = workplace / "mine" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("kept")
    content = torch.load(checkpoint, weights_only=True)
    path, worst = f"{begin}{mine.parent}", torch.tensor(1e9)
    state = {"best_model_score": worst, "best_model_path": path, "kth_best_model_path": path, "kth_value": worst}
    state |= {"best_k_models": {path: worst}, "last_model_path": path}
    (best,) = content["callbacks"]
    torch.save({**content, "callbacks": {best: state}}, "hostile.ckpt")
    run = laaf("fit", *TINY, "--trainer.max_steps=6", "--trainer.limit_val_batches=1", "--ckpt_path=hostile.ckpt")
    assert any(file.name.startswith("best-") for file in (Path(str(run.trainer.log_dir)) / "checkpoints").iterdir())
    assert mine.read_text() == "kept"
