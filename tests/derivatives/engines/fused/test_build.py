from __future__ import annotations

import ast
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from laaf_lightning.derivatives import (
    FusedField,
    FusedPlan,
    KernelUnavailableError,
    is_built,
    load_kernel,
    why_not_buildable,
)
from laaf_lightning.derivatives.engines.fused import build
from laaf_lightning.models import MLP

ROOT = Path(__file__).parents[4]
ASSERT = """
import torch
from laaf_lightning.derivatives import load_kernel
from laaf_lightning.derivatives.engines.fused import build
from laaf_lightning.models import MLP
from tests.derivatives.cases import *
flags = build._flags
build._flags = lambda: tuple(flag.replace("-O3", "-O0") for flag in flags())  # in a third of the time
load_kernel(print)
for activation in ACTIVATIONS:
    network = randomised(MLP(2, 1, width=9, depth=2, activation=activation, scope="neuron", n=5))
    assert_equal_oracle(network, points(2, 50), up_to(2, 2), kind=FusedField)
    network.float()
    assert_equal_oracle(network, points(2, 50, torch.float32), up_to(2, 2), tolerance=1e-3, kind=FusedField)
print(torch.backends.cpu.get_cpu_capability())
"""


def python(code: str, cache: Path, **environment: str) -> subprocess.Popen[str]:
    variables = os.environ | {"TORCH_EXTENSIONS_DIR": str(cache)} | environment
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """As in a process that has not loaded the kernel, with an empty cache."""
    monkeypatch.setattr(build, "_is_loaded", lambda: False)
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    yield tmp_path
    build._fingerprint.cache_clear()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("kernel")
def test_a_build_for_a_processor_without_vectors_gives_the_same(tmp_path: Path) -> None:
    output = finished(python(ASSERT, tmp_path, ATEN_CPU_CAPABILITY="default"))
    assert "Building the fused kernel, once for this machine and torch; about " in output
    assert re.search(r"Built the fused kernel in \d+ s: .*jets-\w+\.so", output)
    assert output.splitlines()[-1] in {"DEFAULT", "NO AVX"}


@pytest.fixture
def build_quickly(tmp_path: Path) -> str:
    """Code that builds something small in the kernel's place, with the kernel's locks and messages."""
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "large.cpp").write_text("char large[1000000] = {1};", encoding="utf-8")
    code = "from laaf_lightning.derivatives.engines.fused import build; from pathlib import Path; "
    return code + f"build._SOURCES = Path({str(sources)!r}); build.load_kernel(print)"


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("kernel")
def test_a_killed_build_stops_nobody_and_two_at_once_build_once(build_quickly: str, tmp_path: Path) -> None:
    victim = python(build_quickly, tmp_path)
    folder = tmp_path / "laaf_lightning"
    deadline = time.monotonic() + 120
    while not list(folder.glob("building-*/*.ninja")):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.communicate()
    assert {file.suffix for file in folder.iterdir()} == {"", ".lock"}  # what it was building in, and the lock
    outputs = [finished(process) for process in [python(build_quickly, tmp_path) for _ in range(2)]]
    assert sum("Built the fused kernel in " in output for output in outputs) == 1
    assert sorted(file.suffix for file in folder.iterdir()) == [".lock", ".so"]
    assert not finished(python(build_quickly, tmp_path))
    (library,) = folder.glob("*.so")
    library.unlink()
    library.write_bytes(b"no library")
    damaged = python(build_quickly, tmp_path).communicate()[0]
    assert f"the fused kernel {library} cannot be loaded" in damaged
    assert "delete the file, and it is built again" in damaged


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("size", [0, 50_000])  # the build's first file, and the compiler's
def test_a_full_cache_folder_is_an_error_that_names_it_and_leaves_nothing(
    build_quickly: str, tmp_path: Path, size: int
) -> None:
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); "
    output = python(limit + build_quickly, tmp_path).communicate(timeout=300)[0]
    assert f"KernelUnavailableError: the fused kernel cannot be built in {tmp_path / 'laaf_lightning'}" in output
    assert "TORCH_EXTENSIONS_DIR" in output.splitlines()[-1]
    assert [file.suffix for file in (tmp_path / "laaf_lightning").iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(
    unloaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "why_not_buildable", lambda: None)
    (unloaded / "file").touch()
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(unloaded / "file"))
    with pytest.raises(
        KernelUnavailableError, match=r"cannot be built in .*/file/laaf_lightning .*set the variable TORCH"
    ):
        load_kernel()


def test_without_a_compiler_the_reason_and_the_way_out_are_told(
    unloaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(unloaded))
    monkeypatch.delenv("CXX", raising=False)
    sentence = "there is no C++ compiler (c++): install g++ or clang, or name one in the variable CXX"
    assert why_not_buildable() == sentence
    assert not is_built()
    with pytest.raises(KernelUnavailableError, match="the fused kernel cannot be built: there is no C"):
        load_kernel()
    assert not list(unloaded.iterdir())


def test_without_ninja_the_reason_and_the_way_out_are_told(unloaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = unloaded / "c++"
    compiler.touch(0o755)
    monkeypatch.setenv("PATH", str(unloaded))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setitem(sys.modules, "ninja", None)  # its import fails
    assert why_not_buildable() == 'there is no ninja: pip install "laaf-lightning[fused]"'
    with pytest.raises(KernelUnavailableError, match="there is no ninja"):
        load_kernel()


def test_ninja_of_an_environment_that_is_not_activated_is_found(
    unloaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ninja")
    compiler = unloaded / "c++"
    compiler.touch(0o755)
    monkeypatch.setenv("PATH", str(unloaded))
    monkeypatch.delenv("CXX", raising=False)
    assert why_not_buildable() is None
    with build._ninja_on_path():
        assert shutil.which("ninja") is not None
    assert os.environ["PATH"] == str(unloaded)


def test_windows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert why_not_buildable() == "the kernel is not built on Windows"


def test_a_compiler_that_stops_is_an_error_that_shows_its_words(
    unloaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (reason := why_not_buildable()) is not None:
        pytest.skip(reason)
    monkeypatch.setattr(build, "_flags", lambda: ("-fno-such-flag",))
    build._fingerprint.cache_clear()
    told: list[str] = []
    with pytest.raises(KernelUnavailableError, match=r"the compiler says: .*no-such-flag.*make room .*or CXX"):
        load_kernel(told.append)
    assert [line[:25] for line in told] == ["Building the fused kernel"]
    assert not list(unloaded.glob("laaf_lightning/*.so"))


def test_another_processor_or_torch_has_a_library_of_its_own(unloaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for capability in ("AVX512", "AVX2", "DEFAULT"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda capability=capability: capability)
        build._fingerprint.cache_clear()
        names.add(build.library_file())
    monkeypatch.setattr(torch, "__version__", "9.9")
    build._fingerprint.cache_clear()
    names.add(build.library_file())
    assert len(names) == 4
    assert {file.parent for file in names} == {unloaded / "laaf_lightning"}


@pytest.mark.slow
@pytest.mark.usefixtures("kernel")
def test_a_pickled_plan_brings_the_kernel_to_another_process(kernel_cache: Path, tmp_path: Path) -> None:
    network = MLP(1, 1, width=3, depth=1)
    plan = FusedPlan.of(network, [(0,)])
    expected = FusedField(network, torch.ones(2, 1), ["x"], plan).d("x")
    (tmp_path / "plan.pkl").write_bytes(pickle.dumps((network, plan)))
    code = f"""
import pickle, torch
from pathlib import Path
network, plan = pickle.loads(Path({str(tmp_path / "plan.pkl")!r}).read_bytes())
from laaf_lightning.derivatives import FusedField
print(FusedField(network, torch.ones(2, 1), ["x"], plan).d("x").tolist())
"""
    torch.testing.assert_close(torch.tensor(ast.literal_eval(finished(python(code, kernel_cache)))), expected.detach())
