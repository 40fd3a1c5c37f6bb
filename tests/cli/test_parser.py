from __future__ import annotations

import importlib

import pytest

from laaf_lightning.cli.parser import explanation, known_classes

UNION = """Parser key "model":
  Does not validate against any of the Union subtypes
  Subtypes: [<class 'pytorch_lightning.core.module.LightningModule'>, <class 'NoneType'>]
  Errors:
    - Problem with given class_path 'laaf_lightning.PINN':
        Parser key "{key}":
          {reason}
    - Expected a <class 'NoneType'>
  Given value type: <class 'jsonargparse._util.NestedArg'>
  Given value: NestedArg(key='{key}', val='{value}')"""


def union(key: str, reason: str, value: str) -> str:
    return UNION.format(key=key, reason=reason, value=value)


def test_choices_inside_a_class_are_listed_under_the_whole_key() -> None:
    text = union("scope", "Expected a typing.Literal['layer', 'neuron']. Got value: layr", "layr")
    assert explanation(text) == "unknown model.scope 'layr': valid are layer, neuron; did you mean 'layer'?"


def test_choices_of_several_types_are_listed_together_and_once() -> None:
    text = (
        'Parser key "precision":\n  Errors:\n    - Expected a typing.Literal[64, 32]\n'
        "    - Expected a typing.Literal['64', '16-mixed']\n  Given value type: <class 'str'>\n  Given value: 12"
    )
    assert explanation(text) == "unknown precision '12': valid are 64, 32, 16-mixed"


def test_a_wrong_type_keeps_its_words_without_the_frame() -> None:
    text = union("n", "Expected a <class 'float'>. Got value: ten", "ten")
    assert explanation(text) == (
        "model.n: Problem with given class_path 'laaf_lightning.PINN': Expected a float. Got value: ten"
    )


def test_an_unknown_message_passes_through() -> None:
    assert explanation("something   new\n in a later version") == "something new in a later version"


@pytest.mark.parametrize(
    ("key", "some", "none"),
    [
        ("model", {"laaf_lightning.PINN", "laaf_lightning.ImageClassifier"}, {"laaf_lightning.AdaptiveModule"}),
        ("data", {"laaf_lightning.SemeionDataModule"}, {"laaf_lightning.IDXDataModule"}),
        ("problem", {"laaf_lightning.Burgers"}, {"laaf_lightning.PDE"}),
        ("weight", {"laaf_lightning.OffAfter"}, {"laaf_lightning.WeightSchedule"}),
        ("optimizer", {"torch.optim.Adam", "laaf_lightning.SelfScaledBroyden"}, {"torch.optim.Optimizer"}),
        ("lr_scheduler", {"torch.optim.lr_scheduler.StepLR"}, {"torch.optim.lr_scheduler.LRScheduler"}),
    ],
)
def test_known_classes_can_all_be_imported_and_none_is_a_base(key: str, some: set[str], none: set[str]) -> None:
    classes = set(known_classes(key))
    assert some <= classes
    assert not none & classes
    for path in classes:
        module, _, name = path.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), name), type)


def test_other_keys_have_no_classes_of_ours() -> None:
    assert known_classes("logger")[0] == "pytorch_lightning.loggers.CSVLogger"
    assert known_classes("strategy") == []
