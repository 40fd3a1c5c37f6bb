"""The image sets, each with its files and its augmentation."""

from laaf_lightning.data.images.sets.cifar import CIFAR10DataModule as CIFAR10DataModule
from laaf_lightning.data.images.sets.cifar import CIFAR100DataModule as CIFAR100DataModule
from laaf_lightning.data.images.sets.fashion_mnist import FashionMNISTDataModule as FashionMNISTDataModule
from laaf_lightning.data.images.sets.idx_files import IDXDataModule as IDXDataModule
from laaf_lightning.data.images.sets.kmnist import KMNISTDataModule as KMNISTDataModule
from laaf_lightning.data.images.sets.mnist import MNISTDataModule as MNISTDataModule
from laaf_lightning.data.images.sets.semeion import SemeionDataModule as SemeionDataModule
from laaf_lightning.data.images.sets.svhn import SVHNDataModule as SVHNDataModule
