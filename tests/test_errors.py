from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laaf_lightning.errors import ConfigurationError, unknown_choice

SCOPES = ["fixed", "global", "layer", "channel", "neuron"]
NAMES = st.text("abcdefgh_", min_size=1, max_size=12)


def test_a_configuration_error_is_a_value_error() -> None:
    assert issubclass(ConfigurationError, ValueError)


@pytest.mark.parametrize(
    ("value", "near"), [("neurons", "neuron"), ("LAYER", "layer"), ("layr", "layer"), ("chan", "channel")]
)
def test_the_nearest_choice_is_named(value: str, near: str) -> None:
    expected = f"unknown scope {value!r}: valid are fixed, global, layer, channel, neuron; did you mean {near!r}?"
    assert unknown_choice("scope", value, SCOPES) == expected


@pytest.mark.parametrize("value", ["zzz", "", 3])
def test_a_value_far_from_all_choices_gets_no_suggestion(value: object) -> None:
    assert unknown_choice("scope", value, SCOPES).endswith("valid are fixed, global, layer, channel, neuron")


def test_of_dotted_names_the_last_part_is_compared() -> None:
    text = unknown_choice("data", "other.Semeon", ["pkg.CollocationDataModule", "pkg.SemeionDataModule"])
    assert text.endswith("did you mean 'pkg.SemeionDataModule'?")


def test_an_empty_list_of_choices_is_no_error() -> None:
    assert unknown_choice("scope", "x", []) == "unknown scope 'x': valid are "


@given(st.lists(NAMES, min_size=1, max_size=5, unique=True), st.data())
def test_a_choice_in_capitals_is_its_own_nearest(names: list[str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(names))
    assert unknown_choice("key", name.upper(), names).endswith(f"did you mean {name!r}?")


@given(NAMES, st.lists(NAMES, max_size=5))
def test_every_choice_is_listed(value: str, names: list[str]) -> None:
    assert f"valid are {', '.join(names)}" in unknown_choice("key", value, names)
