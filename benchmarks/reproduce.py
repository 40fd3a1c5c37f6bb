"""Rerun the paper's experiments through the command line and print one table a job.

    python benchmarks/reproduce.py burgers --seeds 0 1 2 --output burgers.json
    python benchmarks/reproduce.py semeion --quick

Each row of a table is one `laaf fit` with overrides; each seed sets both initialisation and data. The last line is a
JSON object with every number, the versions and the thread count. `--part 0/2` runs every second run, so that two
processes share a job; `--merge` prints the table of the parts' files. Any other option goes to `laaf fit`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from report import circumstances, print_json, spread, table
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from laaf_lightning.cli import main

CONFIGS = Path(__file__).parent.parent / "configs"
NO_S = ["--slope_recovery.weight", "0"]
S_MEAN = ["--slope_recovery.weight", "1.0", "--slope_recovery.reduction", "mean"]
S_SUM = ["--slope_recovery.weight", "1.0", "--slope_recovery.reduction", "sum"]


def warm_up(steps: int) -> list[str]:
    return ["--slope_recovery.weight", "laaf_lightning.OffAfter", "--slope_recovery.weight.steps", str(steps)]


def scope(name: str) -> list[str]:
    return ["--model.scope", name]


METHODS: dict[str, list[str]] = {
    "fixed": [*scope("fixed"), *NO_S],
    "GAAF, no S": [*scope("global"), *NO_S],
    "L-LAAF, no S": [*scope("layer"), *NO_S],
    "N-LAAF, no S": [*scope("neuron"), *NO_S],
    "L-LAAF, S (mean)": [*scope("layer"), *S_MEAN],
    "N-LAAF, S (mean)": [*scope("neuron"), *S_MEAN],
    "L-LAAF, S (sum)": [*scope("layer"), *S_SUM],
    "N-LAAF, S (sum)": [*scope("neuron"), *S_SUM],
}
IMAGE_METHODS = {
    "fixed": METHODS["fixed"],
    "GAAF, S (mean)": [*scope("global"), *S_MEAN],
    "L-LAAF, S (mean)": METHODS["L-LAAF, S (mean)"],
    "N-LAAF, S (mean)": METHODS["N-LAAF, S (mean)"],
}


def with_warm_up(steps: int) -> dict[str, list[str]]:
    rows = {name: [*scope(s), *warm_up(steps)] for name, s in (("L-LAAF", "layer"), ("N-LAAF", "neuron"))}
    return METHODS | {f"{name}, S (mean) for {steps} steps": row for name, row in rows.items()}


KEPT = ("val/relative_l2", "epoch_train_loss", "test/accuracy")
JOBS: dict[str, dict[str, Any]] = {
    "burgers": {"suffix": "_paper", "methods": with_warm_up(100), "quick": ["--trainer.max_steps", "20"]},
    "discontinuous": {
        "suffix": "_paper",
        "methods": with_warm_up(2000),
        "quick": ["--trainer.max_steps", "1000"],
    },
    "semeion": {"methods": IMAGE_METHODS, "quick": ["--trainer.max_epochs", "2"]},
}
JOBS |= {
    name: {"methods": IMAGE_METHODS, "quick": ["--trainer.max_epochs", "1", "--data.train_size", "640"]}
    for name in ("mnist", "kmnist", "fashion_mnist", "cifar10", "cifar100", "svhn")
}


def run(job: str, overrides: list[str], seed: int) -> dict[str, Any]:
    """Fit once; return errors or losses and accuracy, the final slopes and the time."""
    with tempfile.TemporaryDirectory() as folder:
        args = [
            "fit",
            "--config",
            str(CONFIGS / f"{job}{JOBS[job].get('suffix', '')}.yaml"),
            *overrides,
            "--seed_everything",
            str(seed),
        ]
        args += ["--data.seed", str(seed), "--trainer.logger.init_args.save_dir", folder]
        args += ["--trainer.enable_progress_bar", "false", "--trainer.enable_checkpointing", "false"]
        args += ["--trainer.enable_model_summary", "false", "--figures.every_n_steps", "null", "--figures.dpi", "30"]
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            cli = main(args)
        seconds = time.perf_counter() - start
        events = EventAccumulator(str(cli.trainer.log_dir))
        events.Reload()
        tags = events.Tags()["scalars"]
    curves = {tag: {e.step + 1: e.value for e in events.Scalars(tag)} for tag in KEPT if tag in tags}
    slopes = {tag: events.Scalars(tag)[-1].value for tag in tags if tag.startswith("slope/")}
    return {"seed": seed, "seconds": seconds, "curves": curves, "slopes": slopes}


def result_table(job: str, results: dict[str, list[dict[str, Any]]]) -> str:
    """Write the Markdown table: median and range over seeds."""
    steps = {"burgers": ["2000"], "discontinuous": ["2000", "8000", "15000"]}.get(job)
    heads = [f"relative L2 at {step}" for step in steps] if steps else ["training loss", "test accuracy, %"]
    rows = []
    for method, runs in results.items():
        if steps:
            errors = [{str(step): value for step, value in r["curves"]["val/relative_l2"].items()} for r in runs]
            cells = [spread([values[step] for values in errors if step in values], "{:.3f}") for step in steps]
        else:
            cells = [spread([list(r["curves"]["epoch_train_loss"].values())[-1] for r in runs], "{:.1e}")]
            cells.append(spread([100 * list(r["curves"]["test/accuracy"].values())[-1] for r in runs]))
        ends = [v for r in runs for tag, v in r["slopes"].items() if tag.endswith("/mean")]
        rows.append([method, str(len(runs)), *cells, f"{min(ends):.1f}–{max(ends):.1f}" if ends else "1"])
    return table(["method", "seeds", *heads, "final n·a, layer means"], rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", help="rows to run; all by default")
    parser.add_argument(
        "--quick", action="store_true", help="one seed, every second row, a short run: checks that it works"
    )
    parser.add_argument("--augmented", action="store_true", help="image jobs with the overlay: 200 epochs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--part", default="0/1", help="i/k: every k-th run from the i-th")
    parser.add_argument("--output", type=Path, help="file for the results, written after every run")
    parser.add_argument("--merge", type=Path, nargs="+", help="print the table of these files; run nothing")
    # Whatever is not known here is an option of laaf fit; argparse itself cannot take options as positional arguments.
    arguments, overrides = parser.parse_known_args()
    arguments.overrides = overrides
    return arguments


def summary(job: str, results: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {"job": job, "date": time.strftime("%Y-%m-%d"), **circumstances(), "results": results}


def run_all() -> None:
    arguments = parse()
    results: dict[str, list[dict[str, Any]]] = {}
    if arguments.merge:
        for path in arguments.merge:
            for method, runs in json.loads(path.read_text())["results"].items():
                results.setdefault(method, []).extend(runs)
        results = {name: results[name] for name in JOBS[arguments.job]["methods"] if name in results}
        print(result_table(arguments.job, results))
        return
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    job = JOBS[arguments.job]
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    overlay = ["--config", str(CONFIGS / "augmented.yaml")] if arguments.augmented else []
    overrides = [*overlay, *arguments.overrides, *(job["quick"] if arguments.quick else [])]
    index, parts = (int(number) for number in arguments.part.split("/"))
    methods = arguments.methods or list(job["methods"])[:: 2 if arguments.quick else 1]
    grid = [(seed, method) for seed in seeds for method in methods]
    for seed, method in grid[index::parts]:
        results.setdefault(method, []).append(run(arguments.job, [*overrides, *job["methods"][method]], seed))
        if arguments.output:
            arguments.output.write_text(json.dumps(summary(arguments.job, results)))
    print(result_table(arguments.job, results))
    print_json(summary(arguments.job, results))


if __name__ == "__main__":
    run_all()
