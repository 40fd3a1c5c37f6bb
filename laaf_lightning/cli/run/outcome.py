"""What came out of a run: a dict for programs, a sentence for the terminal, columns for a comparison of runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger

from laaf_lightning._version import __version__ as own_version
from laaf_lightning.cli.run.best_checkpoint import BestCheckpoint
from laaf_lightning.cli.run.label import adaptation_of, describe_weight
from laaf_lightning.whole_files import write_whole_text

FILE = "outcome.json"
_POOLED = "relative_l2"
_KNOWN_METRICS = {
    "test/relative_l2": "relative L2 error {:.4g}",
    "test/accuracy": "test accuracy {:.2%}",
    "val/relative_l2": "relative L2 error {:.4g}",
    "val/accuracy": "validation accuracy {:.2%}",
}


def outcome_of(trainer: Trainer, model: LightningModule, config: Any, seconds: float | None) -> dict[str, Any]:
    """Collect what came out of a run.

    Args:
        trainer: after it has done what was asked for.
        model: its module.
        config: the settings of the subcommand.
        seconds: that fit took; None where there was none.

    Returns:
        Plain values: ``metrics``, ``steps``, ``seconds``, ``engine``, ``settings`` (the columns of a comparison),
        ``best`` (metric, value, step and checkpoint; None without validation) and ``versions``.
    """
    best = next((c for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint)), None)
    score = None if best is None or best.best_model_score is None else float(best.best_model_score)
    return {
        "metrics": {name: float(value) for name, value in trainer.callback_metrics.items()},
        "steps": trainer.global_step,
        "logged_at": getattr(model, "logged_at", None),
        "seconds": None if seconds is None else round(seconds, 3),
        "engine": getattr(model, "engine_in_words", None),
        "settings": settings_of(config, model),
        "best": None
        if best is None or score is None
        else {"metric": best.monitor, "value": score, "checkpoint": best.best_model_path},
        "versions": {
            "laaf_lightning": own_version,
            "torch": torch.__version__,
            "pytorch_lightning": version("pytorch-lightning"),
        },
    }


def settings_of(config: Any, model: LightningModule) -> dict[str, Any]:
    """Say what distinguishes a run from others.

    Args:
        config: the settings of the subcommand.
        model: its module.

    Returns:
        Plain values by column.
    """
    init_args = _init_args(config.get("model"))
    adapted = adaptation_of(config)
    recovery = config.get("slope_recovery") or {}
    weight, schedule = describe_weight(recovery.get("weight", 0.0))
    data = _init_args(config.get("data"))
    optimizer = init_args.get("optimizer")
    columns = {
        "model": type(model).__name__,
        "scope": init_args.get("scope", adapted.get("scope")),
        "n": init_args.get("n", adapted.get("n")),
        "S_weight": weight,
        "S_schedule": schedule if weight else "off",
        "S_reduction": recovery.get("reduction"),
        "optimizer": _class_name(optimizer) if optimizer is not None else "Adam",
        "lr": _init_args(optimizer).get("lr"),
        "engine": getattr(model, "engine_in_words", None),
        "seed": config.get("seed_everything"),
        "points": data.get("num_residual", data.get("num_points")),
        "batch_size": data.get("batch_size"),
        "precision": (config.get("trainer") or {}).get("precision"),
    }
    return {name: _plain(value) for name, value in columns.items() if value is not None}


def in_words(outcome: Mapping[str, Any]) -> str:
    """Write the metrics that matter, or else the first few of a foreign module.

    Args:
        outcome: of `outcome_of`.

    Returns:
        A clause; ``"finished"`` where nothing was measured.
    """
    metrics = outcome["metrics"]
    known = [
        text.format(metrics[name]) + _by_unknown(metrics, name)
        for name, text in _KNOWN_METRICS.items()
        if name in metrics
    ]
    stage = "test/" if any(name.startswith("test/") for name in metrics) else "val/"
    known += [
        f"{name.partition('/')[2].removesuffix('_error')} off by {value:.2%}"
        for name, value in metrics.items()
        if name.startswith(stage) and name.endswith("_error") and "_l2_" not in name
    ]
    if not known and "train/loss" in metrics:
        at, steps = outcome["logged_at"], outcome["steps"]
        stale = f" (of step {at})" if at not in {None, 0, steps} else ""
        known = [f"last logged training loss {metrics['train/loss']:.4g}{stale}"]
    others = [f"{name} {value:.4g}" for name, value in metrics.items() if not name.startswith("slope")]
    return ", ".join(known or others[:3]) or "finished"


def best_in_words(outcome: Mapping[str, Any]) -> str:
    """Write where the best network lies.

    Args:
        outcome: of `outcome_of`.

    Returns:
        A clause that begins with ``"; "``; empty without one.
    """
    best = outcome["best"]
    if best is None:
        return ""
    value = f"{best['value']:.2%}" if best["metric"].endswith("accuracy") else f"{best['value']:.4g}"
    return f"; the best, {value}, is kept in {_from_here(best['checkpoint'])}"


def keep(outcome: Mapping[str, Any], trainer: Trainer, folder: Path | None) -> None:
    """Write an outcome beside the run's logs and into its loggers, TensorBoard's HPARAMS among them.

    Args:
        outcome: of `outcome_of`.
        trainer: whose loggers get it.
        folder: the run's; None writes no file. A number that is not finite is null there, as JSON has no other.
    """
    if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
        return
    if folder is not None:
        text = json.dumps(_finite(outcome), indent=1, allow_nan=False)
        write_whole_text(folder / FILE, text + "\n", "outcome")
    measured = {
        f"final/{name}": value for name, value in outcome["metrics"].items() if name.startswith(("val/", "test/"))
    }
    measured |= {"final/train_loss": loss} if (loss := outcome["metrics"].get("train/loss")) is not None else {}
    measured |= {"final/seconds": outcome["seconds"]} if outcome["seconds"] else {}
    measured |= {"final/best": outcome["best"]["value"]} if outcome["best"] else {}
    if not measured:
        return
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(dict(outcome["settings"]), metrics=measured, step=outcome["steps"])
        else:
            logger.log_metrics(measured, step=outcome["steps"])
        logger.save()


def _by_unknown(metrics: Mapping[str, float], name: str) -> str:
    """Write the errors of several unknowns, in brackets behind the error of all."""
    errors = {"relative": "{} {:.4g}", "absolute": "{} {:.4g} absolute, its exact values being zero"}
    stage, _, metric = name.partition("/")
    told = [
        text.format(other.removeprefix(f"{stage}/{kind}_l2_"), value)
        for other, value in metrics.items()
        for kind, text in errors.items()
        if metric == _POOLED and other.startswith(f"{stage}/{kind}_l2_")
    ]
    return f" ({', '.join(told)})" if told else ""


def _finite(value: Any) -> Any:
    """Put None in the place of numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _from_here(path: str) -> str:
    """Write a path as it is named from the working folder, where it lies there."""
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path


def _class_name(setting: Any) -> str:
    name = str(setting.get("class_path") if hasattr(setting, "get") else setting).rpartition(".")[2]
    stages = _init_args(setting).get("optimizers") or []
    return " + ".join(map(_class_name, stages)) or name


def _init_args(setting: Any) -> Any:
    return (setting.get("init_args") if hasattr(setting, "get") else None) or {}


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str)) else str(value)
