"""Confusion matrix and wrongly classified images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from laaf_lightning.figures.canvas import Array, check_shape, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_COUNTED_CLASSES = 20


@dataclass(frozen=True)
class ClassificationData:
    """What a classifier got right and wrong.

    Attributes:
        counts: images of true class i that were taken for class j, (C, C).
        images: wrongly classified images in [0, 1], (M, channels, height, width).
        predicted: their predicted classes, (M,).
        true: their true classes, (M,).
        class_names: C names; numbers without.
    """

    counts: Array
    images: Array
    predicted: Array
    true: Array
    class_names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        check_shape("counts", self.counts, (len(self.counts), len(self.counts)))
        check_shape("images", self.images, (None, None, None, None))
        check_shape("predicted", self.predicted, (len(self.images),))
        check_shape("true", self.true, (len(self.images),))

    def figures(self) -> dict[str, Figure]:
        """Draw ``"confusion"`` and, where there are any, ``"mistakes"``.

        Returns:
            The figures by name.
        """
        drawn = {"confusion": self._confusion()}
        return {**drawn, "mistakes": self._mistakes()} if len(self.images) else drawn

    def _names(self) -> list[str]:
        return [str(i) for i in range(len(self.counts))] if self.class_names is None else list(self.class_names)

    def _confusion(self) -> Figure:
        figure = new_figure(6.4, 5.6)
        axes = figure.add_subplot(xlabel="predicted class", ylabel="true class")
        shares = self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        mesh = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
        figure.colorbar(mesh, ax=axes, label="share of the true class")
        if len(self.counts) <= _MAX_COUNTED_CLASSES:
            places = range(len(self.counts))
            axes.set_xticks(places, self._names(), rotation=45, ha="right")
            axes.set_yticks(places, self._names())
            for i, j in np.argwhere(self.counts > 0):
                colour = "white" if shares[i, j] > 0.5 else "black"
                axes.text(j, i, str(int(self.counts[i, j])), ha="center", va="center", color=colour, fontsize=8)
        return figure

    def _mistakes(self) -> Figure:
        columns = min(5, len(self.images))
        rows = -(-len(self.images) // columns)
        figure, names = new_figure(1.5 * columns, 1.7 * rows), self._names()
        for k, (image, true, predicted) in enumerate(zip(self.images, self.true, self.predicted, strict=True)):
            axes = figure.add_subplot(rows, columns, k + 1)
            axes.imshow(image.transpose(1, 2, 0).squeeze(), cmap="gray", vmin=0, vmax=1)
            axes.set_title(f"{names[true]} → {names[predicted]}", fontsize=7)
            axes.axis("off")
        return figure
