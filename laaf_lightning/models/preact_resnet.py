"""The pre-activation ResNet-18 of the experiments on small colour images."""

from __future__ import annotations

from torch import Tensor, nn

from laaf_lightning.activations import Activation, Scope
from laaf_lightning.models.sites import SiteFactory, check_sizes, example_for

_STAGES = (64, 128, 256, 512)
_BLOCKS = 2


class PreActBlock(nn.Module):
    r"""Residual block whose batch norms and activations come before its 3×3 convolutions.

    .. math:: p = \sigma(n a_1\,\mathrm{BN}(x)), \qquad
        y = \mathrm{conv}(\sigma(n a_2\,\mathrm{BN}(\mathrm{conv}(p)))) + \mathrm{shortcut}

    The shortcut is x where the shapes agree, else a 1×1 convolution of the pre-activated p. Maps
    (batch, in_channels, S, S) to (batch, out_channels, ⌈S/stride⌉, ⌈S/stride⌉).

    Args:
        in_channels: channels of x.
        out_channels: channels of y.
        side: height and width S of x.
        stride: stride of the first convolution and of the shortcut.
        sites: makes the two activations.
    """

    def __init__(self, in_channels: int, out_channels: int, side: int, stride: int, sites: SiteFactory) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.activation1 = sites.maps(in_channels, side)
        self.convolution1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.activation2 = sites.maps(out_channels, -(-side // stride))
        self.convolution2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        changes_shape = stride != 1 or in_channels != out_channels
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False) if changes_shape else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block.

        Args:
            x: feature maps, shape (batch, in_channels, S, S).

        Returns:
            Feature maps, shape (batch, out_channels, ⌈S/stride⌉, ⌈S/stride⌉).
        """
        preactivated = self.activation1(self.norm1(x))
        shortcut: Tensor = x if self.shortcut is None else self.shortcut(preactivated)
        hidden = self.activation2(self.norm2(self.convolution1(preactivated)))
        output: Tensor = self.convolution2(hidden) + shortcut
        return output


class PreActResNet18(nn.Module):
    r"""Pre-activation ResNet-18 for small images, with a slope at each of its 17 activations.

    A 3×3 stem of stride 1, four stages of 64, 128, 256 and 512 channels with two pre-activation blocks each
    (the last three halve height and width), BN – σ, global average pool, one linear layer. Weights start as
    torch's convolutions and linear layers do.

    Source: He, Zhang, Ren & Sun, *Identity mappings in deep residual networks*, ECCV 2016 (arXiv 1603.05027);
    the adaptive activation σ(n·a·BN(x)) from Jagtap, Kawaguchi & Karniadakis, Proc. R. Soc. A 476:20200334
    (2020), section 4 (the experiments on CIFAR-10, CIFAR-100 and SVHN).

    Args:
        num_classes: number of outputs.
        in_channels: channels of the images.
        image_size: height and width S of the images; only neuron-wise slopes depend on it.
        activation: the elementwise σ: a name, a callable or an ``nn.Module``.
        scope: ``"fixed"``, ``"global"``, ``"layer"``, ``"channel"`` (slopes of shape (C, 1, 1)) or
            ``"neuron"`` ((C, H, W)).
        n: scaling factor, > 0.
        final_activation: whether BN – σ stands before the average pool, as in He et al.; False leaves both
            out, with 16 sites, as in the paper's code.

    Raises:
        ConfigurationError: for a size below 1, an unknown scope or activation, or n ≤ 0.

    Example:
        >>> import torch
        >>> from laaf_lightning.activations import named_slopes
        >>> model = PreActResNet18(image_size=8, scope="channel", n=2)
        >>> model(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 10])
        >>> slopes = dict(named_slopes(model))
        >>> len(slopes), list(slopes)[0], tuple(slopes["final_activation"].shape)
        (17, 'stages.0.0.activation1', (512, 1, 1))
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        image_size: int = 32,
        *,
        activation: Activation = "relu",
        scope: Scope = "layer",
        n: float = 1.0,
        final_activation: bool = True,
    ) -> None:
        super().__init__()
        check_sizes({"num_classes": num_classes, "in_channels": in_channels, "image_size": image_size})
        self._sample_shape = (in_channels, image_size, image_size)
        sites = SiteFactory(activation, scope, n)
        self.stem = nn.Conv2d(in_channels, _STAGES[0], 3, padding=1, bias=False)
        self.stages = nn.Sequential()
        channels, side = _STAGES[0], image_size
        for out_channels in _STAGES:
            stage = nn.Sequential()
            for block in range(_BLOCKS):
                stride = 2 if block == 0 and out_channels != _STAGES[0] else 1
                stage.append(PreActBlock(channels, out_channels, side, stride, sites))
                channels, side = out_channels, -(-side // stride)
            self.stages.append(stage)
        self.final_norm = nn.BatchNorm2d(channels) if final_activation else nn.Identity()
        self.final_activation = sites.maps(channels, side) if final_activation else nn.Identity()
        self.output = nn.Linear(channels, num_classes)

    @property
    def example_input(self) -> Tensor:
        """A batch of two images, always the same noise."""
        return example_for(self, 2, *self._sample_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images.

        Args:
            x: images, shape (batch, in_channels, S, S).

        Returns:
            Logits, shape (batch, num_classes).
        """
        x = self.final_activation(self.final_norm(self.stages(self.stem(x))))
        logits: Tensor = self.output(x.mean(dim=(2, 3)))
        return logits
