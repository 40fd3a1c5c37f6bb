from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from laaf_lightning.callbacks.slope_recovery.slope_statistics import slope_statistics

few = settings(max_examples=50, deadline=None)
layers = st.dictionaries(
    st.text("abc.", min_size=1, max_size=5),
    st.lists(st.floats(-10, 10), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)


@few
@given(layers)
def test_values_equal_numpys_population_statistics(values: dict[str, list[float]]) -> None:
    metrics, crossed = slope_statistics({k: torch.tensor(v, dtype=torch.float64) for k, v in values.items()})
    expected = {}
    for name, slopes in values.items():
        mean, std = np.mean(slopes), np.std(slopes)
        expected[f"slope/{name}/mean"] = mean
        if len(slopes) > 1:
            expected |= {f"slope/{name}/std": std, f"slope/{name}/lower": mean - std, f"slope/{name}/upper": mean + std}
    assert metrics == pytest.approx(expected, abs=1e-12)
    assert list(metrics) == list(expected)
    assert crossed == any(slope <= 0 for slopes in values.values() for slope in slopes)


def test_all_dimensions_of_a_layer_count_and_its_graph_is_not_used() -> None:
    slope = torch.arange(24.0).reshape(2, 3, 4).requires_grad_()
    metrics, _ = slope_statistics({"conv": slope, "one": torch.ones(1, 1)})
    assert metrics["slope/conv/mean"] == 11.5
    assert metrics["slope/conv/std"] == pytest.approx(np.std(np.arange(24)))
    assert "slope/one/std" not in metrics


def test_a_slope_that_is_not_a_number_is_seen() -> None:
    metrics, crossed = slope_statistics({"a": torch.tensor([1.0, float("nan")])})
    assert np.isnan(metrics["slope/a/mean"])
    assert not crossed
