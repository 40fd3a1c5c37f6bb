"""Adapted and folded models are exported, to ONNX too, and compute the same there."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from laaf_lightning import LeNet
from tests.activations.folding.models import adapted, folded, moved


class Block(nn.Module):
    """A residual block whose module is called twice, beside a function."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm1, self.norm2 = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm2(self.conv2(self.act(self.norm1(self.conv1(x)))))
        h += x
        return F.silu(self.act(h))


X = torch.sin(torch.arange(2.0 * 16 * 16)).reshape(2, 1, 16, 16)
MAKES: dict[str, Any] = {
    "lenet": lambda: moved(LeNet(3, image_size=16, hidden=4, scope="neuron", n=2)),
    "block": lambda: adapted(Block(), X, "channel"),
}


before_2_8 = torch.__version__.startswith(("2.6.", "2.7."))
CAPTURED = [
    "lenet",
    pytest.param("block", marks=pytest.mark.skipif(before_2_8, reason="captured from torch 2.8 on")),
]


def both(name: str) -> list[nn.Module]:
    model = MAKES[name]().float()
    result = folded(model, X)[0]
    torch.testing.assert_close(result(X), model(X), rtol=1e-4, atol=1e-5)
    return [model, result]


@pytest.mark.slow
@pytest.mark.parametrize("name", CAPTURED)
def test_exported_programs_compute_the_same(name: str) -> None:
    for model in both(name):
        exported = torch.export.export(model, (X,)).module()
        torch.testing.assert_close(exported(X), model(X))


@pytest.mark.slow
@pytest.mark.parametrize("name", CAPTURED)
def test_compiled_models_compute_the_same(name: str) -> None:
    for model in both(name):
        compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(X), model(X))
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKES)
def test_onnxruntime_agrees(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    for number, model in enumerate(both(name)):
        file = tmp_path / f"{number}.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter about itself
            torch.onnx.export(model, (X,), file, dynamo=True, verbose=False)
        session = runtime.InferenceSession(str(file))
        (output,) = session.run(None, {session.get_inputs()[0].name: X.numpy()})
        torch.testing.assert_close(torch.from_numpy(output), model(X).detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_half_of_torchvisions_resnet18_folds_and_the_rest_stands_behind_additions() -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    images = torch.sin(torch.arange(2.0 * 3 * 32 * 32)).reshape(2, 3, 32, 32)
    model = adapted(resnet18(num_classes=5), images, "channel")
    images = images.double()
    result, report = folded(model, images)
    assert (len(report), len(report.kept)) == (17, 8)
    assert {site.kept for site in report.kept} == {"stands behind an addition in place"}
    for training in (True, False):
        torch.testing.assert_close(result.train(training)(images), model.train(training)(images), rtol=1e-9, atol=1e-10)
