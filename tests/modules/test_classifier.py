from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures import ClassificationData
from laaf_lightning.models import LeNet, PreActResNet18
from laaf_lightning.modules import ImageClassifier
from laaf_lightning.modules.classifier import _first_mistakes
from tests.modules.small import Batches, TinyNetwork, image_batches, small_classifier
from tests.trainers import quiet_trainer


class Readout(nn.Module):
    """The logits are the first three pixels, so that a test chooses them."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :3]


def images_with_logits(logits: list[list[float]]) -> Tensor:
    images = torch.zeros(len(logits), 1, 6, 6)
    images.flatten(1)[:, :3] = torch.tensor(logits)
    return images


def cross_entropy(logits: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def test_loss_is_the_cross_entropy() -> None:
    model = small_classifier().double()
    images, labels = image_batches(1)[0]
    logits = model(images.double()).detach().numpy()
    assert model.loss((images.double(), labels)).item() == pytest.approx(
        cross_entropy(logits, labels.numpy()), rel=1e-12
    )


@pytest.mark.parametrize("labels", [[0, 1, 2, 2], [1, 1, 1, 0, 2, 2], [0, 0, 1]])
def test_constant_network_loss_is_the_smallest_over_constant_logits(labels: list[int]) -> None:
    target = np.array(labels)

    def loss(logits: np.ndarray[Any, Any]) -> float:
        return cross_entropy(np.tile(logits, (len(target), 1)), target)

    smallest = minimize(loss, np.zeros(3), tol=1e-12).fun
    images = torch.zeros(len(labels), 1, 6, 6)
    value = small_classifier().constant_network_loss((images, torch.tensor(labels)))
    assert value.item() == pytest.approx(smallest, abs=1e-5)
    assert value.item() <= smallest + 1e-12


@pytest.mark.parametrize(
    ("network", "kind"),
    [
        ("lenet", LeNet),
        ("preact_resnet18", PreActResNet18),
        ("laaf_lightning.models.lenet.LeNet", LeNet),
        ("tests.modules.small.TinyNetwork", TinyNetwork),
    ],
)
def test_network_is_built_from_a_name_or_a_class_path(network: str, kind: type[nn.Module]) -> None:
    model = ImageClassifier(network, num_classes=5, in_channels=2, image_size=16, scope="neuron", n=3)
    assert type(model.network) is kind
    model.eval()
    assert model(torch.rand(2, 2, 16, 16)).shape == (2, 5)
    assert {module.n for module in model.modules() if hasattr(module, "slope")} == {3.0}


def test_network_can_be_a_module() -> None:
    network = Readout()
    model = small_classifier(network=network)
    assert model.network is network
    assert [name for name, module in model.named_modules() if module is network] == ["network"]


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        ("lennet", r"unknown network 'lennet': valid are lenet, preact_resnet18; did you mean 'lenet'\? \(or give the"),
        ("no_such_package.Net", r"network='no_such_package.Net' cannot be imported: No module named 'no_such_package'"),
        ("torch.nn.NoSuchLayer", r"network='torch.nn.NoSuchLayer' cannot be imported: .*NoSuchLayer"),
    ],
)
def test_unknown_network_is_refused(network: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        small_classifier(network=network)


def test_channels_last_computes_the_same_in_its_memory_format() -> None:
    settings: dict[str, Any] = {"scope": "channel", "in_channels": 3}
    plain, model = small_classifier(**settings), small_classifier(**settings, channels_last=True)
    seen: list[Tensor] = []
    assert isinstance(model.network, nn.Sequential)
    model.network.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    model.network[1].register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    batch = torch.rand(4, 3, 6, 6), torch.tensor([0, 1, 2, 0])
    torch.testing.assert_close(model.loss(batch), plain.loss(batch))
    weight = next(p for p in model.parameters() if p.dim() == 4)
    assert len(seen) == 2
    for tensor in (*seen, weight):
        assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_prediction_is_the_probabilities_with_or_without_labels() -> None:
    images = images_with_logits([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]])
    logits = images.flatten(1)[:, :3].double().numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    model = small_classifier(network=Readout())
    for batch in (images, (images, torch.zeros(2, dtype=torch.int64))):
        (predicted,) = quiet_trainer().predict(model, Batches([batch])) or []
        np.testing.assert_allclose(torch.as_tensor(predicted).numpy(), expected, rtol=1e-6)


def test_evaluation_logs_accuracy_and_loss_over_all_images_alike() -> None:
    logits = [[2.0, 0, 0], [2.0, 0, 0], [0, 2.0, 0], [0, 0, 2.0], [0, 2.0, 0]]
    labels = torch.tensor([0, 1, 1, 2, 0])
    images = images_with_logits(logits)
    batches = Batches(zip(images.split([4, 1]), labels.split([4, 1]), strict=True))
    trainer, model = quiet_trainer(), small_classifier(network=Readout())
    for stage, run in (("val", trainer.validate), ("test", trainer.test)):
        (logged,) = run(model, batches, verbose=False)
        assert logged[f"{stage}/accuracy"] == pytest.approx(3 / 5)
        assert logged[f"{stage}/loss"] == pytest.approx(cross_entropy(np.array(logits), labels.numpy()), rel=1e-6)


def test_figure_data_counts_true_against_predicted_and_shows_mistakes() -> None:
    images = images_with_logits([[2.0, 0, 0], [2.0, 0, 0], [0, 2.0, 0], [0, 0, 2.0]])
    labels = torch.tensor([0, 1, 1, 0])
    model = small_classifier(network=Readout())
    batches = Batches(zip(images.split(3), labels.split(3), strict=True))
    quiet_trainer().test(model, batches, verbose=False)
    data = model.figure_data()["classification"]
    assert isinstance(data, ClassificationData)
    assert data.counts.tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert data.images is not None
    assert data.true is not None
    assert data.predicted is not None
    assert (data.true.tolist(), data.predicted.tolist()) == ([1, 0], [0, 2])
    np.testing.assert_array_equal(data.images, images[[1, 3]].numpy())
    assert set(data.figures()) == {"confusion", "mistakes"}


def test_figure_data_holds_the_last_evaluation_and_a_bounded_number_of_mistakes() -> None:
    model = small_classifier(network=Readout())
    images = images_with_logits([[2.0, 0, 0]] * 20)
    batches = Batches([(images, torch.ones(20, dtype=torch.int64))] * 3)
    for _ in range(2):
        quiet_trainer().validate(model, batches, verbose=False)
    data = model.figure_data()["classification"]
    assert isinstance(data, ClassificationData)
    assert data.counts.sum() == 60
    assert data.images is not None
    assert model._mistakes is not None
    assert len(data.images) == len(model._mistakes[0]) == 25


def test_there_are_no_figures_before_an_evaluation() -> None:
    assert small_classifier().figure_data() == {}


def test_figure_data_of_a_faultless_network_has_no_mistakes() -> None:
    model = small_classifier(network=Readout())
    batch = (images_with_logits([[2.0, 0, 0]]), torch.tensor([0]))
    quiet_trainer().validate(model, Batches([batch]), verbose=False)
    data = model.figure_data()["classification"]
    assert isinstance(data, ClassificationData)
    assert data.images is not None
    assert data.images.shape == (0, 1, 6, 6)


def test_an_evaluation_does_not_wait_for_the_device_to_tell_which_images_are_wrong() -> None:
    class Operations(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.seen: set[str] = set()

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.seen.add(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    images, predicted, labels = torch.rand(40, 1, 2, 2), torch.arange(40) % 3, torch.arange(40) % 2
    with Operations() as operations:
        first = _first_mistakes(None, images[:9], predicted[:9], labels[:9])
        second = _first_mistakes(first, images[9:], predicted[9:], labels[9:])
    assert "argsort" in operations.seen or "sort" in operations.seen
    assert not operations.seen & {"nonzero", "_local_scalar_dense", "masked_select"}
    wrong = predicted != labels
    assert int(second[3].sum()) == min(25, int(wrong.sum()))
    for part, expected in zip(second, (images, predicted, labels), strict=False):
        assert torch.equal(part[second[3]], expected[wrong][:25])
