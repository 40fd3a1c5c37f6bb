from __future__ import annotations

from typing import Any

import pytest

from laaf_lightning.callbacks.finite_guard.guarded_fit import GuardedFit


@pytest.fixture(params=["read at each step", "read at checks"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """As on a CPU, or as on an accelerator, where nothing may be read between checks."""
    if request.param == "read at checks":
        construct = GuardedFit.__init__

        def without_reading(self: GuardedFit, *args: Any) -> None:
            construct(self, *args)
            self._reads_losses = self._reads_gradients = False

        monkeypatch.setattr(GuardedFit, "__init__", without_reading)
    return str(request.param)
