from __future__ import annotations

from typing import Any

import pytest
from jsonargparse import Namespace

from laaf_lightning.cli.run.label import describe_weight, label_of

OFF_AFTER = {"class_path": "laaf_lightning.OffAfter", "init_args": {"weight": 1.0, "steps": 100}}


def config(scope: Any = "layer", n: Any = 10.0, label: str = "auto", **recovery: Any) -> Any:
    init_args = {name: value for name, value in (("scope", scope), ("n", n)) if value is not None}
    return {
        "run_label": label,
        "model": {"class_path": "laaf_lightning.PINN", "init_args": init_args},
        "slope_recovery": {"weight": 1.0, "reduction": "mean", **recovery},
    }


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        (config(), "layer-n10-recovery"),
        (config("neuron", 2.5, weight=0.0), "neuron-n2.5"),
        (config(weight=OFF_AFTER), "layer-n10-warmup100"),
        (
            config(weight={"class_path": "laaf_lightning.CosineDecay", "init_args": {"weight": 0.5, "steps": 20}}),
            "layer-n10-cosine20x0.5",
        ),
        (config(weight={"class_path": "mine.Steps"}), "layer-n10-steps"),
        (config(weight=2.0, reduction="sum"), "layer-n10-recoveryx2-sum"),
        (config("fixed"), "fixed"),
        (config(None), ""),
        (config(label="my run/é"), "my-run-é"),
        (config(label=""), ""),
        ({"model": "some.Module", "slope_recovery": None}, ""),
        ({}, ""),
    ],
)
def test_a_run_is_named_after_its_slopes_and_their_recovery(settings: Any, label: str) -> None:
    assert label_of(settings) == label
    assert label_of(Namespace(**settings)) == label  # type: ignore[no-untyped-call]


def test_a_weight_is_a_number_and_a_schedule() -> None:
    assert describe_weight(0.5) == (0.5, "constant")
    assert describe_weight(None) == (0.0, "constant")
    assert describe_weight(OFF_AFTER) == (1.0, "OffAfter(100)")
