"""Fit the equations to high accuracy through the command line, and compare slopes and optimisers by wall time.

    python benchmarks/accuracy.py burgers --seeds 0 1 2 3 4 --output burgers_accurate.json
    python benchmarks/accuracy.py slopes --part 0/2 --output slopes0.json
    python benchmarks/accuracy.py slopes --merge slopes0.json slopes1.json --output slopes.json --picture slopes.png

Each run is a `laaf fit` in a process of its own; each seed sets both initialisation and data. Wall time counts from the
start of that process, compilation included. `--part 0/2` runs every second run, so that two processes share a job, each
on `--threads` threads; `--merge` puts such files together and runs nothing. The last line is a JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from report import circumstances, print_json, spread, table
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

CONFIGS = Path(__file__).parent.parent / "configs"
ACCURATE, BROYDEN = ("burgers_accurate",), "self_scaled_broyden"
HARD = ["--model.problem.init_args.hard_conditions", "true"]
ENDLESS = ["--trainer.max_steps", "1000000", "--resample_collocation.until_step", "1000000"]
ENDLESS += ["--data.steps_per_epoch", "10"]
QUICK_SECONDS = 12
SECOND_STAGE = "--model.optimizer.init_args.optimizers"


def stages(second: dict[str, Any]) -> list[str]:
    """Put another optimiser after Adam."""
    adam = {"class_path": "torch.optim.Adam", "init_args": {"lr": 5e-3}}
    return [SECOND_STAGE, json.dumps([adam, second])]


def broyden(method: str) -> list[str]:
    return stages({"class_path": "laaf_lightning.SelfScaledBroyden", "init_args": {"max_iter": 50, "method": method}})


LBFGS = {
    "class_path": "torch.optim.LBFGS",
    "init_args": {"max_iter": 50, "history_size": 100, "line_search_fn": "strong_wolfe"}
    | {"tolerance_grad": 1e-12, "tolerance_change": 1e-14},
}
ADAM = ["--model.optimizer", "torch.optim.Adam", "--model.optimizer.lr", "5e-3"]
ADAM += ["--model.lr_scheduler", "torch.optim.lr_scheduler.ExponentialLR", "--model.lr_scheduler.gamma", "0.9997"]
ADAM += ["--resample_collocation.every_n_steps", "500", "--data.steps_per_epoch", "250"]

# For each job: its rows, each the configs and what is set over them; the seconds of a run, None for the configs' steps.
Rows = dict[str, tuple[tuple[str, ...], list[str]]]
JOBS: dict[str, tuple[Rows, int | None]] = {
    "burgers": ({"burgers_accurate": (ACCURATE, [])}, None),
    "engines": (
        {
            "Taylor mode, compiled": (ACCURATE, ["--model.engine", "taylor"]),
            "fused kernel": (ACCURATE, ["--model.engine", "fused", "--model.compile", "false"]),
        },
        None,
    ),
    "slopes": (
        {name: (ACCURATE, [*ENDLESS, "--model.scope", name]) for name in ("fixed", "global", "layer", "neuron")},
        180,
    ),
    "optimizers": (
        {
            "Adam": (ACCURATE, [*ENDLESS, *ADAM]),
            "Adam, L-BFGS": (ACCURATE, [*ENDLESS, *stages(LBFGS)]),
            "Adam, BFGS": (ACCURATE, [*ENDLESS, *broyden("bfgs")]),
            "Adam, self-scaled BFGS": (ACCURATE, [*ENDLESS, *broyden("ssbfgs")]),
            "Adam, self-scaled Broyden": (ACCURATE, [*ENDLESS, *broyden("ssbroyden")]),
        },
        180,
    ),
    "equations": (
        {
            "helmholtz": (("helmholtz", BROYDEN), [*HARD, "--data.num_condition", "{}"]),
            "inverse_burgers": (("inverse_burgers", BROYDEN), []),
            "allen_cahn": (("allen_cahn", BROYDEN), []),
        },
        None,
    ),
    "smooth": (
        {
            name: ((name,), ["--model.engine", "fused"])
            for name in ("kovasznay", "wave", "heat_plate", "lorenz", "poisson_disc", "poisson_l")
        },
        None,
    ),
}


def fit(configs: tuple[str, ...], overrides: list[str], seed: int, seconds: int | None, threads: int) -> dict[str, Any]:
    """Fit once in a process of its own; return the error against wall time, the last slopes, coefficients' errors."""
    with tempfile.TemporaryDirectory() as folder:
        args = [sys.executable, "-m", "laaf_lightning", "fit"]
        args += [part for name in configs for part in ("--config", str(CONFIGS / f"{name}.yaml"))]
        args += [*overrides, "--seed_everything", str(seed), "--data.seed", str(seed)]
        args += ["--trainer.logger.init_args.save_dir", folder, "--trainer.enable_progress_bar", "false"]
        args += ["--trainer.enable_checkpointing", "false", "--figures.every_n_steps", "null", "--figures.dpi", "30"]
        if seconds is not None:
            args += ["--trainer.max_time", f"00:00:{seconds // 60:02}:{seconds % 60:02}"]
        start = time.time()
        done = subprocess.run(
            args, env=os.environ | {"OMP_NUM_THREADS": str(threads)}, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(args)}\nended with {done.returncode}:\n{done.stderr}")
        (log_dir,) = {file.parent for file in Path(folder).rglob("events.out.tfevents.*")}
        events = EventAccumulator(str(log_dir), size_guidance={"scalars": 0})
        events.Reload()
        tags = events.Tags()["scalars"]
    if "val/relative_l2" not in tags:
        raise SystemExit(f"{' '.join(args)}\nended before it had measured an error: give it more time")
    curve = [
        [round(e.wall_time - start, 1), e.step + 1, float(f"{e.value:.4g}")] for e in events.Scalars("val/relative_l2")
    ]
    kept = [tag for tag in tags if tag.startswith("slope/") or tag.endswith("_error")]
    last = {tag: float(f"{events.Scalars(tag)[-1].value:.4g}") for tag in kept}
    return {"seed": seed, "curve": curve, "last": last}


def first_time(run: dict[str, Any], error: float) -> float | None:
    return next((second for second, _, value in run["curve"] if value <= error), None)


def error_at(run: dict[str, Any], second: float) -> float | None:
    if run["curve"][-1][0] < second:
        return None
    return next((value for when, _, value in reversed(run["curve"]) if when <= second), None)


def result_table(results: dict[str, list[dict[str, Any]]], seconds: int | None) -> str:
    """Write the Markdown table: medians and ranges over seeds."""
    times = [60, 120, 180] if seconds is not None else [180]
    heads = ["", "seeds", *(f"error at {second} s" for second in times), "error at the end", "s in all"]
    heads += ["s to 1e-4", "s to 1e-5", "s to 1e-6", "last n·a, layer means", "coefficient off by, %"]
    rows = []
    for name, runs in results.items():
        found = [[error_at(run, second) for run in runs] for second in times]
        cells = [spread([value for value in column if value is not None], "{:.1e}") for column in found]
        cells.append(spread([run["curve"][-1][2] for run in runs], "{:.1e}"))
        cells.append(spread([run["curve"][-1][0] for run in runs], "{:.0f}"))
        for error in (1e-4, 1e-5, 1e-6):
            reached = [second for second in (first_time(run, error) for run in runs) if second is not None]
            missed = f", {len(reached)}/{len(runs)}" if len(reached) < len(runs) else ""
            cells.append("–" if not reached else spread(reached, "{:.0f}") + missed)
        ends = [value for run in runs for tag, value in run["last"].items() if tag.endswith("/mean")]
        cells.append(f"{min(ends):.1f}–{max(ends):.1f}" if ends else "1")
        misses = [100 * v for run in runs for tag, v in run["last"].items() if tag.endswith("_error")]
        cells.append(spread(misses, "{:.2g}"))
        rows.append([name, str(len(runs)), *cells])
    return table(heads, rows)


def draw(results: dict[str, list[dict[str, Any]]], file: Path) -> None:
    """Draw the error against wall time, a line for each seed."""
    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    for index, (name, runs) in enumerate(results.items()):
        for run in runs:
            seconds, _, errors = zip(*run["curve"], strict=True)
            label = name if run is runs[0] else None
            axes.semilogy(seconds, errors, color=f"C{index}", linewidth=1.2, alpha=0.8, label=label)
    axes.set(xlabel="wall time, s", ylabel="relative L2 error")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(file, dpi=110)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", help="rows to run; all by default")
    parser.add_argument("--quick", action="store_true", help="one seed, two rows, 12 s each: checks that it works")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--part", default="0/1", help="i/k: every k-th run from the i-th")
    parser.add_argument("--output", type=Path, help="file for the results; written after every run")
    parser.add_argument("--merge", type=Path, nargs="+", help="put these files together; run nothing")
    parser.add_argument("--picture", type=Path, help="file for the picture of error against wall time")
    return parser.parse_args()


def merged(files: list[Path], rows: list[str]) -> dict[str, Any]:
    """Put the parts of a job together; refuse parts that were measured under different circumstances."""
    parts: list[dict[str, Any]] = [json.loads(file.read_text()) for file in files]
    for file, part in zip(files, parts, strict=True):
        for name in ("job", "threads", "python", "versions"):
            if part[name] != parts[0][name]:
                raise SystemExit(f"{name} is {part[name]} in {file} and {parts[0][name]} in {files[0]}: measure anew")
    runs = {name: [run for part in parts for run in part["results"].get(name, [])] for name in rows}
    results = {name: sorted(some, key=lambda run: int(run["seed"])) for name, some in runs.items() if some}
    return parts[0] | {"results": results}


def measured(arguments: argparse.Namespace, rows: list[str]) -> dict[str, Any]:
    """Run what is asked for; write the results so far after every run."""
    settings, seconds = JOBS[arguments.job]
    torch.set_num_threads(arguments.threads)
    summary = {"job": arguments.job, "date": time.strftime("%Y-%m-%d"), **circumstances(), "results": {}}
    if arguments.quick:
        rows, arguments.seeds, seconds = rows[:2], arguments.seeds[:1], QUICK_SECONDS
    index, parts = (int(number) for number in arguments.part.split("/"))
    for seed, name in [(seed, name) for seed in arguments.seeds for name in rows][index::parts]:
        summary["results"].setdefault(name, []).append(fit(*settings[name], seed, seconds, arguments.threads))
        if arguments.output:
            arguments.output.write_text(json.dumps(summary))
    return summary


def run_all() -> None:
    arguments = parse()
    settings, seconds = JOBS[arguments.job]
    rows = arguments.rows or list(settings)
    if unknown := set(rows) - set(settings):
        raise SystemExit(f"no row {', '.join(unknown)} in {arguments.job}: it has {', '.join(settings)}")
    summary = merged(arguments.merge, rows) if arguments.merge else measured(arguments, rows)
    if arguments.output:
        arguments.output.write_text(json.dumps(summary))
    if arguments.picture:
        draw(summary["results"], arguments.picture)
    print(result_table(summary["results"], seconds))
    print_json(summary)


if __name__ == "__main__":
    run_all()
