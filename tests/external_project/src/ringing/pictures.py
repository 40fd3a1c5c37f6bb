"""A classifier of small pictures with a network of its own."""

from __future__ import annotations

from torch import Tensor, nn

import laaf_lightning as laaf


class PictureClassifier(laaf.ImageClassifier):
    """Two layers on the pixels, and a loss that smooths the labels."""

    def build_network(self) -> nn.Module:
        """Return a network whose activations `adapt` gives slopes."""
        pixels = self.in_channels * self.image_size**2
        plain = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 12), nn.GELU(), nn.Linear(12, self.num_classes))
        return laaf.adapt(plain, scope=self.scope, n=self.n)

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the cross entropy with smooth labels."""
        images, labels = batch
        return nn.functional.cross_entropy(self(images), labels, label_smoothing=0.1)
