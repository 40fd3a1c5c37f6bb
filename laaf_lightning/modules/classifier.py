"""Classification of images by a network with adaptive activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from laaf_lightning.activations import Scope
from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.figures import ClassificationData, Drawable
from laaf_lightning.models import LeNet, PreActResNet18
from laaf_lightning.modules.base import AdaptiveModule
from laaf_lightning.modules.optimization.optimizer import OptimizerFactory, SchedulerFactory, adam
from laaf_lightning.untrusted.factories import is_module_factory
from laaf_lightning.untrusted.names import find

Batch = tuple[Tensor, Tensor]
Mistakes = tuple[Tensor, Tensor, Tensor, Tensor]  # images, predicted and true classes, and which of them are wrong

NETWORKS: dict[str, Callable[..., nn.Module]] = {"lenet": LeNet, "preact_resnet18": PreActResNet18}
_MAX_MISTAKES = 25


class ImageClassifier(AdaptiveModule):
    """Classify images by cross entropy (Jagtap et al. 2020, section 4).

    A batch is (images, labels): float (B, C, H, W) and int64 (B,).

    Args:
        network: ``"lenet"``, ``"preact_resnet18"``, the dotted path of a class of an ``nn.Module``, or of a function
            that says that it returns one, which takes the arguments of `LeNet`; or an ``nn.Module``.
        num_classes: number of classes; the command line takes it from the data, as the next two.
        in_channels: colour channels C.
        image_size: H = W in pixels.
        scope: of the slopes: ``"fixed"``, ``"global"``, ``"layer"``, ``"channel"`` or ``"neuron"``.
        n: scaling factor, > 0.
        activation: name of σ.
        optimizer: factory of the optimiser.
        lr_scheduler: factory of a scheduler, stepped after every epoch.
        slope_lr: learning rate of the slopes; None for the optimiser's.
        compile: whether the network runs through ``torch.compile``.
        channels_last: whether network and images use the channels-last memory format.

    Raises:
        ConfigurationError: for an unknown network, and for a path of what makes no ``nn.Module``.

    Example:
        >>> classifier = ImageClassifier("lenet", num_classes=10, in_channels=1, image_size=16, scope="layer")
        >>> classifier(torch.zeros(2, 1, 16, 16)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        network: str | nn.Module = "lenet",
        *,
        num_classes: int,
        in_channels: int,
        image_size: int,
        scope: Scope = "layer",
        n: float = 1.0,
        activation: str = "relu",
        optimizer: OptimizerFactory = adam,
        lr_scheduler: SchedulerFactory | None = None,
        slope_lr: float | None = None,
        compile: bool = False,
        channels_last: bool = False,
    ) -> None:
        super().__init__(optimizer=optimizer, lr_scheduler=lr_scheduler, slope_lr=slope_lr, compile=compile)
        self._network_name = network if isinstance(network, str) else None
        self._network_given = [] if isinstance(network, str) else [network]  # in a list: registered as `network` alone
        self.num_classes, self.in_channels, self.image_size = num_classes, in_channels, image_size
        self.scope, self.n, self.activation = scope, n, activation
        self.channels_last = channels_last
        self._mistakes: Mistakes | None = None
        self.build_parts()
        self.confusion = MulticlassConfusionMatrix(num_classes)

    def build_network(self) -> nn.Module:
        """Build the network that the setting `network` stands for.

        Returns:
            The network; where the setting is an ``nn.Module``, that one, once.

        Raises:
            ConfigurationError: for an unknown network, and for another one where an ``nn.Module`` was given.
        """
        if self._network_name is not None:
            network = _network_class(self._network_name)(
                num_classes=self.num_classes,
                in_channels=self.in_channels,
                image_size=self.image_size,
                activation=self.activation,
                scope=self.scope,
                n=self.n,
            )
        elif self._network_given:
            network = self._network_given.pop()
        else:
            raise ConfigurationError(
                f"{type(self).__name__} was given its network as an object, and cannot build another one: give the "
                "dotted path of a class or function, or override build_network"
            )
        return network.to(memory_format=torch.channels_last) if self.channels_last else network

    def build_metrics(self) -> MetricCollection:
        """Build the accuracy, over all images alike.

        Returns:
            The metrics.
        """
        return MetricCollection({"accuracy": MulticlassAccuracy(self.num_classes, average="micro")})

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits.

        Args:
            inputs: images, (B, C, H, W).

        Returns:
            (B, num_classes).
        """
        images = inputs.contiguous(memory_format=torch.channels_last) if self.channels_last else inputs
        return super().forward(images)

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross entropy.

        Args:
            batch: (images, labels).

        Returns:
            0-dim.
        """
        images, labels = batch
        return nn.functional.cross_entropy(self(images), labels)

    def constant_network_loss(self, batch: Batch) -> Tensor:
        """Return the smallest loss of a constant network: the entropy of the batch's labels.

        Args:
            batch: (images, labels).

        Returns:
            0-dim.
        """
        shares = torch.bincount(batch[1], minlength=self.num_classes).double() / len(batch[1])
        entropy: Tensor = torch.special.entr(shares).sum()
        return entropy

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the class probabilities.

        Args:
            batch: (images, labels) or images.
            batch_idx: not used.

        Returns:
            (B, num_classes).
        """
        return super().predict_step(batch, batch_idx).softmax(dim=1)

    def figure_data(self) -> dict[str, Drawable]:
        """Return confusion matrix and wrongly classified images of the last evaluation.

        Returns:
            Under ``"classification"``; nothing before an evaluation.
        """
        mistakes = self._mistakes
        if self.confusion.update_count == 0 or mistakes is None:
            return {}
        counts = self.confusion.compute().cpu().numpy()
        images, predicted, true = (part[mistakes[3]] for part in mistakes[:3])
        datamodule = getattr(self.attached_trainer, "datamodule", None)
        return {
            "classification": ClassificationData(
                counts,
                class_names=getattr(datamodule, "class_names", None),
                images=images.float().cpu().numpy(),
                predicted=predicted.cpu().numpy(),
                true=true.cpu().numpy(),
            )
        }

    def _evaluate(self, batch: Batch, batch_idx: int, stage: str) -> Tensor:
        logits = super()._evaluate(batch, batch_idx, stage)
        images, labels = batch
        loss = nn.functional.cross_entropy(logits, labels)
        self.log(f"{stage}/loss", loss, batch_size=len(images), on_step=False, on_epoch=True, sync_dist=True)
        if batch_idx == 0:
            self.confusion.reset()
            self._mistakes = None
        predicted = logits.argmax(dim=1)
        self.confusion.update(predicted, labels)
        self._mistakes = _first_mistakes(self._mistakes, images.detach(), predicted, labels)
        return logits


def _first_mistakes(before: Mistakes | None, images: Tensor, predicted: Tensor, labels: Tensor) -> Mistakes:
    """Keep the first wrongly classified images, on the device, without waiting for it to tell how many there are."""
    batch = images, predicted, labels, predicted != labels
    joined = batch if before is None else tuple(torch.cat(parts) for parts in zip(before, batch, strict=True))
    first = joined[3].to(torch.uint8).argsort(descending=True, stable=True)[:_MAX_MISTAKES]
    kept_images, kept_predicted, kept_labels, are_wrong = (part[first] for part in joined)
    return kept_images, kept_predicted, kept_labels, are_wrong


def _network_class(name: str) -> Callable[..., nn.Module]:
    """Find the class that a name or a dotted path stands for."""
    if name in NETWORKS:
        return NETWORKS[name]
    if "." not in name:
        raise ConfigurationError(
            unknown_choice("network", name, NETWORKS) + " (or give the dotted path of a class of your own)"
        )
    found: Callable[..., nn.Module] = find(name, "network")
    if not is_module_factory(found):
        raise ConfigurationError(
            f"network={name!r} makes no torch.nn.Module, and is not called: name a class of one, or a function that "
            "says what it returns, 'def name(…) -> nn.Module'"
        )
    return found
