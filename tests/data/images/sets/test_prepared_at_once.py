"""Several processes that prepare one set at the same time."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from tests.data.images.sets.small_sets import Small, each_set

PROCESSES = 3


def prepare(small: Small, root: Path, results: Any) -> None:
    data = small.data(root)
    data.prepare_data()
    data.setup("fit")
    images, labels = next(iter(data.train_dataloader()))
    results.put((float(images.double().sum()), labels.tolist()))


@pytest.mark.slow
@each_set
def test_all_of_them_read_the_same(small: Small, tmp_path: Path) -> None:
    small.module.addresses = (small.mirror(tmp_path / "mirror"),)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    processes = [context.Process(target=prepare, args=(small, tmp_path / "new", results)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    said = [results.get() for _ in range(PROCESSES)]
    assert said[1:] == said[:1] * (PROCESSES - 1)
    assert not [*(tmp_path / "new").rglob("*.unfinished"), *(tmp_path / "new").rglob("*.part")]
