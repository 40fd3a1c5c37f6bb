"""Readers of published data formats that refuse whatever is damaged."""

from laaf_lightning.data.images.formats.cifar import read_cifar as read_cifar
from laaf_lightning.data.images.formats.content import CHUNK_BYTES as CHUNK_BYTES
from laaf_lightning.data.images.formats.content import Content as Content
from laaf_lightning.data.images.formats.content import UnexpectedContentError as UnexpectedContentError
from laaf_lightning.data.images.formats.content import read_content as read_content
from laaf_lightning.data.images.formats.idx import read_idx as read_idx
from laaf_lightning.data.images.formats.integrity import FETCH_AGAIN as FETCH_AGAIN
from laaf_lightning.data.images.formats.integrity import Checksum as Checksum
from laaf_lightning.data.images.formats.integrity import DamagedFileError as DamagedFileError
from laaf_lightning.data.images.formats.integrity import UnreadableFileError as UnreadableFileError
from laaf_lightning.data.images.formats.integrity import file_md5 as file_md5
from laaf_lightning.data.images.formats.integrity import is_there as is_there
from laaf_lightning.data.images.formats.integrity import opened as opened
from laaf_lightning.data.images.formats.labeled_images import LabeledImages as LabeledImages
from laaf_lightning.data.images.formats.labeled_images import check_images as check_images
from laaf_lightning.data.images.formats.manifest import read_manifest as read_manifest
from laaf_lightning.data.images.formats.manifest import write_manifest as write_manifest
from laaf_lightning.data.images.formats.semeion import read_semeion as read_semeion
from laaf_lightning.data.images.formats.svhn import read_svhn as read_svhn
