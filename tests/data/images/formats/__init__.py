import hashlib
import tracemalloc
from collections.abc import Callable

import pytest

from laaf_lightning.data.images.formats import Checksum, DamagedFileError


def md5_of(content: bytes) -> Checksum:
    return Checksum("md5", hashlib.md5(content).hexdigest())


def refused_within(megabytes: float, read: Callable[[], object]) -> str:
    """The sentence with which a file is refused, by a reader that took no more memory than that."""
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFileError) as caught:
            read()
        assert tracemalloc.get_traced_memory()[1] < megabytes * 2**20
    finally:
        tracemalloc.stop()
    return str(caught.value)
