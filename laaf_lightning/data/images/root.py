"""The folder that holds data sets."""

from __future__ import annotations

import os
from pathlib import Path

ROOT_VARIABLE = "LAAF_DATA_ROOT"
DEFAULT_ROOT = "data"


def data_root(root: str | None = None) -> Path:
    """Find the data folder.

    Call it when files are needed and not before: the answer depends on the machine, and a saved configuration must
    not hold it.

    Args:
        root: the folder, or ``None`` for the environment variable ``LAAF_DATA_ROOT``, else ``data`` in the working
            directory. A leading ``~`` is the home directory.

    Returns:
        The folder, which need not exist.

    Example:
        >>> data_root("sets").as_posix()
        'sets'
    """
    return Path(root or os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT).expanduser()
