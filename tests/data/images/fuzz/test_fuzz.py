"""Changed files come out of every reader read or refused, in a moment and in little memory."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laaf_lightning.data import DamagedFileError
from tests.data.images.fuzz.mutations import mutate
from tests.data.images.fuzz.targets import TARGETS

each_reader = pytest.mark.parametrize("reader", TARGETS)


@each_reader
def test_good_files_are_read(tmp_path: Path, reader: str) -> None:
    target = TARGETS[reader]
    file = tmp_path / target.name
    for good in target.files:
        file.write_bytes(target.packed(good))
        target.read(file)


@each_reader
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_in_the_place_of_others_are_read_or_refused(tmp_path: Path, reader: str, data: st.DataObject) -> None:
    target = TARGETS[reader]
    good = data.draw(st.sampled_from(target.files))
    start = data.draw(st.integers(0, len(good)))
    stop = data.draw(st.integers(start, min(len(good), start + 16)))
    file = tmp_path / target.name
    file.write_bytes(target.packed(good[:start] + data.draw(st.binary(max_size=16)) + good[stop:]))
    refused = None
    try:
        target.read(file)
    except DamagedFileError as error:
        refused = str(error)
    assert refused is None or str(file) in refused


def test_changes_are_the_same_for_the_same_seed_and_change_something() -> None:
    files = TARGETS["cifar"].files
    one, other, another = ([mutate(files, draw) for _ in range(200)] for draw in map(random.Random, (0, 0, 1)))
    assert one == other != another
    assert sum(content in files for content in one) < 20


def fuzzed(*arguments: str) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "tests.data.images.fuzz", *arguments]
    root = Path(__file__).parents[4]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_changed_files_are_read_or_refused_in_a_process_with_limits() -> None:
    for figures in fuzzed(*TARGETS, "--count", "200"):
        assert figures["refused"] > 100  # type: ignore[operator]
        assert figures["refused"] + figures.get("read", 0) == figures["files"] == 200  # type: ignore[operator]


@pytest.mark.soak
@each_reader
def test_hundred_thousand_changed_files_are_read_or_refused(reader: str) -> None:
    (figures,) = fuzzed(reader, "--count", "100000", "--seed", "1")
    assert figures["refused"] + figures.get("read", 0) == 100_000  # type: ignore[operator]
