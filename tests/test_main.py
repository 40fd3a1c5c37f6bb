"""The entry of the console script."""

from __future__ import annotations

import sys

import pytest

from laaf_lightning import __main__


def test_ctrl_c_while_the_libraries_are_imported_ends_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "laaf_lightning.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "laaf_lightning.cli", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupted, *sys.meta_path])
    with pytest.raises(SystemExit) as caught:
        __main__.cli()
    assert caught.value.code == 130
    assert capsys.readouterr().err == "laaf: stopped by Ctrl-C before anything was begun\n"
