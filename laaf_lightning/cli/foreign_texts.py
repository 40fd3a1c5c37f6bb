"""What jsonargparse, torch and Lightning say, as far as the command line reads it.

A new release may say it in other words. Wrong requests are still refused then, but in the library's words, or with a
traceback. `tests/cli/test_foreign_texts.py` makes each library speak, and notices first.
"""

from __future__ import annotations

import ast
import re

_KEY = re.compile(r'Parser key "([^"]+)"')
_LITERAL = re.compile(r"typing\.Literal(\[.*?\])")
_VALUES = (re.compile(r"Got value: (.*)$", re.MULTILINE), re.compile(r"Given value: (.*)$", re.MULTILINE))
_NO_CLASS = re.compile(
    r"Expected a dot import path string: (\S+)|Problem with given class_path '([^']+)':\s+"
    r"(?:module '\S+' has no attribute|No module named)"
)
_NO_FACTORY = re.compile(
    r"expects a function or a callable class: "
    r"(?:module '\S+' has no attribute|No module named|Expected a dot import path)"
    r"[\s\S]*?(?:Got|Given) value: (?:\{'class_path': '|Namespace\(class_path=')?([^\s',]+)"
)
_NO_MODULE = re.compile(r"No module named '([^']+)'")
_NO_METRIC = re.compile(
    r"(Early stopping|ReduceLROnPlateau) conditioned on metric `?(.+?)`? which is not available"
    r"|`(\w+)\(monitor='(.+?)'\)` could not find the monitored key"
)
_NAMES = re.compile(r"[`']([^`']+)[`']")
_INSTALL = re.compile(r"pip install (?:-U )?'?([^'`]+)")
_REQUIRED = re.compile(r"\b(?:fit|validate|test|predict)\.(model|data)\b")
_TYPE = re.compile(r"<class '([^']+)'>")
_FRAME = re.compile(r"^\s*(Given value|Subtypes|Does not validate).*$", re.MULTILINE)
_HEADING = re.compile(r"^\s*Errors:\s*$", re.MULTILINE)
_BULLET = re.compile(r"^\s*- ", re.MULTILINE)
_OF_A_TYPE = "Expected a "
_DULL = ("Expected a <class 'NoneType'>", "Expected a path but", "Does not validate")


def refused_key(message: str) -> list[str]:
    """Return the parts of the key that jsonargparse refuses.

    Args:
        message: its text.

    Returns:
        From the outermost to the innermost; none if it is about no key.
    """
    return [part for key in _KEY.findall(message) for part in key.split(".")]


def allowed_literals(message: str) -> list[str]:
    """Return the choices that jsonargparse would have accepted.

    Args:
        message: its text.

    Returns:
        Each once; none if the key has no list of choices.
    """
    choices = (str(choice) for group in _LITERAL.findall(message) for choice in ast.literal_eval(group))
    return list(dict.fromkeys(choices))


def refused_value(message: str) -> str:
    """Return the value that jsonargparse refuses, as the innermost complaint has it.

    Args:
        message: its text.

    Returns:
        The value; an empty string if it is not told.
    """
    matches = (pattern.search(message) for pattern in _VALUES)
    return next((match[1] for match in matches if match), "")


def unknown_class(message: str) -> str | None:
    """Return the class that jsonargparse does not find.

    Args:
        message: its text.

    Returns:
        The class as it was given; None if that is not the complaint.
    """
    match = _NO_FACTORY.search(message) or _NO_CLASS.search(message)
    return match and next(name for name in match.groups() if name)


def is_about_a_function(message: str) -> bool:
    """Tell whether jsonargparse stumbles on a function with settings of its own, where a class was linked.

    Args:
        message: its text.

    Returns:
        Whether it does.
    """
    return "add_function_arguments() got an unexpected keyword" in message


def missing_module(message: str) -> str | None:
    """Return the module that Python does not find.

    Args:
        message: a text of Python's, alone or in one of jsonargparse's.

    Returns:
        Its dotted name; None if that is not the complaint.
    """
    match = _NO_MODULE.search(message)
    return match and match[1]


def missing_metric(message: str) -> tuple[str, str, list[str]] | None:
    """Split Lightning's text about a monitored metric that was never logged.

    Args:
        message: its text.

    Returns:
        Who monitors, the metric, and those that there are; None if that is not the complaint.
    """
    match = _NO_METRIC.search(message)
    if match is None:
        return None
    who, metric = (name for name in match.groups() if name)
    there_are = re.split(r"\. (?:HINT|Condition)", message[match.end() :].partition(": ")[2])[0]
    return who.replace("Early stopping", "EarlyStopping"), metric, _NAMES.findall(there_are)


def missing_package(message: str) -> str | None:
    """Return the package that Lightning says to install.

    Args:
        message: the text of its ``ModuleNotFoundError``.

    Returns:
        What pip is to be given, for example ``"wandb>=0.12.10"``; None if that is not the complaint.
    """
    match = _INSTALL.search(message)
    return match and match[1].partition(";")[0].strip()


def alternatives(message: str) -> list[str]:
    """Split jsonargparse's text for a key that allows several types into what each type says.

    Args:
        message: its text.

    Returns:
        One line a type, without what only says that ``None`` or a file would have been accepted too.
    """
    text = _HEADING.sub("", _KEY.sub("", _FRAME.sub("", message)))
    parts = [" ".join(part.split()).strip(": ") for part in _BULLET.split(text)]
    return [re.sub(r":\s*:", ":", part) for part in parts if part and not part.startswith(_DULL)]


def is_about_a_type(text: str) -> bool:
    """Tell jsonargparse's own complaint about a value's type from a constructor's about its content.

    Args:
        text: one of the `alternatives`, or the text of an exception.

    Returns:
        Whether it is jsonargparse's.
    """
    return text.startswith(_OF_A_TYPE)


def plain_types(text: str) -> str:
    """Write types as a user does.

    Args:
        text: for example ``"Expected a <class 'float'>"``.

    Returns:
        For example ``"Expected a float"``.
    """
    return _TYPE.sub(r"\1", text)


def as_options(message: str) -> str:
    """Write what jsonargparse says as one line, with the keys that it misses as options.

    Args:
        message: for example ``"the following arguments are required: fit.model"``.

    Returns:
        For example ``"the following arguments are required: --model"``.
    """
    return _REQUIRED.sub(r"--\1", " ".join(message.split()))


def subcommand_of(program: str) -> str:
    """Return a parser's program without the placeholder that jsonargparse puts before a subcommand.

    Args:
        program: for example ``"laaf [options] fit"``.

    Returns:
        For example ``"laaf fit"``.
    """
    return program.replace(" [options]", "")


def is_state_mismatch(error: Exception) -> bool:
    """Tell whether torch could not load a state dict into a model.

    Args:
        error: any.

    Returns:
        Whether ``load_state_dict`` raised it.
    """
    return isinstance(error, RuntimeError) and "loading state_dict" in str(error)


def state_differences(message: str) -> list[str]:
    """Split torch's text about a state dict that does not fit.

    Args:
        message: its text.

    Returns:
        One line a difference.
    """
    return [line.strip().rstrip(".") for line in message.splitlines()[1:] if line.strip()]
