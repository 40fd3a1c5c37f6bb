"""What `laaf fit --help` costs over the help of an empty LightningCLI, in user time.

python benchmarks/help_time.py
python benchmarks/help_time.py --quick
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys

import jsonargparse
import pytorch_lightning
import torch

EMPTY = (
    "from pytorch_lightning import LightningModule, LightningDataModule\n"
    "from pytorch_lightning.cli import LightningCLI\n"
    "LightningCLI(LightningModule, LightningDataModule, subclass_mode_model=True, subclass_mode_data=True)\n"
)
SIDES = {
    "empty LightningCLI": [sys.executable, "-c", EMPTY, "fit", "--help"],
    "laaf": [sys.executable, "-m", "laaf_lightning", "fit", "--help"],
}


def user_seconds(command: list[str]) -> float:
    """Run a command; return the user time of its process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 10")
    rounds = 3 if parser.parse_args().quick else 10
    times: dict[str, list[float]] = {name: [] for name in SIDES}
    for _ in range(rounds + 1):
        for name, command in SIDES.items():
            times[name].append(user_seconds(command))
    times = {name: values[1:] for name, values in times.items()}
    extra = [b - a for a, b in zip(*times.values(), strict=True)]
    print("| side | user s, median | range |\n|---|---|---|")
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values):.2f} | {min(values):.2f}–{max(values):.2f} |")
    versions = {
        "torch": torch.__version__,
        "pytorch_lightning": pytorch_lightning.__version__,
        "jsonargparse": jsonargparse.__version__,
        "python": platform.python_version(),
    }
    numbers = {"extra_s": statistics.median(extra), "extra_range_s": [min(extra), max(extra)], "rounds": rounds}
    print(json.dumps({**numbers, "threads": torch.get_num_threads(), "times_s": times, "versions": versions}))


if __name__ == "__main__":
    run()
