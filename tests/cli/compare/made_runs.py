"""Folders of runs, written by hand."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from torch.utils.tensorboard.writer import SummaryWriter

Curves = Mapping[str, Mapping[int, float]]


def config(scope: str = "layer", seed: int = 0, off_after: int | None = 100, **model: Any) -> dict[str, Any]:
    """The settings of a run, in the form of a saved ``config.yaml``."""
    off = {"class_path": "laaf_lightning.OffAfter", "init_args": {"weight": 1.0, "steps": off_after}}
    adam = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.001, "betas": [0.9, 0.999]}}
    return {
        "seed_everything": seed,
        "trainer": {"max_steps": 600, "logger": {"class_path": "TensorBoardLogger"}, "callbacks": None},
        "model": {
            "class_path": "laaf_lightning.FunctionRegressor",
            "init_args": {"width": 50, "scope": scope, "n": 10.0, "optimizer": adam, **model},
        },
        "data": {"class_path": "laaf_lightning.DiscontinuousFunctionDataModule", "init_args": {"seed": 0}},
        "slope_recovery": {"weight": off if off_after else 0.0, "operator": "exp", "reduction": "mean"},
        "figures": {"dpi": 150 + seed},
        "ckpt_path": None,
    }


def outcome(seconds: float | None = 5.0, best: float | None = None, **metrics: float) -> dict[str, Any]:
    """What ``outcome.json`` holds; two underscores stand for a stroke."""
    named = {name.replace("__", "/"): value for name, value in metrics.items()}
    tag = next((name for name in named if name.startswith("val/")), None)
    kept = None if best is None else {"metric": tag, "value": best, "checkpoint": "best.ckpt"}
    return {"metrics": named, "steps": 600, "seconds": seconds, "engine": None, "settings": {}, "best": kept}


def make_run(
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    ended: Mapping[str, Any] | None = None,
    curves: Curves | None = None,
    *,
    as_csv: bool = False,
) -> Path:
    """Write a run; without `ended` it was killed."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(settings or config())), encoding="utf-8")
    if ended is not None:
        (folder / "outcome.json").write_text(json.dumps(ended), encoding="utf-8")
    if curves is not None:
        (_write_csv if as_csv else _write_events)(folder, curves)
    return folder


def _write_events(folder: Path, curves: Curves) -> None:
    with SummaryWriter(str(folder)) as writer:
        for tag, values in curves.items():
            for step, value in values.items():
                writer.add_scalar(tag, value, step)


def _write_csv(folder: Path, curves: Curves) -> None:
    with (folder / "metrics.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["epoch", "step", *sorted(curves)])
        writer.writeheader()
        for tag, values in curves.items():
            writer.writerows({"step": step, "epoch": 0, tag: value} for step, value in values.items())
