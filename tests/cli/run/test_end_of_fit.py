from __future__ import annotations

import pytest

from laaf_lightning.cli.run.end_of_fit import when_in_words


@pytest.mark.parametrize(("seconds", "words"), [(None, "0.0 s"), (9.94, "9.9 s"), (100.0, "100 s"), (150.0, "2.5 min")])
def test_a_time_is_as_exact_as_it_is_of_use(seconds: float | None, words: str) -> None:
    assert when_in_words({}, 3, seconds, any_taken=True) == f" after 3 optimiser steps in {words}"


def test_a_fit_without_a_step_says_which_limit_allows_none() -> None:
    config = {"ckpt_path": "file.ckpt", "trainer": {"max_steps": 5, "max_epochs": -1}}
    expected = "; nothing was left to do: file.ckpt has 5 optimiser steps behind it and max_steps=5 allow no more"
    assert when_in_words(config, 5, 0.1, any_taken=False).startswith(expected)
    assert "the data allow no more" in when_in_words({"trainer": {}}, 0, 0.1, any_taken=False)
