"""LightningDataModules: image sets, function samples and collocation points."""

from laaf_lightning.data.augmentation import Augmentation as Augmentation
from laaf_lightning.data.cifar import CIFAR10DataModule as CIFAR10DataModule
from laaf_lightning.data.cifar import CIFAR100DataModule as CIFAR100DataModule
from laaf_lightning.data.collocation import BurgersDataModule as BurgersDataModule
from laaf_lightning.data.collocation import CollocationDataModule as CollocationDataModule
from laaf_lightning.data.fashion_mnist import FashionMNISTDataModule as FashionMNISTDataModule
from laaf_lightning.data.formats import DamagedFileError as DamagedFileError
from laaf_lightning.data.formats import LabeledImages as LabeledImages
from laaf_lightning.data.functions import DiscontinuousFunctionDataModule as DiscontinuousFunctionDataModule
from laaf_lightning.data.idx import IDXDataModule as IDXDataModule
from laaf_lightning.data.images import ImageDataModule as ImageDataModule
from laaf_lightning.data.kmnist import KMNISTDataModule as KMNISTDataModule
from laaf_lightning.data.loader import ImageLoader as ImageLoader
from laaf_lightning.data.loader import Normalization as Normalization
from laaf_lightning.data.mnist import MNISTDataModule as MNISTDataModule
from laaf_lightning.data.namespaces import LightningDataModule as LightningDataModule
from laaf_lightning.data.point_batches import CollocationBatch as CollocationBatch
from laaf_lightning.data.published import PublishedImageDataModule as PublishedImageDataModule
from laaf_lightning.data.semeion import SemeionDataModule as SemeionDataModule
from laaf_lightning.data.svhn import SVHNDataModule as SVHNDataModule
