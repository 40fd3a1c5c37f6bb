"""Builds the kernel into torch's extension cache, once for each machine and torch, and loads it."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import platform
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import torch

from laaf_lightning.derivatives.engines.engine import Unsuitable

_SOURCES = Path(__file__).parent / "kernel"
_SECONDS = 20  # a build takes on an ordinary machine
# at::vec has code for these; for any other processor it falls back to plain loops.
_CAPABILITIES = {
    "AVX512": ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"),
    "AVX2": ("-mavx2", "-mfma"),
}


class KernelUnavailableError(Unsuitable):
    """The kernel is not there and cannot be built; the text says why, and what helps."""


def why_not_buildable() -> str | None:
    """Tell why the kernel could not be built here.

    Returns:
        A clause and the way out; None where a compiler and ninja are found.
    """
    if sys.platform == "win32":
        return "the kernel is not built on Windows"
    compiler = shlex.split(os.environ.get("CXX", "c++"))[0]
    if shutil.which(compiler) is None:
        return f"there is no C++ compiler ({compiler}): install g++ or clang, or name one in the variable CXX"
    if _ninja_folder() is None:
        return 'there is no ninja: pip install "laaf-lightning[fused]"'
    return None


def is_built() -> bool:
    """Tell whether the kernel can be had without building it.

    Returns:
        Whether it is loaded, or lies in the cache for this machine, torch and version of the kernel.
    """
    return _is_loaded() or library_file().exists()


def library_file() -> Path:
    """Return where the built kernel lies, or would.

    Returns:
        A file in ``TORCH_EXTENSIONS_DIR`` or torch's own folder for extensions, named after sources, torch and flags.
    """
    return _cache_folder() / f"jets-{_fingerprint()}.so"


def load_kernel(say: Callable[[str], object] | None = None) -> None:
    """Make ``torch.ops.laaf_lightning.jets`` available, building it if need be.

    Processes that want it at the same time build it once. A build that is killed leaves nothing that another waits for.

    Args:
        say: what tells the user, in one line, that something is built and how long it takes; None for a logger.

    Raises:
        KernelUnavailableError: if it must be built and cannot be.
    """
    if _is_loaded():
        return
    library = library_file()
    if not library.exists():
        if (reason := why_not_buildable()) is not None:
            raise KernelUnavailableError(f"the fused kernel cannot be built: {reason}")
        _build(library, say or logging.getLogger(__name__).warning)
    try:
        torch.ops.load_library(library)
    except OSError as error:
        raise KernelUnavailableError(
            f"the fused kernel {library} cannot be loaded ({error}): delete the file, and it is built again"
        ) from error


def _build(library: Path, say: Callable[[str], object]) -> None:
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with _lock(library.with_suffix(".lock")) as alone:
            if library.exists():  # built by another process in the meantime
                return
            prefix = f"building-{library.stem}-"
            for left in library.parent.glob(f"{prefix}*") if alone else ():  # by a build that was killed
                shutil.rmtree(left, ignore_errors=True)
            say(f"Building the fused kernel, once for this machine and torch; about {_SECONDS} s …")
            begin = time.perf_counter()
            with tempfile.TemporaryDirectory(dir=library.parent, prefix=prefix) as folder:
                _compile(Path(folder), library)
            say(f"Built the fused kernel in {time.perf_counter() - begin:.0f} s: {library}")
    except OSError as error:
        raise KernelUnavailableError(
            f"the fused kernel cannot be built in {library.parent} ({error}): make room or set the variable "
            "TORCH_EXTENSIONS_DIR to a folder that can be written"
        ) from error


def _compile(folder: Path, library: Path) -> None:
    try:
        with _ninja_on_path(), _quiet():
            from torch.utils import cpp_extension  # noqa: PLC0415  # imports setuptools

            cpp_extension.load(
                name=library.stem.replace("-", "_"),
                sources=[str(source) for source in sorted(_SOURCES.glob("*.cpp"))],
                extra_cflags=list(_flags()),
                extra_ldflags=["-fopenmp"] if sys.platform == "linux" else [],
                build_directory=str(folder),
                is_python_module=False,
                with_cuda=False,
            )
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        words = next(
            (line for line in lines if "error" in line.lower() and "building extension" not in line), lines[-1]
        )
        raise KernelUnavailableError(
            f"the fused kernel cannot be built in {library.parent}; the compiler says: {words.strip()}; make room "
            "there, or set TORCH_EXTENSIONS_DIR to another folder or CXX to another compiler"
        ) from error
    # In one step, so that no process ever sees half a file.
    (folder / f"{library.stem.replace('-', '_')}.so").replace(library)


def _flags() -> tuple[str, ...]:
    """Return the compiler's flags: none that changes how NaN or infinity behave."""
    capability = torch.backends.cpu.get_cpu_capability()
    native = _CAPABILITIES.get(capability, ())
    defines = (f"-DCPU_CAPABILITY={capability}", f"-DCPU_CAPABILITY_{capability}") if native else ()
    threads = ("-fopenmp",) if sys.platform == "linux" else ()
    return "-O3", *threads, *native, *(defines or ("-DCPU_CAPABILITY=DEFAULT", "-DCPU_CAPABILITY_DEFAULT"))


@cache
def _fingerprint() -> str:
    """Digest what a built kernel depends on."""
    digest = hashlib.sha256()
    for source in sorted(_SOURCES.iterdir()):
        digest.update(source.read_bytes())
    digest.update(" ".join((torch.__version__, platform.machine(), sys.platform, *_flags())).encode())
    return digest.hexdigest()[:16]


def _cache_folder() -> Path:
    if (chosen := os.environ.get("TORCH_EXTENSIONS_DIR")) is not None:
        return Path(chosen) / "laaf_lightning"
    with _quiet():
        from torch.utils import cpp_extension  # noqa: PLC0415  # imports setuptools

        return Path(cpp_extension.get_default_build_root()) / "laaf_lightning"


def _is_loaded() -> bool:
    return hasattr(torch.ops.laaf_lightning, "jets")


def _ninja_folder() -> str | None:
    """Find ninja on the path, or where its wheel put it: an environment may be used without being activated."""
    if (program := shutil.which("ninja")) is not None:
        return str(Path(program).parent)
    try:
        import ninja  # noqa: PLC0415  # of the extra "fused"
    except ImportError:
        return None
    return str(ninja.BIN_DIR)


@contextlib.contextmanager
def _ninja_on_path() -> Iterator[None]:
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([before, str(_ninja_folder())])
    try:
        yield
    finally:
        os.environ["PATH"] = before


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out torch's warnings about compilers and CUDA that this build does not use."""
    target = logging.getLogger("torch.utils.cpp_extension")
    before = target.level
    target.setLevel(logging.ERROR)
    try:
        yield
    finally:
        target.setLevel(before)


@contextlib.contextmanager
def _lock(file: Path) -> Iterator[bool]:
    """Hold a lock that the system takes away from a process that dies; tell whether the file system has such locks."""
    import fcntl  # noqa: PLC0415  # not on Windows

    with file.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
        except OSError:  # then each process builds for itself
            yield False
        else:
            yield True
