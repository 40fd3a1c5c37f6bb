"""``laaf fold`` looks at a module that a fit has adapted with random numbers of the form that the fit gave it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import laaf_lightning as laaf
from laaf_lightning.activations.replay.noted import KEY
from tests.callbacks.adapt_activations.foreign import Autoencoder, Perceptron, fit
from tests.cli.fold.test_command import fold


class Sequence(Perceptron):
    """The most common module: a sequence, a forward that calls it, no example."""

    def __init__(self) -> None:
        super().__init__()
        del self.activation
        self.net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.net(x)
        return output


class LayerReadTwice(Sequence):
    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = super().forward(x) + self.net[0](x).sum()
        return output


class OfEightSamples(Sequence):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + torch.arange(8)[:, None])


class OfPositiveNumbers(Sequence):
    """One that refuses what its data never are."""

    def forward(self, x: Tensor) -> Tensor:
        if bool((x < 0).any()):
            raise ValueError("negative")
        return super().forward(x)


def trained(kind: type[pl.LightningModule], path: Path) -> Any:
    torch.manual_seed(0)
    module = kind()
    trainer = fit(module, laaf.AdaptActivations("layer", n=2, slope_lr=0.3))
    trainer.save_checkpoint(path / "last.ckpt")
    return module.eval()


def folded(kind: type[pl.LightningModule], path: Path) -> dict[str, Tensor]:
    name = f"{kind.__module__}.{kind.__name__}"
    fold("--ckpt_path", path / "last.ckpt", "--output", path / "plain.pt", "--model", name)
    state: dict[str, Tensor] = torch.load(path / "plain.pt", weights_only=True)
    return state


@pytest.mark.parametrize("kind", [Sequence, Perceptron, OfEightSamples])
def test_the_slopes_of_a_foreign_module_are_in_its_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: type[Perceptron]
) -> None:
    module, x = trained(kind, tmp_path), torch.linspace(-1, 2, 16).reshape(8, 2)
    state = folded(kind, tmp_path)
    assert f"{len(dict(laaf.named_slopes(module)))} slopes are in weights" in (said := capsys.readouterr().out)
    assert "kept" not in said
    assert "example" not in said
    plain = kind().eval()
    plain.load_state_dict(state)
    torch.testing.assert_close(plain(x), module(x))


def test_a_layer_that_is_called_elsewhere_too_keeps_its_slope(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(LayerReadTwice, tmp_path)
    assert [name for name in folded(LayerReadTwice, tmp_path) if "factor" in name] == ["net.1.factor"]
    assert "net.3  ReLU  in net.2" in capsys.readouterr().out


def test_where_the_module_does_not_run_on_it_the_slopes_stay_and_a_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(OfPositiveNumbers, tmp_path)
    assert sum("factor" in name for name in folded(OfPositiveNumbers, tmp_path)) == 2
    assert capsys.readouterr().out.splitlines()[-1] == (
        "An example of the form that training gave OfPositiveNumbers is of no use: OfPositiveNumbers does not run on "
        "example_input: ValueError: negative. More can go into weights where the module has an example_input_array."
    )


@pytest.mark.parametrize("kind", [Sequence, Autoencoder])
def test_a_checkpoint_without_a_form_is_folded_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: type[pl.LightningModule]
) -> None:
    trained(kind, tmp_path)
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert (content[KEY].pop("form", None) is None) is (kind is Autoencoder)
    torch.save(content, tmp_path / "last.ckpt")
    assert sum("factor" in name for name in folded(kind, tmp_path)) == 2
    assert "\nMore can go into weights where the module has an example_input_array.\n" in capsys.readouterr().out
