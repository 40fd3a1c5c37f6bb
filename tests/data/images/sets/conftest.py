"""The sets, one of which a test asks for by its name."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from laaf_lightning.data.images.formats import write_manifest
from tests.data.images.published import WRITERS
from tests.data.images.sets.small_sets import COUNT, SETS, Small, md5


@pytest.fixture
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Small:
    name: str = request.param
    root = tmp_path / "root"
    WRITERS[name](root, COUNT)
    original = SETS[name][0]
    folder = root / original.folder
    contents = {
        file: gzip.decompress((folder / f"{file}.gz").read_bytes())
        if (folder / f"{file}.gz").exists()
        else (folder / file).read_bytes()
        for file in original.files
    }
    facts: dict[str, Any] = {"addresses": (), "md5": {file: md5(content) for file, content in contents.items()}}
    if name == "kmnist":
        packed = {file: md5((folder / f"{file}.gz").read_bytes()) for file in original.files}
        facts |= {"md5": {}, "archive_md5": packed}
        write_manifest(folder, contents)
    return Small(name, root, type(original.__name__, (original,), facts))
