from __future__ import annotations

import pytest
import yaml

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.untrusted.yaml_texts import read_yaml
from tests.untrusted.bombs import laughs


@pytest.mark.parametrize("text", [laughs(), f"a: &a {'x' * 200_000}\nb: [{', '.join(['*a'] * 20)}]"])
def test_anchors_that_stand_for_too_much_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="a file: its anchors stand for more than 10000 values"):
        read_yaml(text, "a file")


@pytest.mark.parametrize("text", ["[" * 101 + "]" * 101, "\n".join("  " * depth + "a:" for depth in range(102)) + " 1"])
def test_values_that_are_nested_too_deep_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="nested more than 100 deep"):
        read_yaml(text, "a file")


def test_an_anchor_that_holds_itself_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="the anchor &a holds itself"):
        read_yaml("a: &a {b: [*a]}", "a file")


def test_anchors_of_an_honest_size_are_followed() -> None:
    assert read_yaml("a: &a {b: 1}\nc: {<<: *a, d: *a}", "a file") == {"a": {"b": 1}, "c": {"b": 1, "d": {"b": 1}}}
    assert read_yaml(laughs(4), "a file")[-1] == [[[["x"]] * 10] * 10] * 10


def test_what_is_no_yaml_is_for_the_reader_to_refuse() -> None:
    with pytest.raises(yaml.YAMLError):
        read_yaml("a: [", "a file")


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000, "1" + ":1" * 5000, f"!!int '{'9' * 5000}'"])
def test_numbers_without_end_are_refused(number: str) -> None:
    with pytest.raises(ConfigurationError, match="a number has more than 1000 digits"):
        read_yaml(f"width: {number}", "a file")
    assert read_yaml(f"width: '{'9' * 5000}'", "a file") == {"width": "9" * 5000}


@pytest.mark.parametrize("value", ["!!int ten", "!!float ten", "!!bool ten", "!!timestamp ten", "2001-99-99"])
def test_a_value_that_is_not_what_it_says_is_no_yaml(value: str) -> None:
    with pytest.raises(yaml.YAMLError, match="not of the type that it is written as"):
        read_yaml(f"n: {value}", "a file")
