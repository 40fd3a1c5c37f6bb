"""LightningDataModules: image sets, function samples and collocation points."""

from laaf_lightning.data.images.augmentation import Augmentation as Augmentation
from laaf_lightning.data.images.base import ImageDataModule as ImageDataModule
from laaf_lightning.data.images.formats import DamagedFileError as DamagedFileError
from laaf_lightning.data.images.formats import LabeledImages as LabeledImages
from laaf_lightning.data.images.loader import ImageLoader as ImageLoader
from laaf_lightning.data.images.loader import Normalization as Normalization
from laaf_lightning.data.images.published import PublishedImageDataModule as PublishedImageDataModule
from laaf_lightning.data.images.sets.cifar import CIFAR10DataModule as CIFAR10DataModule
from laaf_lightning.data.images.sets.cifar import CIFAR100DataModule as CIFAR100DataModule
from laaf_lightning.data.images.sets.fashion_mnist import FashionMNISTDataModule as FashionMNISTDataModule
from laaf_lightning.data.images.sets.idx_files import IDXDataModule as IDXDataModule
from laaf_lightning.data.images.sets.kmnist import KMNISTDataModule as KMNISTDataModule
from laaf_lightning.data.images.sets.mnist import MNISTDataModule as MNISTDataModule
from laaf_lightning.data.images.sets.semeion import SemeionDataModule as SemeionDataModule
from laaf_lightning.data.images.sets.svhn import SVHNDataModule as SVHNDataModule
from laaf_lightning.data.points.collocation import BurgersDataModule as BurgersDataModule
from laaf_lightning.data.points.collocation import CollocationDataModule as CollocationDataModule
from laaf_lightning.data.points.discontinuous import DiscontinuousFunctionDataModule as DiscontinuousFunctionDataModule
from laaf_lightning.lightning_packages import LightningDataModule as LightningDataModule
from laaf_lightning.problems import CollocationBatch as CollocationBatch
