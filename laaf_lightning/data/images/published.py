"""Image sets that are published as files: looked for, checked, and fetched where they are missing or damaged."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pytorch_lightning.utilities import rank_zero_info

from laaf_lightning.data.images.base import ImageDataModule
from laaf_lightning.data.images.formats import Checksum, DamagedFileError, UnreadableFileError, is_there
from laaf_lightning.data.images.root import ROOT_VARIABLE
from laaf_lightning.errors import ConfigurationError


class PublishedImageDataModule(ImageDataModule):
    """A set whose files lie in ``<root>/<folder>``, where torchvision has them too.

    A subclass states the facts of ``ImageDataModule``, ``folder``, ``files``, ``addresses`` (of folders that hold what
    is fetched) and ``md5`` (of the uncompressed contents, by file name), and has ``check``, ``fetch`` and ``read``.

    The settings are those of ``ImageDataModule``.
    """

    folder: ClassVar[str]
    files: ClassVar[tuple[str, ...]]
    addresses: ClassVar[tuple[str, ...]]
    md5: ClassVar[Mapping[str, str]] = {}

    @cached_property
    def _checked(self) -> dict[Path, Any]:
        """What this process has read and checked, and not yet used."""
        return {}

    def find(self, folder: Path, name: str) -> Path | None:
        """Look for a file of the set.

        Args:
            folder: the set's folder.
            name: one of ``files``.

        Returns:
            Its path, or None if it is not there.
        """
        file = folder / name
        return file if is_there(file) else None

    @abstractmethod
    def check(self, file: Path, name: str) -> object:
        """Read a file and check all that can be checked about it alone.

        Args:
            file: where it is.
            name: which one of ``files`` it is.

        Returns:
            What was read; damage is a ``DamagedFileError``.
        """

    def content(self, file: Path, name: str) -> Any:
        """Return what `check` returns, without reading a file again that this process has just prepared.

        Args:
            file: where it is.
            name: which one of ``files`` it is.

        Returns:
            What was read.
        """
        return self._checked.pop(file) if file in self._checked else self.check(file, name)

    @abstractmethod
    def fetch(self, folder: Path, name: str) -> None:
        """Download a file of the set, checked before it gets its name.

        Args:
            folder: the set's folder, which need not exist.
            name: one of ``files``.
        """

    def checksum(self, file: Path, name: str) -> Checksum | None:
        """Return the checksum that a file's content must have.

        Args:
            file: where it is.
            name: which one of ``files`` it is.

        Returns:
            The published one; None if there is none, or ``verify`` is false.
        """
        return Checksum("md5", self.md5[name]) if self.verify and name in self.md5 else None

    def prepare(self, root: Path) -> None:
        """Fetch the files that are missing or damaged; a damaged one is kept beside the new one, as ``.damaged``.

        Args:
            root: folder of the data sets.

        Raises:
            ConfigurationError: if a file is missing and cannot be fetched.
            DamagedFileError: if one is damaged and ``download`` is false.
        """
        folder = root / self.folder
        for name in self.files:
            file = self.find(folder, name)
            if file is not None:
                try:
                    self._checked[file] = self.check(file, name)
                except DamagedFileError as damage:
                    # What may not be read, and damage of another file (the manifest), is not mended by fetching this.
                    if not self.download or damage.file != file or isinstance(damage, UnreadableFileError):
                        raise
                    rank_zero_info(f"{damage.file} is damaged: {damage.problem}; fetching it again")
                    self._set_aside(file)
                else:
                    continue
            if self.download:
                self.fetch(folder, name)
            self.existing(folder, name)

    def existing(self, folder: Path, name: str) -> Path:
        """Find a file that must be there.

        Args:
            folder: the set's folder.
            name: one of ``files``.

        Returns:
            Its path.

        Raises:
            ConfigurationError: if it is missing.
        """
        file = self.find(folder, name)
        if file is None:
            fetch = "" if self.download else ", or set download to true"
            raise ConfigurationError(f"{folder / name} is missing: {self.way_out(folder, name)}{fetch}")
        return file

    def way_out(self, folder: Path, name: str) -> str:
        """Say what a user can do about a missing file.

        Args:
            folder: the set's folder.
            name: one of ``files``.

        Returns:
            Words that end an error's sentence.
        """
        return (
            f"put {name} into {folder}, or set root or the environment variable {ROOT_VARIABLE} to the folder that "
            f"holds {self.folder}"
        )

    def urls(self, name: str) -> list[str]:
        """List the addresses of what is fetched, mirrors first.

        Args:
            name: what is fetched.

        Returns:
            URLs.
        """
        return [f"{address.rstrip('/')}/{name}" for address in (*self.mirrors, *self.addresses)]

    def say_if_unverified(self, file: Path, checksum: Checksum | None) -> None:
        """Say in one line that a file's content was not compared with anything, where that was asked for.

        Args:
            file: the file.
            checksum: what there was to compare with.
        """
        if self.verify and checksum is None:
            rank_zero_info(f"{file}: content not verified, no checksum of it is published; size and labels are sound")

    def _set_aside(self, file: Path) -> None:
        try:
            file.replace(file.with_name(f"{file.name}.damaged"))
        except OSError as error:
            raise ConfigurationError(
                f"{file} is damaged and cannot be replaced ({error.strerror}): replace it by hand, or set root or the "
                f"environment variable {ROOT_VARIABLE} to a folder that can be written to"
            ) from error
