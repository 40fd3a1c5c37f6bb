"""Every notebook runs from top to bottom."""

from __future__ import annotations

from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
SHOWN = {  # by notebook: steps of a training in the test, figures, and what is printed among other things
    "any_model": (
        6,
        2,
        [
            "training mode: equal bit for bit: True",
            "evaluation mode: equal bit for bit: True",
            "with slopes, 6 steps, seeds 0–1: test accuracy",
            "without slopes, 6 steps, seeds 0–1: test accuracy",
            "layer4.0.adaptive_calls.relu_1  relu  in layer4.0.bn1",
            "layer4.0.adaptive_calls.relu_2  relu  kept: stands behind an addition",
            "5 slopes; after folding, torchvision's keys: True",
            "torch.export: largest difference",
            "the slopes are equal: True",
        ],
    ),
    "burgers": (40, 3, ["relative L2 error 0.", "after 40 steps"]),
    "own_equation": (40, 3, ["relative L2 error 0.", "after 40 steps"]),
}


def test_what_each_notebook_shows_is_known() -> None:
    assert [path.stem for path in NOTEBOOKS] == sorted(SHOWN)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_shows_figures_and_numbers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    steps, figures, texts = SHOWN[path.stem]
    monkeypatch.setenv("LAAF_NOTEBOOK_STEPS", f"{steps}")
    monkeypatch.setenv("LAAF_NOTEBOOK_SEEDS", "2")

    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300).execute()

    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    printed = "".join(output.get("text", "") for output in outputs)
    assert len(pictures) >= figures
    assert [text for text in texts if text not in printed] == []
