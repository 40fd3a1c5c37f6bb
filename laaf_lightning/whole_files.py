"""Writing a file so that its name never holds a part of it, whatever ends the program or fills the disk."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from laaf_lightning.errors import ConfigurationError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_ENDING = "unfinished"
_LEFT_BEHIND = re.compile(rf"\..*\.[0-9a-f]{{32}}\.{_ENDING}")
_LONGEST_NAME = 150  # bytes of a temporary name that are the file's
_FOLDER_CANNOT_BE_FORCED = {errno.EINVAL, errno.EACCES, errno.EPERM, errno.EBADF, errno.ENOTSUP, errno.EISDIR}


class NotWrittenError(ConfigurationError):
    """A file that could not be written; what stood under its name before is untouched.

    Its cause is the operating system's error.
    """


def write_whole(file: str | Path, write: Callable[[BinaryIO], object], what: str = "", *, replace: bool = True) -> None:
    """Write a file so that it is whole or absent at every moment.

    The bytes go to a hidden name in the same folder, which is made where it is missing; they are forced to disk, the
    file is renamed, and the folder forced to disk. A program that is killed meanwhile leaves the hidden file, which the
    next one that writes in the folder removes.

    Args:
        file: where it shall be.
        write: is given a binary stream that can be written, sought and told, but not read.
        what: what it is, for the error, for example ``"checkpoint"``; empty where its name says so.
        replace: whether a file of that name may be replaced.

    Raises:
        NotWrittenError: if the operating system refuses, or a device is there; the text names file, reason, the bytes
            that the file needs and those that are free.
        FileExistsError: if a file of that name is there and is not to be replaced.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "numbers" / "squares.txt"
        >>> write_whole(target, lambda stream: stream.write(b"1 4 9"))
        >>> target.read_text(), [file.name for file in target.parent.iterdir()]
        ('1 4 9', ['squares.txt'])
    """
    file = Path(file)
    stream = _Measured()
    try:
        _make_folder(file.parent)
        _remove_left_behind(file.parent)
        if file.exists() and not (replace and (file.is_file() or file.is_dir())):
            raise FileExistsError(errno.EEXIST, "a device or a pipe is there", str(file))
        with _temporary(file) as (temporary, opened):
            stream.target = opened
            write(stream)  # type: ignore[arg-type]  # all of a BinaryIO that a writer needs
            stream.force()
            if fcntl is None:
                opened.close()
            _give_name(temporary, file, replace=replace)
        _force_folder(file.parent)
    except OSError as error:
        if not replace and isinstance(error, FileExistsError) and error.filename == str(file):
            raise FileExistsError(*_is_there(file)) from error
        raise NotWrittenError(_reason(file, what, error, stream.needed(write))) from error


def write_whole_text(file: str | Path, text: str, what: str = "", *, replace: bool = True) -> None:
    """Write text in UTF-8 as `write_whole` writes bytes.

    Args:
        file: where it shall be.
        text: what it shall hold.
        what: what it is, for the error.
        replace: whether a file of that name may be replaced.
    """
    write_whole(file, lambda stream: stream.write(text.encode()), what, replace=replace)


class _Measured(io.RawIOBase):
    """A stream that goes on counting when the disk is full, so that the error can tell how much is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.target: BinaryIO | None = None
        self.error: OSError | None = None
        self.size = 0
        self._position = 0

    def write(self, data: Any, /) -> int:
        count = memoryview(data).nbytes
        if self.error is None and self.target is not None:
            with self._noting():
                self.target.write(data)
        self._position += count
        self.size = max(self.size, self._position)
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = start + offset
        if self.error is None and self.target is not None:
            with self._noting():
                self.target.seek(self._position)
        return self._position

    def tell(self) -> int:
        return self._position

    def seekable(self) -> bool:
        return True

    def force(self) -> None:
        """Force all to disk; raise what has gone wrong since the first byte."""
        assert self.target is not None
        if self.error is not None:
            raise self.error
        self.target.flush()
        os.fsync(self.target.fileno())

    def needed(self, write: Callable[[BinaryIO], object]) -> int:
        """Return how many bytes there are; written to nowhere, if there was no file to write them to."""
        if self.target is None:
            with contextlib.suppress(Exception):
                write(self)  # type: ignore[arg-type]  # as above
        return self.size

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = error


@contextlib.contextmanager
def _temporary(file: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a file beside another, locked as long as it is open; remove it unless it has been renamed."""
    begin = os.fsencode(file.name)[:_LONGEST_NAME].decode(errors="ignore")
    while True:
        temporary = file.with_name(f".{begin}.{uuid.uuid4().hex}.{_ENDING}")
        opened = temporary.open("xb")
        if _locked(opened, wait=True) is False or temporary.exists():
            break
        opened.close()  # another process took it for left behind before the lock was there
    try:
        yield temporary, opened
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what is in its buffer finds no room either
            opened.close()


def _locked(opened: BinaryIO, *, wait: bool) -> bool:
    """Lock a file; return whether that worked."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # held by another process, or a file system without locks
        return False
    return True


def _remove_left_behind(folder: Path) -> None:
    """Remove what killed programs have left in a folder: files of such a name that nobody holds open."""
    with contextlib.suppress(OSError):
        for file in [each for each in folder.iterdir() if _LEFT_BEHIND.fullmatch(each.name)]:
            with contextlib.suppress(OSError), file.open("rb") as left:
                if _locked(left, wait=False):
                    file.unlink(missing_ok=True)


def _give_name(temporary: Path, file: Path, *, replace: bool) -> None:
    if replace:
        os.replace(temporary, file)  # noqa: PTH105  # with the name in the error
        return
    try:
        os.link(temporary, file)  # unlike a renaming, it refuses a name that is taken
    except FileExistsError as error:
        raise FileExistsError(*_is_there(file)) from error
    except OSError:  # a file system without links
        if file.exists():
            raise FileExistsError(*_is_there(file)) from None
        os.replace(temporary, file)  # noqa: PTH105  # as above


def _is_there(file: Path) -> tuple[int, str, str]:
    return errno.EEXIST, os.strerror(errno.EEXIST), str(file)


def _make_folder(folder: Path) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
    for made in missing:
        _force_folder(made.parent)


def _force_folder(folder: Path) -> None:
    """Force a folder's names to disk, where the system can."""
    if fcntl is None:
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # a folder that can be written, but not read
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _FOLDER_CANNOT_BE_FORCED:
            raise
    finally:
        os.close(descriptor)


def _reason(file: Path, what: str, error: OSError, size: int) -> str:
    reason = error.strerror or str(error)
    free = _free(file.parent)
    room = [f"it needs {size:,} bytes"] * bool(size) + ([] if free is None else [f"{free:,} bytes are free there"])
    amount = f" ({', and '.join(room)})" if room else ""
    kept = "; what stood under this name before is kept" if os.path.isfile(file) else ""  # noqa: PTH113  # no errors
    name = f"the {what} {str(file)!r}" if what else repr(str(file))
    return f"cannot write {name}: {reason}{amount}{kept}; make room or give permission there, or choose another folder"


def _free(folder: Path) -> int | None:
    for place in (folder, *folder.absolute().parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(place).free
    return None
