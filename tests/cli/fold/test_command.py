"""``laaf fold`` writes the plain network of a checkpoint, and refuses all else in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import laaf_lightning as laaf
from laaf_lightning.activations.replay.noted import note_in, notes_of
from laaf_lightning.cli import main
from laaf_lightning.errors import ConfigurationError
from tests.cli.command import TINY, checkpoints_of, refusal
from tests.cli.command import laaf as run_laaf


def fold(*args: str | Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["fold", *map(str, args)])
    assert end.value.code == 0


def saved(module: Any, path: Path, **more: Any) -> Path:
    content = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}
    torch.save(content | {"pytorch-lightning_version": "2.6.6"} | more, path)
    return path


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_run_becomes_the_state_of_a_fixed_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    run = run_laaf("fit", *TINY, "--model.scope=global")
    checkpoint = checkpoints_of(run)[0]
    output = tmp_path / "plain" / f"network{suffix}"
    fold("--ckpt_path", checkpoint, "--output", output)
    assert "activations.1  Tanh  in linears.1\n2 of 2 slopes are in weights; wrote" in capsys.readouterr().out
    if suffix == ".pt":
        state = torch.load(output, weights_only=True)
    else:
        state = pytest.importorskip("safetensors.torch").load_file(output)
    plain = laaf.MLP(1, 1, width=4, depth=2, scope="fixed")
    plain.load_state_dict(state)
    x = torch.linspace(-1, 1, 5)[:, None]
    module: Any = run.model
    torch.testing.assert_close(plain(x), module.eval()(x))


def classifier(scope: Any = "layer") -> Any:
    torch.manual_seed(0)
    module = laaf.ImageClassifier(num_classes=3, in_channels=1, image_size=16, scope=scope)
    for _, site in module.named_modules():
        if isinstance(site, laaf.AdaptiveActivation):
            site.a.data.mul_(1.3)  # type: ignore[union-attr]
    return module


def test_a_checkpoint_of_python_needs_its_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module, output = classifier("neuron"), tmp_path / "net.pt"
    checkpoint = saved(module, tmp_path / "last.ckpt")
    asked = ("--ckpt_path", str(checkpoint), "--output", str(output))
    with pytest.raises(ConfigurationError, match=r"does not say of which class it is.*--model Image"):
        main(["fold", *asked])
    with pytest.raises(ConfigurationError, match=r"unknown class .*; did you mean 'ImageClassifier'"):
        main(["fold", *asked, "--model", "ImageClasifier"])
    with pytest.raises(ConfigurationError, match="the checkpoint does not fit the model"):
        main(["fold", *asked, "--model", "FunctionRegressor"])
    fold(*asked, "--model", "laaf_lightning.ImageClassifier")
    assert "activation1  ReLU  kept: has several slopes for one feature" in capsys.readouterr().out
    state = torch.load(output, weights_only=True)
    assert [name for name in state if "activation" in name] == ["activation1.factor"]


def test_wrong_files_are_refused_in_a_sentence_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = saved(classifier(), tmp_path / "last.ckpt")
    there = tmp_path / "there.pt"
    there.write_text("mine", encoding="utf-8")
    for path, output, text in (
        (checkpoint, there, "is there already, and nothing is overwritten"),
        (checkpoint, tmp_path / f"{'n' * 300}.pt", "File name too long; choose another name"),
        (checkpoint, tmp_path / "net.onnx", "NAME.pt for torch.load or NAME.safetensors"),
        (tmp_path / "none.ckpt", tmp_path / "net.pt", "there is no such file; its folder holds last.ckpt"),
        (there, tmp_path / "net.pt", "no checkpoint, or a damaged one"),
    ):
        with pytest.raises(ConfigurationError, match=text):
            main(["fold", "--ckpt_path", str(path), "--output", str(output)])
    assert there.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "net.pt").exists()


def test_the_console_script_refuses_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = classifier()
    module.network.activation1.a.data.fill_(float("nan"))
    checkpoint = saved(module, tmp_path / "last.ckpt")
    arguments = ["fold", "--ckpt_path", str(checkpoint), "--output", str(tmp_path / "x.pt"), "--model=ImageClassifier"]
    monkeypatch.setattr("tests.cli.command.QUIET", ())
    assert "fold: 'activation1.a' is not finite" in refusal(capsys, *arguments)
    assert not (tmp_path / "x.pt").exists()


def test_a_module_of_another_project_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "import torch\nimport laaf_lightning as laaf\nfrom torch import nn\n"
        "class Mine(laaf.AdaptiveModule):\n"
        "    def build_network(self):\n"
        "        return nn.Sequential(nn.Linear(2, 2), laaf.AdaptiveActivation('tanh'))\n"
        "    def loss(self, batch):\n"
        "        return self(batch).sum()\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import mine  # type: ignore[import-not-found]

    module = mine.Mine()
    assert isinstance(module.network, nn.Module)
    checkpoint = saved(module, tmp_path / "last.ckpt")
    fold("--ckpt_path", checkpoint, "--output", tmp_path / "net.pt", "--model", "mine.Mine")
    assert list(torch.load(tmp_path / "net.pt")) == ["0.weight", "0.bias"]


class Foreign(pl.LightningModule):
    """A module that knows nothing of slopes."""

    def __init__(self, example: bool = True) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(2, 4), nn.Linear(4, 1)
        self.example_input_array = torch.ones(3, 2) if example else None

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.b(torch.tanh(self.a(x)))
        return output


class Unseen(Foreign):
    """One that tells no example."""

    def __init__(self) -> None:
        super().__init__(example=False)


@pytest.mark.parametrize(("kind", "folded"), [(Foreign, True), (Unseen, False)])
def test_a_module_that_was_adapted_from_outside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: type[Foreign], folded: bool
) -> None:
    adapted = laaf.adapt(kind(), example_input=torch.ones(3, 2))
    adapted.get_parameter("adaptive_calls.tanh_1.a").data.fill_(1.5)
    notes: Any = notes_of(adapted)
    content: dict[str, Any] = {"state_dict": adapted.state_dict(), "pytorch-lightning_version": "2.6.6"}
    note_in(content, notes, None)
    torch.save(content, tmp_path / "foreign.ckpt")
    asked: list[str | Path] = ["--ckpt_path", tmp_path / "foreign.ckpt", "--output", tmp_path / "plain.pt"]
    name = f"{kind.__module__}.{kind.__name__}"
    fold(*asked, "--model", name)
    said = capsys.readouterr().out
    assert ("More can go into weights where the module has an example_input_array." in said) is not folded
    state = torch.load(tmp_path / "plain.pt", weights_only=True)
    assert ("adaptive_calls.tanh_1.factor" in state) is not folded
    if folded:
        plain, x = kind(), torch.linspace(-1, 1, 6).reshape(3, 2)
        plain.load_state_dict(state)
        torch.testing.assert_close(plain(x), adapted(x))


@pytest.mark.parametrize("model", [None, "torch.nn.Linear", "Foreign"])
def test_a_module_that_was_adapted_from_outside_needs_its_class(tmp_path: Path, model: str | None) -> None:
    content: dict[str, Any] = {"state_dict": {}, "pytorch-lightning_version": "2.6.6"}
    note_in(content, {"version": 1, "sites": {}, "calls": {}}, None)
    torch.save(content, tmp_path / "foreign.ckpt")
    args = ["--ckpt_path", tmp_path / "foreign.ckpt", "--output", tmp_path / "plain.pt"]
    said = [] if model is None else ["--model", model]
    with pytest.raises(ConfigurationError, match=r"was adapted from outside: name the class, --model my\.module\.Mine"):
        main(["fold", *map(str, args), *said])
    assert not (tmp_path / "plain.pt").exists()
