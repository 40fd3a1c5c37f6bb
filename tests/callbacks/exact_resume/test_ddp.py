from __future__ import annotations

import pytest

from tests.callbacks.exact_resume.rank_cases import HOOKS
from tests.ranks import run_on_two_ranks

CASES = [f"tests.callbacks.exact_resume.rank_cases:{name}" for name in ("samples", "sets_of_images")]


@pytest.mark.long
@pytest.mark.slow
def test_two_ranks_go_on_bit_for_bit() -> None:
    for rank in run_on_two_ranks(CASES):
        assert rank == {case: {hook: [] for hook in HOOKS} for case in CASES}
