"""What the help says."""

from __future__ import annotations

import pytest

from laaf_lightning.cli import main


@pytest.mark.parametrize("subcommand", [None, "fit", "predict"])
def test_help_of_every_subcommand_is_there(
    subcommand: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        main([*([] if subcommand is None else [subcommand]), "--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert text.startswith(f"usage: laaf{'' if subcommand is None else f' {subcommand}'} ")
    assert ("--slope_recovery.weight WEIGHT" in text) == (subcommand is not None)


def test_help_of_a_class_says_what_its_settings_mean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        main(["fit", "--model.help", "laaf_lightning.PINN"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert "scaling factor, > 0. (type: float, default: 1.0)" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
