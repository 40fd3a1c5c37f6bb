"""What no test may leave to the next one."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores: before torch starts its threads
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from laaf_lightning.derivatives import load_kernel, why_not_buildable
from laaf_lightning.derivatives.engines.fused.build import library_file

collect_ignore = ["external_project"]  # a project of its own

# Processes that tests start do not find a kernel, whoever has built one before.
_CACHE = os.environ.get("TORCH_EXTENSIONS_DIR")
_EMPTY = tempfile.TemporaryDirectory()
os.environ["TORCH_EXTENSIONS_DIR"] = _EMPTY.name


@pytest.fixture(autouse=True)
def seed_variables_end_with_the_test() -> Iterator[None]:
    """Lightning's seed_everything, and so every run of the command line, writes its seed into the environment."""
    names = ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")
    before = {name: os.environ.get(name) for name in names}
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def kernel_cache() -> Path:
    """Where the fused kernel is built, once for all runs of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_EXTENSIONS_DIR", _CACHE) if _CACHE else patch.delenv("TORCH_EXTENSIONS_DIR")
        return library_file().parents[1]


def end_without_kernel(reason: str) -> NoReturn:
    """Skip what needs the kernel; in a gate, where there should be a compiler, fail: nobody would notice otherwise."""
    if os.environ.get("CI") and sys.platform != "win32":
        pytest.fail(f"the variable CI is set, and the kernel cannot be built: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def kernel(kernel_cache: Path) -> None:
    """The fused kernel."""
    if (reason := why_not_buildable()) is not None:
        end_without_kernel(reason)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_EXTENSIONS_DIR", str(kernel_cache))
        load_kernel()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes unless it is asked for: ``pytest -m long``, ``pytest -m soak``."""
    for tier in ("long", "soak"):
        if tier in config.option.markexpr:
            continue
        left_out = [item for item in items if item.get_closest_marker(tier)]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
