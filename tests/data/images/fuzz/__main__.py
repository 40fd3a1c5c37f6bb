"""Gives a reader changed files, in a process with limits, and says what came of it.

    python -m tests.data.images.fuzz cifar --count 100000 --seed 0

A file is refused with ``DamagedFileError`` or read; anything else, or more memory or time than the limits, ends the
process with status 1, and the file is kept for a look.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import json
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import FrameType

from laaf_lightning.data import DamagedFileError
from tests.data.images.fuzz.mutations import mutate
from tests.data.images.fuzz.targets import TARGETS

MEMORY_BYTES = 256 << 20
SECONDS = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="+", choices=TARGETS)
    parser.add_argument("--count", type=int, default=1000, help="files for each reader")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    faulthandler.enable()
    signal.signal(signal.SIGALRM, _too_slow)
    for reader in arguments.readers:
        print(json.dumps(fuzz(reader, arguments.count, arguments.seed)), flush=True)


def fuzz(reader: str, count: int, seed: int) -> dict[str, object]:
    """Read changed files; the figures of the run."""
    target = TARGETS[reader]
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / target.name
        for good in target.files:  # they are good; and what is imported at first use takes no part in the limit
            file.write_bytes(target.packed(good))
            target.read(file)
        limit = _bytes_in_use() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))
        before, start, slowest = _peak_bytes(), time.perf_counter(), 0.0
        ends: collections.Counter[str] = collections.Counter()
        for number in range(count):
            file.write_bytes(target.packed(mutate(target.files, draw)))
            began = time.perf_counter()
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                target.read(file)
                ends["read"] += 1
            except DamagedFileError as error:
                ends["refused" if str(file) in str(error) else "refused without its name"] += 1
            except BaseException:
                signal.setitimer(signal.ITIMER_REAL, 0)
                kept = Path(tempfile.gettempdir()) / f"fuzz-{reader}-{seed}-{number}"
                shutil.copy(file, kept)
                traceback.print_exc()
                sys.exit(f"{reader}: file {number} of seed {seed} came out as the above; it is kept as {kept}")
            signal.setitimer(signal.ITIMER_REAL, 0)
            slowest = max(slowest, time.perf_counter() - began)
        seconds = time.perf_counter() - start
        megabytes = (_peak_bytes() - before) / 2**20
    figures = {"reader": reader, "files": count, **ends, "seconds": round(seconds, 1)}
    return figures | {"slowest": round(slowest, 3), "megabytes": round(megabytes, 1)}


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"it took more than {SECONDS} s")


def _bytes_in_use() -> int:
    """What RLIMIT_DATA counts."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmData")).split()[1])


def _peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
