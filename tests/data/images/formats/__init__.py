import hashlib

from laaf_lightning.data.images.formats import Checksum


def md5_of(content: bytes) -> Checksum:
    return Checksum("md5", hashlib.md5(content).hexdigest())
