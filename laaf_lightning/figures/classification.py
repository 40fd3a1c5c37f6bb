"""What a classifier got right and wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.figures.canvas import finite, new_figure
from laaf_lightning.figures.drawable import Array, check_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_COUNTED_CLASSES = 20
_SHORT_TITLE = 12


@dataclass(frozen=True, eq=False)
class ClassificationData:
    """The confusion matrix of a classifier, and images that it got wrong.

    Attributes:
        counts: images of true class i taken for class j at [i, j], shape (C, C).
        class_names: names of the classes; None numbers them from 0.
        images: wrongly classified images, uint8 or float, shape (M, channels, height, width), M >= 0; None for none.
            One whose values leave [0, 1], as normalised images do, is shown over its own range. Three channels are
            shown as red, green and blue, any other number by their mean.
        predicted: predicted class of each image, integers, shape (M,).
        true: true class of each image, integers, shape (M,).
        max_images: how many of the images are shown.

    Raises:
        ConfigurationError: for arrays or names whose shapes do not match, counts that are negative or not finite, or
            classes outside 0 … C − 1.

    Example:
        >>> list(ClassificationData(np.array([[5, 1], [0, 4]]), class_names=("cat", "dog")).figures())
        ['confusion']
    """

    counts: Array
    class_names: Sequence[str] | None = None
    images: Array | None = None
    predicted: Array | None = None
    true: Array | None = None
    max_images: int = 25

    def __post_init__(self) -> None:
        check_array("counts", self.counts, {"C": None, "C'": None})
        classes = len(self.counts)
        check_array("counts", self.counts, {"C": classes, "C'": classes})
        if not (np.isfinite(self.counts).all() and (self.counts >= 0).all()):
            low, high = self.counts.min(), self.counts.max()
            raise ConfigurationError(f"counts has values from {low} to {high}: expected finite ones >= 0")
        if self.class_names is not None and len(self.class_names) != classes:
            raise ConfigurationError(f"class_names has {len(self.class_names)} entries: expected C = {classes}")
        if self.max_images < 1:
            raise ConfigurationError(f"max_images={self.max_images} must be >= 1")
        if self.images is None:
            return
        images = len(self.images)
        check_array("images", self.images, {"M": images, "channels": None, "height": None, "width": None})
        for argument, labels in (("predicted", self.predicted), ("true", self.true)):
            check_array(argument, labels, {"M": images})
            _check_classes(argument, labels, classes)

    def figures(self) -> dict[str, Figure]:
        """Draw confusion matrix and mistakes.

        Returns:
            ``"confusion"`` (coloured by the share of the true class, with counts up to 20 classes) and, where
            `images` were given, ``"mistakes"`` (a grid of them, each under 'true → predicted').
        """
        figures = {"confusion": self._confusion()}
        if self.images is not None and self.predicted is not None and self.true is not None:
            figures["mistakes"] = self._mistakes(self.images, self.predicted, self.true)
        return figures

    @property
    def _names(self) -> list[str]:
        return [str(k) for k in range(len(self.counts))] if self.class_names is None else list(self.class_names)

    def _confusion(self) -> Figure:
        from matplotlib.colors import PowerNorm  # noqa: PLC0415  # a slow import that only drawing needs

        classes = len(self.counts)
        side = min(max(4.5, 0.52 * classes), 8.0)
        figure, (axes,) = new_figure(panel=(side + 0.9, side))
        totals = self.counts.sum(axis=1, keepdims=True)
        shares = self.counts / np.maximum(totals, 1)
        image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1))
        if classes <= _MAX_COUNTED_CLASSES:
            self._write_counts(axes, shares)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02, label="share of the true class")
        bar.set_ticks([0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1])
        return figure

    def _write_counts(self, axes: Axes, shares: Array) -> None:
        """Write counts into the cells and names beside them."""
        names = self._names
        turn = 45 if max(map(len, names)) > 2 else 0
        places = range(len(names))
        axes.set_xticks(places, names, rotation=turn, ha="right" if turn else "center", rotation_mode="anchor")
        axes.set_yticks(places, names)
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            label.set_parse_math(False)
        size = 9 if len(names) <= 10 else 7
        for (i, j), count in np.ndenumerate(self.counts):
            colour = "0.75" if count == 0 else "white" if shares[i, j] > 0.3 else "black"
            axes.text(j, i, f"{count:.10g}", ha="center", va="center", color=colour, fontsize=size)

    def _mistakes(self, images: Array, predicted: Array, true: Array) -> Figure:
        shown = min(len(images), self.max_images)
        if shown == 0:
            figure, (axes,) = new_figure(panel=(4.0, 1.5))
            axes.set_axis_off()
            axes.text(0.5, 0.5, "no wrongly classified images", ha="center", va="center")
            return figure
        columns = math.ceil(math.sqrt(shown))
        names = self._names
        figure, panels = new_figure(math.ceil(shown / columns), columns, panel=(1.45, 1.75))
        for axes, image, wrong, right in zip(panels, images[:shown], predicted, true, strict=False):
            axes.imshow(_as_pixels(image), cmap="gray", vmin=0, vmax=1)
            arrow = " → " if len(names[right]) + len(names[wrong]) <= _SHORT_TITLE else "\n→ "
            axes.set_title(f"{names[right]}{arrow}{names[wrong]}", fontsize=9, parse_math=False)
        for axes in panels:
            axes.set_axis_off()
        figure.supxlabel("true class → predicted class", fontsize="medium")
        return figure


def _as_pixels(image: Array) -> Array:
    """Turn (channels, height, width) into what ``imshow`` draws, within [0, 1]; what is not finite is zero."""
    pixels = np.nan_to_num(finite(image)) / (255 if image.dtype == np.uint8 else 1)
    low, high = pixels.min(), pixels.max()
    if low < 0 or high > 1:
        pixels = (pixels - low) / (high - low or 1)
    coloured: Array = np.moveaxis(pixels, 0, -1) if len(pixels) == 3 else pixels.mean(axis=0)
    return coloured


def _check_classes(argument: str, labels: Array | None, classes: int) -> None:
    if labels is None or labels.size == 0:
        return
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
        raise ConfigurationError(
            f"{argument} has {labels.dtype} values from {labels.min()} to {labels.max()}: expected integers from 0 to "
            f"{classes - 1}"
        )
