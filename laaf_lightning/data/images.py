"""The base of all image DataModules: what they share is here, what a set is in its own file."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

import torch

from laaf_lightning.data.formats import LabeledImages, check_images
from laaf_lightning.data.loader import VALIDATION_PART, ImageLoader, seeded_generator
from laaf_lightning.data.namespaces import LightningDataModule, NoValidation, no_validation
from laaf_lightning.data.root import data_root
from laaf_lightning.errors import ConfigurationError

Split: TypeAlias = Literal["train", "test"]


class ImageDataModule(LightningDataModule, ABC):
    """A labeled image set that stays in memory as one uint8 tensor.

    A batch is ``(images, labels)``: float32 in [0, 1] of shape (B, C, H, W), and int64 of shape (B,). The order of
    training images depends on ``seed`` and the epoch alone. Test images are used by test and predict only; during
    fit there is no validation unless ``val_split`` sets training images apart for it.

    A subclass states four facts, ``num_classes``, ``in_channels``, ``image_size`` and ``class_names``, and has two
    methods, ``prepare`` and ``read``.

    Args:
        root: folder of the data sets; by default the environment variable LAAF_DATA_ROOT, else ``data``. It is
            looked up at set-up, and no saved configuration holds what was found.
        batch_size: images per batch and process.
        seed: of the order of training images, the validation part and any random division of the set; at least 0.
        val_split: training images set apart for validation: a fraction below 1 (float) or a count (int); 0 is none.
        verify: compare contents with the published checksums; false accepts other files of the same format.
        download: fetch files that are missing.
        num_workers: processes that gather batches ahead; 0 gathers in the main process, which for images in memory
            is as a rule the fastest.

    Raises:
        ConfigurationError: if a setting is out of its range.
    """

    num_classes: ClassVar[int]
    in_channels: ClassVar[int]
    image_size: ClassVar[int]
    class_names: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 64,
        seed: int = 0,
        val_split: int | float = 0,
        verify: bool = True,
        download: bool = True,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        for name, value, least in (("batch_size", batch_size, 1), ("seed", seed, 0), ("num_workers", num_workers, 0)):
            if value < least:
                raise ConfigurationError(f"{name} is {value}: it must be at least {least}")
        if not 0 <= val_split < (1 if isinstance(val_split, float) else math.inf):
            raise ConfigurationError(
                f"val_split is {val_split}: give a fraction from 0 to below 1 (0.1) or a count of images (1000)"
            )
        self.save_hyperparameters(ignore=["root", "mirrors"])
        self.root = root
        self.batch_size = batch_size
        self.seed = seed
        self.val_split = val_split
        self.verify = verify
        self.download = download
        self.num_workers = num_workers
        self._train: LabeledImages | None = None
        self._val: LabeledImages | None = None
        self._test: LabeledImages | None = None

    @abstractmethod
    def prepare(self, root: Path) -> None:
        """Make sure that the files are there: one process of each node calls this.

        Args:
            root: folder of the data sets, which need not exist.
        """

    @abstractmethod
    def read(self, root: Path, split: Split) -> LabeledImages:
        """Read the training or the test images; every process calls this.

        Args:
            root: folder of the data sets.
            split: which of the two.

        Returns:
            The images, verified if ``verify`` says so. The base checks counts, shapes and the range of labels.
        """

    def prepare_data(self) -> None:
        """Make sure that the files are there."""
        self.prepare(data_root(self.root))

    def setup(self, stage: str | None = None) -> None:
        """Read the images that a stage needs; what has been read stays.

        Args:
            stage: ``"fit"``, ``"validate"``, ``"test"`` or ``"predict"``; ``None`` reads all.

        Raises:
            ConfigurationError: for ``"validate"`` without a validation part.
        """
        if stage == "validate" and not self.val_split:
            raise ConfigurationError(
                f"{type(self).__name__} has nothing to validate on, since val_split is {self.val_split}: set val_split "
                "to a fraction (0.1) or a count (1000) of the training images, or use test for the test images"
            )
        if stage not in {"test", "predict"} and self._train is None:
            self._train, self._val = self._set_apart(self._read_checked("train"))
        if stage not in {"fit", "validate"} and self._test is None:
            self._test = self._read_checked("test")

    def train_dataloader(self) -> ImageLoader:
        """Return the training images, in a new order each epoch.

        With the Trainer's ``overfit_batches`` the order is fixed, so that every epoch has the same few batches.

        Returns:
            This process's part of them.
        """
        overfit = getattr(self.trainer, "overfit_batches", 0) > 0
        return self._loader(self._train, "fit", seed=None if overfit else self.seed)

    def val_dataloader(self) -> ImageLoader | NoValidation:
        """Return the part of the training images that ``val_split`` sets apart.

        Returns:
            This process's part of them; an empty list, which means no validation, if ``val_split`` is 0.
        """
        return self._loader(self._val, "fit") if self.val_split else no_validation()

    def test_dataloader(self) -> ImageLoader:
        """Return the test images.

        Returns:
            This process's part of them, in the set's order.
        """
        return self._loader(self._test, "test")

    def predict_dataloader(self) -> ImageLoader:
        """Return the test images.

        Returns:
            This process's part of them, in the set's order.
        """
        return self._loader(self._test, "predict")

    def _read_checked(self, split: Split) -> LabeledImages:
        data = self.read(data_root(self.root), split)
        check_images(data, self.num_classes, self.in_channels, self.image_size)
        return data

    def _set_apart(self, data: LabeledImages) -> tuple[LabeledImages, LabeledImages | None]:
        if not self.val_split:
            return data, None
        share = self.val_split
        count = round(share * len(data)) if isinstance(share, float) else share
        if not 0 < count < len(data):
            raise ConfigurationError(
                f"val_split is {share}, which sets {count} of {len(data)} training images apart: choose it so that "
                "at least one image is left on either side"
            )
        order = torch.randperm(len(data), generator=seeded_generator(self.seed, VALIDATION_PART))
        return data[order[count:].sort().values], data[order[:count].sort().values]

    def _loader(self, data: LabeledImages | None, stage: str, seed: int | None = None) -> ImageLoader:
        if data is None:
            raise ConfigurationError(
                f"{type(self).__name__} has read no images for {stage!r} yet: call prepare_data() and "
                f"setup({stage!r}) first, as a Trainer does"
            )
        ranks = (self.trainer and self.trainer.distributed_sampler_kwargs) or {}
        return ImageLoader(
            data,
            self.batch_size,
            seed=seed,
            epoch=self._epoch,
            rank=ranks.get("rank", 0),
            world_size=ranks.get("num_replicas", 1),
            num_workers=self.num_workers,
        )

    def _epoch(self) -> int:
        return 0 if self.trainer is None else self.trainer.current_epoch
