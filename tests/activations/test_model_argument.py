from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from laaf_lightning.activations import adapt, named_slopes, slope_recovery
from laaf_lightning.errors import ConfigurationError


@pytest.mark.parametrize("use", [adapt, slope_recovery, lambda model: list(named_slopes(model))])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (nn.Linear, r"^model=Linear is a class: give an instance, model=Linear\(…\)$"),
        ("mlp", "^model='mlp' is no model: give a torch.nn.Module$"),
        (None, "^model=None is no model"),
    ],
)
def test_classes_and_names_are_no_models(use: Any, given: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        use(given)
