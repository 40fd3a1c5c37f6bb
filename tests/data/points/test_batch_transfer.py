from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from laaf_lightning.data.points.batch_transfer import LastMoved


class Mover:
    def __init__(self) -> None:
        self.moves = 0

    def __call__(self) -> tuple[str, int]:
        self.moves += 1
        return "moved", self.moves


def test_the_same_batch_is_moved_once_and_another_again() -> None:
    last, move, one, other = LastMoved(), Mover(), [0.0], [0.0]
    first = last(one, move)
    assert [last(one, move) is first for _ in range(3)] == [True] * 3
    assert last(other, move) == ("moved", 2)  # equal numbers, but not the same object
    assert last(one, move) == ("moved", 3)


def test_a_move_that_fails_is_tried_again() -> None:
    last, batch, move = LastMoved(), [0.0], Mover()

    def fail() -> None:
        raise RuntimeError("out of memory")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="out of memory"):
            last(batch, fail)
    assert last(batch, move) == ("moved", 1)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_remember_nothing(copied: Callable[[LastMoved], LastMoved]) -> None:
    last, move, batch = LastMoved(), Mover(), [0.0]
    last(batch, move)
    copied(last)(batch, move)
    assert move.moves == 2
