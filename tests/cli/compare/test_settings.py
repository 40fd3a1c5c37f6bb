from __future__ import annotations

from typing import Any

from laaf_lightning.cli.compare.settings import differing, seed_of, settings_of
from tests.cli.compare.made_runs import config


def differences(*configs: dict[str, Any]) -> list[str]:
    return differing([settings_of(told) for told in configs])


def test_seeds_figures_logs_and_labels_make_no_difference() -> None:
    other = {**config(seed=3), "run_label": "mine", "test_after_fit": True, "epoch_train_loss": {"enabled": True}}
    other["trainer"] = {**other["trainer"], "logger": None, "log_every_n_steps": 5, "enable_progress_bar": False}
    other["data"] = {**other["data"], "init_args": {"seed": 4, "root": "/data"}}
    assert differences(config(), other) == []
    assert seed_of(other) == "3, data.seed 4"


def test_what_has_no_effect_makes_no_difference() -> None:
    assert differences(config("fixed", n=1.0), config("fixed", n=10.0, off_after=None)) == []
    off = config(off_after=None)
    assert differences(off, {**off, "slope_recovery": {**off["slope_recovery"], "reduction": "sum"}}) == []
    points = {"enabled": False, "power": 1.0}
    assert differences({**off, "resample": points}, {**off, "resample": {**points, "power": 2.0}}) == []
    assert differences({**off, "resample": points}, {**off, "resample": {**points, "enabled": True}}) == ["resample"]
    constant = {"class_path": "laaf_lightning.ConstantWeight", "init_args": {"weight": 1.0}}
    assert (
        differences({**off, "slope_recovery": {"weight": 1.0}}, {**off, "slope_recovery": {"weight": constant}}) == []
    )


def test_the_paper_comes_first_and_then_all_else() -> None:
    other = config("neuron", off_after=50, width=20, n=1.0)
    other["trainer"] = {**other["trainer"], "max_steps": 300}
    assert differences(config(), other) == [
        "model.scope",
        "model.n",
        "slope_recovery.schedule",
        "model.width",
        "trainer.max_steps",
    ]


def test_arguments_of_different_classes_are_not_compared_but_the_learning_rate() -> None:
    def with_optimizer(name: str, **args: Any) -> dict[str, Any]:
        return config(optimizer={"class_path": f"torch.optim.{name}", "init_args": args})

    adam, adamw = with_optimizer("Adam", lr=0.1, eps=1e-8), with_optimizer("AdamW", lr=0.2, eps=1e-6, weight_decay=0.1)
    assert differences(adam, adamw) == ["model.optimizer", "model.optimizer.lr"]
    lbfgs = [with_optimizer("LBFGS", lr=0.1, history_size=size) for size in (10, 20)]
    assert differences(adam, *lbfgs) == ["model.optimizer", "model.optimizer.history_size"]
    # A run of an older version knows less.
    assert differences(config(), config(new_setting=None)) == []


def test_lists_of_classes_are_named_by_all_of_them() -> None:
    stages = [{"class_path": f"torch.optim.{name}", "init_args": {"lr": 0.1}} for name in ("Adam", "LBFGS")]
    sequence = {"class_path": "laaf_lightning.SequentialOptimizer", "init_args": {"optimizers": stages}}
    flat = settings_of({**config(optimizer=sequence), "trainer": {"callbacks": [{"class_path": "a.SWA"}]}})
    assert flat["model.optimizer"] == flat["model.optimizer.optimizers"] == "Adam + LBFGS"
    assert flat["model.optimizer.optimizers.1.lr"] == 0.1
    assert flat["trainer.callbacks"] == "SWA"


def test_schedules_of_ones_own_keep_their_arguments() -> None:
    def with_schedule(power: int) -> dict[str, Any]:
        weight = {"class_path": "own.Power", "init_args": {"weight": 2.0, "power": power}}
        return {**config(), "slope_recovery": {"weight": weight}}

    assert settings_of(with_schedule(3))["slope_recovery.schedule"] == "Power"
    assert differences(with_schedule(3), with_schedule(4)) == ["slope_recovery.weight.power"]
