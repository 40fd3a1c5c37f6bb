"""What `laaf fit --help` costs over the help of an empty LightningCLI, in user time.

python benchmarks/help_time.py
python benchmarks/help_time.py --quick
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
from typing import Any

from report import circumstances, print_json, spread, table

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
    parser.add_argument("--quick", action="store_true", help="2 rounds instead of 10")
    rounds = 2 if parser.parse_args().quick else 10
    times: dict[str, list[float]] = {name: [] for name in SIDES}
    for _ in range(rounds + 1):
        for name, command in SIDES.items():
            times[name].append(user_seconds(command))
    times = {name: values[1:] for name, values in times.items()}  # the first round fills the file cache
    empty, laaf = times.values()
    extra = [b - a for a, b in zip(empty, laaf, strict=True)]
    rows = [[name, spread(values)] for name, values in times.items()]
    print(table(["side", "user s, median (range)"], [*rows, ["difference", spread(extra)]]))
    numbers: dict[str, Any] = {
        "ratio": statistics.median(laaf) / statistics.median(empty),
        "extra_s": statistics.median(extra),
    }
    numbers |= {"extra_range_s": [min(extra), max(extra)], "rounds": rounds, "times_s": times}
    print_json(numbers | circumstances("jsonargparse"))


if __name__ == "__main__":
    run()
