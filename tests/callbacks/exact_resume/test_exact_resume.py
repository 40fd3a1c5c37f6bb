"""A run that is resumed from any hook has the bits of the run that was never cut off."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.callbacks.exact_resume.runs import Net, Outcome, differences, loader, run

pytestmark = pytest.mark.filterwarnings(
    "ignore:The 'train_dataloader' does not:UserWarning", "ignore:It is recommended"
)

Job = tuple[Callable[[], Any], Callable[[], Any], dict[str, Any]]
STEPS: dict[str, Any] = {"max_epochs": -1}
JOBS: dict[str, Job] = {
    "epochs": (Net, loader, {}),
    "steps": (Net, loader, {**STEPS, "max_steps": 13}),
    "a scheduler of epochs": (partial(Net, "step"), loader, {}),
    "a scheduler of a metric": (partial(Net, "plateau"), loader, {}),
    "a scheduler of a metric, steps": (partial(Net, "plateau"), loader, {**STEPS, "max_steps": 15}),
    "validation within epochs": (Net, loader, {"val_check_interval": 2}),
    "accumulation": (Net, loader, {"accumulate_grad_batches": 2}),
    "accumulation that does not divide": (Net, loader, {"accumulate_grad_batches": 3, "val_check_interval": 2}),
    "part of the data": (Net, loader, {"limit_train_batches": 3}),
    "validation every second epoch": (Net, loader, {"check_val_every_n_epoch": 2}),
    "every second epoch, steps": (Net, loader, {**STEPS, "max_steps": 14, "check_val_every_n_epoch": 2}),
    "no validation": (Net, loader, {"limit_val_batches": 0}),
    "bf16": (Net, loader, {"precision": "bf16-mixed"}),
    "a generator of its own": (Net, lambda: loader(generator=torch.Generator().manual_seed(3)), {}),
}
WORKERS: dict[str, Any] = {"num_workers": 2}
SLOW_JOBS: dict[str, Job] = {
    "workers": (Net, partial(loader, **WORKERS), {}),
    "workers that persist": (Net, partial(loader, persistent_workers=True, **WORKERS), {}),
}


def wrong(job: Job, folder: Path, files: slice) -> dict[str, list[str]]:
    """Name what differs in runs that are resumed from some of the checkpoints of a whole run."""
    module, data, settings = job
    whole, records_at = run(module, data, folder=folder, **settings)
    alone, _ = run(module, data, **settings)
    assert not list(differences(whole.values, alone.values)), "saving disturbs the run"
    found = {}
    for file in sorted(folder.glob("*.ckpt"))[files]:
        rest = whole.records[records_at[int(file.name[:3])] :]
        if settings.get("max_steps") == torch.load(file, weights_only=True)["global_step"] or len(rest) <= 4:
            continue  # nothing is left to do
        resumed, _ = run(module, data, checkpoint=file, **settings)
        found[file.name] = [*differences(whole.values, resumed.values), *missing_records(rest, resumed)]
    assert found
    return {name: what for name, what in found.items() if what}


def missing_records(rest: list[Any], resumed: Outcome) -> list[str]:
    """Compare what was logged after the save."""
    if in_order(rest) == in_order(resumed.records):
        return []
    return [f"logged {resumed.records[:6]} …, not {rest[:10]} …"]


def in_order(records: list[Any]) -> list[Any]:
    """Sort what was logged at one step, where a resumed run names the epoch first."""
    return sorted(records, key=lambda record: (record[0], record[1]))


@pytest.mark.parametrize("name", JOBS)
def test_resumed_from_any_hook(name: str, tmp_path: Path) -> None:
    offset = [*JOBS].index(name) % 7  # another part of the hooks in every job; all of them below
    assert not wrong(JOBS[name], tmp_path, slice(offset, None, 7))


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_JOBS)
def test_resumed_with_workers(name: str, tmp_path: Path) -> None:
    assert not wrong(SLOW_JOBS[name], tmp_path, slice(5, None, 11))


@pytest.mark.soak
@pytest.mark.parametrize("name", [*JOBS, *SLOW_JOBS])
def test_resumed_from_every_hook(name: str, tmp_path: Path) -> None:
    assert not wrong({**JOBS, **SLOW_JOBS}[name], tmp_path, slice(None))
