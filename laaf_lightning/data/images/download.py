"""Fetching and writing a file so that it is either there and whole or not there."""

from __future__ import annotations

import contextlib
import http.client
import os
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from laaf_lightning.data.images.formats import DamagedFileError, UnreadableFileError, is_there, opened
from laaf_lightning.errors import ConfigurationError

_CHUNK_BYTES = 1 << 18
_TIMEOUT_SECONDS = 30.0
_MOST_BYTES = 1 << 31  # of what does not say how long it is; the longest published file has 0.2 GB


def download(file: Path, urls: Sequence[str], check: Callable[[Path], object], way_out: str) -> None:
    """Fetch a file unless it is there, from the first address that delivers it whole.

    The bytes go to a temporary name in the same folder, are checked there, forced to disk and renamed, so that the
    final name never holds part of a file; what a killed run leaves behind, the next run does not take for the file.

    Args:
        file: where the file shall be; its folder is made.
        urls: addresses to try in order; ``http``, ``https`` and ``file`` all work.
        check: given the temporary file; raises ``DamagedFileError`` if its content is wrong.
        way_out: what else the user can do, the end of the sentence when no address delivers.

    Raises:
        ConfigurationError: if the folder cannot be written to or no address delivers the file.
    """
    if is_there(file):
        return
    failures = []
    missing = [folder for folder in file.parents if not is_there(folder)]
    for url in urls:
        temporary = _temporary_file(file)
        try:
            _fetch(url, temporary)
            check(temporary)
        except UnreadableFileError as error:
            failures.append(f"{url}: {error.problem}")
        except DamagedFileError as error:
            failures.append(f"{url}: what came is damaged, {error.problem}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            failures.append(f"{url}: {error}")
        else:
            temporary.replace(file)
            return
        finally:
            temporary.unlink(missing_ok=True)
    for folder in missing:
        with contextlib.suppress(OSError):  # another process may have its part there
            folder.rmdir()
    reasons = "; ".join(failures) or "no address is known"
    raise ConfigurationError(f"{file} is missing and could not be downloaded ({reasons}): {way_out}")


def write_whole(file: Path, content: Iterable[bytes | bytearray], check: Callable[[Path], object]) -> None:
    """Write a file so that its name never holds part of it.

    Args:
        file: where it shall be; its folder is made.
        content: what it shall hold, in pieces.
        check: given the temporary file; raises ``DamagedFileError`` if the content is wrong, and nothing is kept.

    Raises:
        ConfigurationError: if it cannot be written.
    """
    temporary = _temporary_file(file)
    try:
        with temporary.open("wb") as out:
            for piece in content:
                out.write(piece)
            _force(out)
        check(temporary)
        temporary.replace(file)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written ({error.strerror or error}): make room there") from error
    finally:
        temporary.unlink(missing_ok=True)


def _temporary_file(file: Path) -> Path:
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise ConfigurationError(
            f"{file} is missing and cannot be written ({error}): set root or the environment variable LAAF_DATA_ROOT "
            "to a folder that holds the data or can be written to"
        ) from error
    return temporary


def _fetch(url: str, target: Path) -> None:
    with _delivered(url) as (delivered, total), target.open("wb") as out:
        most = _MOST_BYTES if total is None else total
        with tqdm(total=total, unit="B", unit_scale=True, desc=url.rsplit("/", 1)[-1], leave=False) as bar:
            while chunk := delivered.read(_CHUNK_BYTES):
                bar.update(out.write(chunk))
                if bar.n > most:
                    raise OSError(f"it delivers more than {most} bytes")
            if total is not None and bar.n != total:
                raise OSError(f"the connection ended after {bar.n} of {total} bytes")
        _force(out)


@contextlib.contextmanager
def _delivered(url: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """Open an address; its length is given if it is known."""
    address = urllib.parse.urlsplit(url)
    if address.scheme == "file" and not address.netloc:
        with opened(Path(urllib.request.url2pathname(address.path))) as stream:
            yield stream, os.fstat(stream.fileno()).st_size
    else:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:  # nosec B310  # addresses are the published ones
            announced = response.headers.get("Content-Length")
            yield response, int(announced) if announced else None


def _force(out: BinaryIO) -> None:
    """Force what was written to the disk."""
    out.flush()
    os.fsync(out.fileno())
