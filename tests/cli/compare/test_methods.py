from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from laaf_lightning.cli.compare.methods import methods_of
from laaf_lightning.cli.compare.read_run import Run
from tests.cli.compare.made_runs import config, outcome


def runs(*configs: dict[str, Any]) -> list[Run]:
    return [Run(Path(f"run{number}"), told, outcome(), {}) for number, told in enumerate(configs)]


def labels(*configs: dict[str, Any]) -> list[str]:
    return [method.label for method in methods_of(runs(*configs))]


def test_scopes_have_the_papers_names() -> None:
    scopes = ("fixed", "global", "layer", "channel", "neuron")
    assert labels(*map(config, scopes)) == ["fixed", "GAAF", "L-LAAF", "channel", "N-LAAF"]


def test_runs_that_differ_in_seeds_are_one_method_in_the_order_of_seeds() -> None:
    methods = methods_of(runs(config(seed=10), config("neuron", seed=0), config(seed=9), config(seed=1)))
    assert [(m.label, [r.config["seed_everything"] for r in m.runs]) for m in methods] == [
        ("L-LAAF", [1, 9, 10]),
        ("N-LAAF", [0]),
    ]
    assert methods[1].differs == {"scope": "neuron"}


def test_one_method_alone_is_named_by_its_scope_or_its_model() -> None:
    assert labels(config(seed=0), config(seed=1)) == ["L-LAAF"]
    assert labels({"model": {"class_path": "own.Net", "init_args": {}}}) == ["Net"]


def test_slope_recovery_in_words() -> None:
    def weighted(weight: Any) -> dict[str, Any]:
        return {**config(), "slope_recovery": {"weight": weight, "reduction": "mean"}}

    def scheduled(name: str, **args: Any) -> dict[str, Any]:
        return weighted({"class_path": f"laaf_lightning.{name}", "init_args": args})

    told = [
        *map(weighted, (0.0, 1.0, 0.5)),
        scheduled("OffAfter", steps=100),
        scheduled("LinearDecay", steps=100, weight=0.5),
        scheduled("CosineDecay", steps=100),
        scheduled("Power", weight=2.0),
    ]
    assert labels(*told) == [
        "S off",
        "S on",
        "0.5 S",
        "S off after 100",
        "0.5 S linearly off until 100",
        "S as a cosine off until 100",
        "2 S Power",
    ]
    assert labels(config("fixed"), config("layer"), config("layer", off_after=None)) == [
        "fixed",
        "L-LAAF, S off after 100",
        "L-LAAF, S off",
    ]


@pytest.mark.parametrize(
    ("ours", "other", "expected"),
    [
        ({"n": 1.0}, {"n": 10.0}, ["n = 1", "n = 10"]),
        ({"compile": False}, {"compile": True}, ["no compile", "compile"]),
        ({"width": 20}, {"width": 50}, ["width 20", "width 50"]),
        ({"slope_lr": None}, {"slope_lr": 0.01}, ["no slope_lr", "slope_lr 0.01"]),
        ({"a": "/x/" + "y" * 50 + "1"}, {"a": "/x/" + "y" * 50 + "2"}, [f"a {'y' * 39}…", f"a {'y' * 39}… (2)"]),
    ],
)
def test_other_settings_in_words(ours: dict[str, Any], other: dict[str, Any], expected: list[str]) -> None:
    assert labels(config(**ours), config(**other)) == expected


def test_a_long_label_tells_no_more_than_what_sets_methods_apart() -> None:
    def told(scope: str, word: str, number: int) -> dict[str, Any]:
        made = config(scope, off_after=None, width=number, depth=number, first=word * 20, second=word * 20)
        return {**made, "trainer": {"max_steps": number}}

    assert labels(told("fixed", "a", 1), told("layer", "b", 2), told("layer", "b", 3)) == [
        f"fixed, width 1, depth 1, first {'a' * 20}",
        f"L-LAAF, width 2, depth 2, first {'b' * 20}",
        f"L-LAAF, width 3, depth 3, first {'b' * 20}",
    ]
    (fixed, *_) = methods_of(runs(told("fixed", "a", 1), told("layer", "b", 2)))
    assert list(fixed.differs) == ["scope", "width", "depth", "first", "second", "max_steps"]


def test_jobs_optimisers_and_resumed_runs_in_words() -> None:
    sgd = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.01}}
    assert labels(config(), config(optimizer=sgd)) == ["Adam, lr 0.001", "SGD, lr 0.01"]
    digits = {**config(), "data": {"class_path": "laaf_lightning.SemeionDataModule", "init_args": {}}}
    assert labels(config(), digits) == ["DiscontinuousFunction", "Semeion"]
    assert labels(config(), {**config(), "ckpt_path": "runs/a/last.ckpt"}) == ["L-LAAF", "from last.ckpt"]
    frozen = [{**config(), "freeze_slopes": {"steps": steps}} for steps in (0, 500)]
    assert labels(*frozen) == ["freeze_slopes steps 0", "freeze_slopes steps 500"]
    both = [{**config(size=1), "data": {"size": 1}}, {**config(size=2), "data": {"size": 2}}]
    assert labels(*both) == ["model.size 1, data.size 1", "model.size 2, data.size 2"]
