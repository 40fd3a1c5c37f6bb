from __future__ import annotations

from typing import Any

import pytest

from laaf_lightning.cli.run.same_settings import training_settings

CONFIG: dict[str, Any] = {
    "seed_everything": 0,
    "model": {"class_path": "PINN", "init_args": {"width": 20, "optimizer": {"init_args": {"lr": 0.1}}}},
    "data": {"class_path": "Data", "init_args": {"seed": 0, "batch_size": 64}},
    "trainer": {"max_steps": 10, "precision": 32, "callbacks": None},
    "slope_recovery": {"weight": 1.0},
    "ckpt_path": None,
}


def changed(*path: str, value: Any) -> dict[str, Any]:
    (first, *rest) = path
    inner = changed_in(CONFIG[first], rest, value) if rest else value
    return {**CONFIG, first: inner}


def changed_in(settings: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    (first, *rest) = path
    return {**settings, first: changed_in(settings[first], rest, value) if rest else value}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.init_args.width", 30), ("model.init_args.optimizer.init_args.lr", 0.2),
        ("data.init_args.batch_size", 32), ("trainer.precision", 64), ("slope_recovery.weight", 0.5),
    ],
)  # fmt: skip
def test_other_training(path: str, value: Any) -> None:
    assert training_settings(changed(*path.split("."), value=value)) != training_settings(CONFIG)


@pytest.mark.parametrize(
    ("path", "value"),
    [("trainer.max_steps", 20), ("ckpt_path", "a.ckpt"), ("seed_everything", 1), ("data.init_args.seed", 1)],
)
def test_the_same_training(path: str, value: Any) -> None:
    assert training_settings(changed(*path.split("."), value=value)) == training_settings(CONFIG)
