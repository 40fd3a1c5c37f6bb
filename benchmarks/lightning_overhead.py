"""What `laaf fit` costs over a bare loop: the Burgers step of `configs/burgers_paper.yaml`.

    python benchmarks/lightning_overhead.py            # 10 rounds of 200 steps a side
    python benchmarks/lightning_overhead.py --quick

Both sides train the same model on the same points with Adam and slope recovery. The bare loop calls loss, S(a),
backward and step; the other side is the whole command line job with Trainer, callback, TensorBoard and logging every
50 steps. Rounds alternate between the sides; a round's figure is the mean step without the slowest hundredth.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import logging
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from report import circumstances, print_json, spread, table

from laaf_lightning import BurgersDataModule, BurgersPINN, slope_parameter_groups, slope_recovery
from laaf_lightning.cli import main

CONFIG = Path(__file__).parent.parent / "configs" / "burgers_paper.yaml"


class StepClock(Callback):
    """Note the time at the end of every training batch; the first one ends the warm-up."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.times.append(time.perf_counter())


def bare(steps: int) -> list[float]:
    """Train in a plain loop; return the steps' durations in milliseconds."""
    torch.manual_seed(0)
    model = BurgersPINN(width=20, depth=6, n=10)
    batch = next(iter(BurgersDataModule().train_dataloader()))
    optimizer = torch.optim.Adam(slope_parameter_groups(model), lr=8e-4)
    times = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model.loss(batch) + slope_recovery(model)
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter())
    return durations(times)


def through_laaf(steps: int, progress_bar: bool) -> list[float]:
    """Train by the command line; return the steps' durations in milliseconds."""
    clock = f"{StepClock.__module__}.StepClock"
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        args = ["fit", "--config", str(CONFIG), "--trainer.max_steps", str(steps), "--slope_recovery.weight", "1.0"]
        args += ["--model.engine", "auto"]
        args += ["--trainer.callbacks", clock, "--trainer.logger.init_args.save_dir", folder]
        args += ["--trainer.enable_progress_bar", str(progress_bar).lower(), "--trainer.log_every_n_steps", "50"]
        args += ["--trainer.enable_model_summary", "false"]
        with contextlib.redirect_stderr(io.StringIO()):
            cli = main(args)
    callbacks = [c for c in getattr(cli.trainer, "callbacks") if type(c).__name__ == "StepClock"]  # noqa: B009  # not in its type
    return durations(callbacks[0].times)


def durations(times: list[float]) -> list[float]:
    """Return differences in milliseconds, without the first ten."""
    return [1000 * (b - a) for a, b in itertools.pairwise(times[10:])]


def mean_step(steps: list[float]) -> float:
    """Return the mean without the slowest hundredth: epoch hooks and logging count, a stolen core does not."""
    kept = sorted(steps)[: max(1, len(steps) - len(steps) // 100)]
    return statistics.fmean(kept)


def report(sides: dict[str, list[float]], rounds: int, steps: int) -> None:
    """Print the table and the JSON line."""
    bare_loop = sides["bare loop"]
    base = statistics.median(bare_loop)
    extra = {name: [v - b for v, b in zip(values, bare_loop, strict=True)] for name, values in sides.items()}
    rows = [
        [name, spread(values), f"{spread(extra[name], '{:+.2f}')} ms, {statistics.median(extra[name]) / base:+.1%}"]
        for name, values in sides.items()
    ]
    print(table(["side", "ms a step, median of rounds (range)", "over the bare loop"], rows))
    laaf = extra["laaf fit"]
    numbers = {
        "ratio": statistics.median(v / b for v, b in zip(sides["laaf fit"], bare_loop, strict=True)),
        "extra_ms": statistics.median(laaf),
        "extra_range_ms": [min(laaf), max(laaf)],
        "allowed_ms": max(0.05 * base, 0.5),
        "rounds": rounds,
        "steps": steps,
        "sides_ms": sides,
    }
    print_json(numbers | circumstances())


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 rounds of 100 steps")
    arguments = parser.parse_args()
    rounds, steps = (3, 100) if arguments.quick else (10, 200)
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    sides: dict[str, list[float]] = {"bare loop": [], "laaf fit": [], "laaf fit, progress bar": []}
    for _ in range(rounds):
        sides["bare loop"].append(mean_step(bare(steps)))
        sides["laaf fit"].append(mean_step(through_laaf(steps, progress_bar=False)))
        sides["laaf fit, progress bar"].append(mean_step(through_laaf(steps, progress_bar=True)))
    report(sides, rounds, steps)


if __name__ == "__main__":
    run()
