"""The base of all image DataModules: what they share is here, what a set is in its own file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

import torch

from laaf_lightning.data.images.augmentation import Augmentation
from laaf_lightning.data.images.formats import LabeledImages, check_images
from laaf_lightning.data.images.loader import ImageLoader, Normalization
from laaf_lightning.data.images.root import data_root
from laaf_lightning.data.images.splits import check_share, set_apart, subset
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.lightning_packages import LightningDataModule, NoValidation, no_validation

Split: TypeAlias = Literal["train", "test"]


class ImageDataModule(LightningDataModule, ABC):
    """A labeled image set that stays in memory as one uint8 tensor, on the accelerator if there is one.

    A batch is ``(images, labels)``: float32 in [0, 1], unless normalised, of shape (B, C, H, W), and int64 of shape
    (B,). The order of training images and their augmentation depend on ``seed`` and the epoch alone. Test images are
    used by test and predict only; during fit there is no validation unless ``val_split`` sets training images apart
    for it.

    A subclass states the facts ``num_classes``, ``in_channels``, ``image_size``, ``class_names`` and ``augmentation``,
    and has two methods, ``prepare`` and ``read``.

    Args:
        root: folder of the data sets; by default the environment variable LAAF_DATA_ROOT, else ``data``. It is
            looked up at set-up, and no saved configuration holds what was found.
        batch_size: images per batch and process.
        augment: whether training images are augmented as the paper's authors do for this set, a draw for every image
            and epoch.
        seed: of the order and augmentation of training images, the validation part and any random division of the set;
            at least 0.
        val_split: training images set apart for validation: a fraction below 1 (float) or a count (int); 0 is none.
        normalize: whether each channel is shifted and scaled to mean 0 and standard deviation 1: ``"auto"`` is the
            paper's rule (only augmented CIFAR-10); true takes the numbers of the set's ``normalization``, else those of
            the training images.
        verify: compare contents with the published checksums; false accepts other files of the same format.
        download: fetch files that are missing or damaged.
        num_workers: processes that gather batches ahead, on the CPU; 0 gathers in the main process, which for images in
            memory is as a rule the fastest.
        on_device: keep the images on the accelerator; false for sets that do not fit there. No effect with workers.
        train_size: use so many of the training images, drawn with the seed; None for all.
        test_size: the same of the test images.
        mirrors: addresses tried before the published ones, as URLs (``file://`` too) of folders that hold what is
            published.

    Raises:
        ConfigurationError: if a setting is out of its range.
    """

    num_classes: ClassVar[int]
    in_channels: ClassVar[int]
    image_size: ClassVar[int]
    class_names: ClassVar[tuple[str, ...]]
    augmentation: ClassVar[Augmentation]
    normalization: ClassVar[Normalization | None] = None
    normalized_if_augmented: ClassVar[bool] = False

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 64,
        augment: bool = False,
        seed: int = 0,
        val_split: int | float = 0,
        normalize: Literal["auto"] | bool = "auto",
        verify: bool = True,
        download: bool = True,
        num_workers: int = 0,
        on_device: bool = True,
        train_size: int | None = None,
        test_size: int | None = None,
        mirrors: Sequence[str] = (),
    ) -> None:
        super().__init__()
        for name, value, least in (("batch_size", batch_size, 1), ("seed", seed, 0), ("num_workers", num_workers, 0)):
            if value < least:
                raise ConfigurationError(f"{name} is {value}: it must be at least {least}")
        check_share(val_split)
        if normalize not in {"auto", True, False}:
            raise ConfigurationError(f"normalize is {normalize!r}: it must be auto, true or false")
        self.save_hyperparameters(ignore=["root", "mirrors"])
        self.root = root
        self.batch_size, self.num_workers, self.on_device = batch_size, num_workers, on_device
        self.augment, self.normalize, self.seed = augment, normalize, seed
        self.val_split, self.train_size, self.test_size = val_split, train_size, test_size
        self.verify, self.download, self.mirrors = verify, download, tuple(mirrors)
        self._train: LabeledImages | None = None
        self._val: LabeledImages | None = None
        self._test: LabeledImages | None = None
        self._normalization: Normalization | None = None

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
        measured = self._normalizes() and self.normalization is None
        if (measured or stage not in {"test", "predict"}) and self._train is None:
            data = subset(self._read_checked("train"), self.train_size, "train_size", self.seed)
            self._train, self._val = set_apart(data, self.val_split, self.seed)
        if stage not in {"fit", "validate"} and self._test is None:
            self._test = subset(self._read_checked("test"), self.test_size, "test_size", self.seed)
        if self._normalizes():
            self._normalization = self.normalization or _statistics(self._train)

    def train_dataloader(self) -> ImageLoader:
        """Return the training images, in a new order each epoch.

        With the Trainer's ``overfit_batches`` the order is fixed, so that every epoch has the same few batches.

        Returns:
            This process's part of them.
        """
        overfit = getattr(self.trainer, "overfit_batches", 0) > 0
        return self._loader(self._train, "fit", None if overfit else self.seed, augment=self.augment)

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

    def _normalizes(self) -> bool:
        return (self.augment and self.normalized_if_augmented) if self.normalize == "auto" else self.normalize

    def _read_checked(self, split: Split) -> LabeledImages:
        data = self.read(data_root(self.root), split)
        check_images(data, self.num_classes, self.in_channels, self.image_size)
        return data

    def _device(self) -> torch.device:
        """Return where the images are kept."""
        if self.num_workers or not self.on_device or self.trainer is None:
            return torch.device("cpu")
        device: torch.device = self.trainer.strategy.root_device
        return device

    def _loader(
        self, data: LabeledImages | None, stage: str, seed: int | None = None, augment: bool = False
    ) -> ImageLoader:
        if data is None:
            raise ConfigurationError(
                f"{type(self).__name__} has read no images for {stage!r} yet: call prepare_data() and "
                f"setup({stage!r}) first, as a Trainer does"
            )
        ranks = (self.trainer and self.trainer.distributed_sampler_kwargs) or {}
        return ImageLoader(
            data.to(self._device()),
            self.batch_size,
            seed=seed,
            epoch=self._epoch,
            rank=ranks.get("rank", 0),
            world_size=ranks.get("num_replicas", 1),
            num_workers=self.num_workers,
            augmentation=self.augmentation if augment else None,
            normalization=self._normalization,
        )

    def _epoch(self) -> int:
        return 0 if self.trainer is None else self.trainer.current_epoch


def _statistics(data: LabeledImages | None) -> Normalization:
    """Compute mean and population standard deviation of each channel, exactly, from counts of the 256 values."""
    assert data is not None
    channels = data.images.transpose(0, 1).flatten(1)
    counts = torch.stack([torch.bincount(channel, minlength=256) for channel in channels]).double()
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = counts @ values / counts.sum(dim=1)
    variance = counts @ values.square() / counts.sum(dim=1) - mean.square()
    return Normalization(tuple(mean.tolist()), tuple(variance.sqrt().tolist()))
