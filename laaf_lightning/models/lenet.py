"""The LeNet of the experiments on small grey images."""

from __future__ import annotations

from torch import Tensor, nn

from laaf_lightning.activations import Activation, Scope
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models.sites import SiteFactory, check_sizes, example_for

_CHANNELS = 64
_KERNEL = 5
_SMALLEST_IMAGE = 16


class LeNet(nn.Module):
    r"""LeNet with three adaptive activations, for images of shape (in_channels, image_size, image_size).

    conv 64@5×5 – max-pool 2 – σ – conv 64@5×5 – max-pool 2 – σ – fc `hidden` – σ – fc `num_classes`, without
    padding: 28×28 ends at 64×4×4, 16×16 at 64×1×1. The slope acts after pooling, σ(n·a·pool(z)), and there is
    none on the output. Weights start as torch's convolutions and linear layers do.

    Source: Jagtap, Kawaguchi & Karniadakis, Proc. R. Soc. A 476:20200334 (2020), section 4 (the experiments
    on MNIST, KMNIST, Fashion-MNIST and Semeion).

    Args:
        num_classes: number of outputs.
        in_channels: channels of the images.
        image_size: height and width of the images, at least 16.
        hidden: neurons of the fully connected hidden layer (the paper 1014, its code 1024).
        dropout: probability of dropout after the hidden layer's σ (the paper 0, its code 0.5), in [0, 1).
        activation: the elementwise σ: a name, a callable or an ``nn.Module``.
        scope: ``"fixed"``, ``"global"``, ``"layer"``, ``"channel"`` (slopes of shape (64, 1, 1) twice, then
            (hidden,)) or ``"neuron"`` ((64, H, W) after each pooling, then (hidden,)).
        n: scaling factor, > 0.

    Raises:
        ConfigurationError: for a size below 1, an image below 16×16, a dropout outside [0, 1), an unknown
            scope or activation, or n ≤ 0.

    Example:
        >>> import torch
        >>> from laaf_lightning.activations import named_slopes
        >>> model = LeNet(image_size=16, scope="neuron")
        >>> model(torch.zeros(3, 1, 16, 16)).shape
        torch.Size([3, 10])
        >>> [tuple(slope.shape) for _, slope in named_slopes(model)]
        [(64, 6, 6), (64, 1, 1), (1014,)]
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        image_size: int = 28,
        *,
        hidden: int = 1014,
        dropout: float = 0.0,
        activation: Activation = "relu",
        scope: Scope = "layer",
        n: float = 1.0,
    ) -> None:
        super().__init__()
        check_sizes(
            {"num_classes": num_classes, "in_channels": in_channels, "image_size": image_size, "hidden": hidden}
        )
        if image_size < _SMALLEST_IMAGE:
            raise ConfigurationError(
                f"image_size={image_size} is too small for LeNet, whose second pooling would be empty: "
                f"give images of at least {_SMALLEST_IMAGE}x{_SMALLEST_IMAGE} (pad smaller ones)"
            )
        if not 0 <= dropout < 1:
            raise ConfigurationError(f"dropout={dropout!r} must be in [0, 1); 0 switches it off")
        first = _side_after(image_size)
        second = _side_after(first)
        self._sample_shape = (in_channels, image_size, image_size)
        sites = SiteFactory(activation, scope, n)
        self.convolution1 = nn.Conv2d(in_channels, _CHANNELS, _KERNEL)
        self.activation1 = sites.maps(_CHANNELS, first)
        self.convolution2 = nn.Conv2d(_CHANNELS, _CHANNELS, _KERNEL)
        self.activation2 = sites.maps(_CHANNELS, second)
        self.hidden = nn.Linear(_CHANNELS * second**2, hidden)
        self.activation3 = sites.features(hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, num_classes)
        self.pool = nn.MaxPool2d(2)

    @property
    def example_input(self) -> Tensor:
        """A batch of two images, always the same noise."""
        return example_for(self, 2, *self._sample_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images.

        Args:
            x: images, shape (batch, in_channels, image_size, image_size).

        Returns:
            Logits, shape (batch, num_classes).
        """
        x = self.activation1(self.pool(self.convolution1(x)))
        x = self.activation2(self.pool(self.convolution2(x)))
        x = self.dropout(self.activation3(self.hidden(x.flatten(1))))
        logits: Tensor = self.output(x)
        return logits


def _side_after(side: int) -> int:
    """Return the height and width after one convolution without padding and one pooling."""
    return (side - _KERNEL + 1) // 2
