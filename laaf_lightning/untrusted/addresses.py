"""Files at an address, fetched before they are looked at."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from laaf_lightning.errors import ConfigurationError


def is_address(path: object) -> bool:
    """Tell an address from the path of a file.

    Args:
        path: what was given for a file.

    Returns:
        Whether it names a protocol.

    Example:
        >>> is_address("https://example.org/last.ckpt"), is_address("memory://last.ckpt"), is_address("runs/last.ckpt")
        (True, True, False)
    """
    return isinstance(path, str) and "://" in path


def fetch(address: str, folder: Path, setting: str) -> Path:
    """Copy what lies at an address into a folder.

    Args:
        address: of any protocol that fsspec knows, such as ``https://``, ``s3://`` or ``file://``.
        folder: where to.
        setting: what asks for it, for the error.

    Returns:
        The file.

    Raises:
        ConfigurationError: if it cannot be read.
    """
    file = folder / "fetched.ckpt"
    try:
        with fsspec.open(address, "rb") as source, file.open("wb") as target:
            shutil.copyfileobj(source, target)
    except Exception as error:  # of as many kinds as there are protocols
        reason = " ".join(str(error).split()) or "no reason is told"
        raise ConfigurationError(
            f"{setting}={address!r} cannot be fetched ({type(error).__name__}: {reason}); download the file, and give "
            "its path"
        ) from error
    return file


@contextmanager
def fetched(path: Any, setting: str) -> Iterator[Any]:
    """Give the local file that stands for a path or an address, for a while.

    Args:
        path: a path, an address, or anything else.
        setting: what asks for it, for the error.

    Yields:
        For an address a temporary file; for all else `path`.
    """
    if not is_address(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        yield fetch(path, Path(folder), setting)
