"""Image sets: loaders, augmentation, checked files, and the seven sets."""

from laaf_lightning.data.images.augmentation import Augmentation as Augmentation
from laaf_lightning.data.images.base import ImageDataModule as ImageDataModule
from laaf_lightning.data.images.loader import ImageLoader as ImageLoader
from laaf_lightning.data.images.loader import Normalization as Normalization
from laaf_lightning.data.images.published import PublishedImageDataModule as PublishedImageDataModule
