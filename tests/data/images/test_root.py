from __future__ import annotations

from pathlib import Path

import pytest

from laaf_lightning.data.images.root import data_root


def test_argument_goes_before_variable_before_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAAF_DATA_ROOT", raising=False)
    assert data_root() == Path("data")
    monkeypatch.setenv("LAAF_DATA_ROOT", "elsewhere")
    assert data_root() == Path("elsewhere")
    assert data_root("given") == Path("given")


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAAF_DATA_ROOT", "")
    assert data_root() == Path("data")


def test_tilde_is_the_home_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root("~/sets") == tmp_path / "sets"
