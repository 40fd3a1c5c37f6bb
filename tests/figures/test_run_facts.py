from __future__ import annotations

import math

import pytest

from laaf_lightning.figures import RunFacts


@pytest.mark.parametrize(
    ("facts", "error", "title"),
    [
        (RunFacts(), None, None),
        (RunFacts(step=0), None, "step 0"),
        (RunFacts(), 0.5, "relative L2 error 5.0e-1"),
        (RunFacts(step=7, n=2.5), 12.34, "step 7, relative L2 error 1.2e1, n = 2.5"),
        (RunFacts(scope="neuron", n=10.0), 0.0, "relative L2 error 0.0e0, neuron-wise slopes, n = 10"),
        (RunFacts(scope="channel", n=1.0), None, "channel-wise slopes, n = 1"),
        (RunFacts(scope="global", n=5.0), None, "global slope, n = 5"),
        (RunFacts(step=3, scope="layer"), math.nan, "step 3, relative L2 error nan, layer-wise slopes"),
        (RunFacts(), math.inf, "relative L2 error inf"),
    ],
)
def test_title_lists_what_is_known_and_nothing_else(facts: RunFacts, error: float | None, title: str | None) -> None:
    assert facts.title(error) == title


def test_fixed_activation_has_no_scaling_factor_to_name() -> None:
    assert RunFacts(scope="fixed", n=10.0).title() == "fixed activation"
