from __future__ import annotations

import pytest
from _pytest.outcomes import Failed, Skipped

from tests.conftest import end_without_kernel


@pytest.mark.parametrize(
    ("ci", "platform", "outcome"),
    [("true", "linux", Failed), ("", "linux", Skipped), (None, "linux", Skipped), ("true", "win32", Skipped)],
)
def test_without_a_compiler_a_gate_fails_and_other_runs_skip(
    ci: str | None, platform: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.delenv("CI", raising=False) if ci is None else monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no compiler"):
        end_without_kernel("there is no compiler")
