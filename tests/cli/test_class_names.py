from __future__ import annotations

from pathlib import Path

import pytest

from laaf_lightning.cli.class_names import about_missing_class, meant, module_exists


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("torch.optim.Adm", "torch.optim.Adam"),
        ("torch.optm.Adam", "torch.optim.Adam"),
        ("pytorch_lightning.calbacks.EarlyStoping", "pytorch_lightning.callbacks.EarlyStopping"),
        ("laaf_lightnin.Burgers", "laaf_lightning.Burgers"),
        ("users_problems.Wav", "users_problems.Wave"),
        ("user_problems.Wave", "users_problems.Wave"),
        ("zzzzzz.qqqqq", None),
        ("torch.optim.qqqqqqqqq", None),
        ("Adam", None),
    ],
)
def test_each_misspelt_part_is_replaced_by_the_nearest(
    name: str, expected: str | None, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "users_problems.py").write_text("class Wave: ...\nclass _Hidden: ...\n")
    monkeypatch.syspath_prepend(workplace)
    assert meant(name) == expected


def test_a_name_alone_is_compared_with_the_classes_that_the_key_takes() -> None:
    assert about_missing_class("Early", ["a.EarlyStopping", "a.Timer"]).endswith("did you mean 'a.EarlyStopping'?")
    assert about_missing_class("Early", []) == "there is no class 'Early'"


@pytest.mark.parametrize(("name", "exists"), [("torch.optim.X", True), ("torch.optm.X", False), ("X", False)])
def test_a_module_exists_or_not(name: str, exists: bool) -> None:
    assert module_exists(name) is exists
