"""The public names with their signatures, as text; ``python -m tests.public_api`` accepts what is there now.

What stands in ``public_api.txt`` is public for good: other projects import it and pass these arguments. A name or an
argument may join; one that leaves, or changes its place or default, breaks them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import laaf_lightning as laaf

SNAPSHOT = Path(__file__).with_suffix(".txt")


def described() -> str:
    """Return a line for each public name, and one for each public method and property that its class adds."""
    return "\n".join(line for name in sorted(set(laaf.__all__) - {"__version__"}) for line in _lines(name)) + "\n"


def _lines(name: str) -> Iterator[str]:
    value = getattr(laaf, name)
    yield name + _signature(value)
    if not inspect.isclass(value):
        return
    elsewhere = {getattr(laaf, other) for other in laaf.__all__ if other not in {name, "__version__"}}
    ours = [kind for kind in value.__mro__ if kind.__module__.startswith("laaf_lightning.") and kind not in elsewhere]
    members = {member: vars(kind)[member] for kind in reversed(ours) for member in vars(kind)}
    for member in sorted(members):
        if not member.startswith("_") or member == "__call__":
            yield from _member(f"{name}.{member}", members[member])


def _member(name: str, member: object) -> Iterator[str]:
    if isinstance(member, property):
        yield name
    elif isinstance(member, (classmethod, staticmethod)):
        yield name + _signature(member.__func__)
    elif inspect.isfunction(member):
        yield name + _signature(member)


def _signature(value: object) -> str:
    """Return names and defaults of the arguments; annotations read differently in other versions of Python."""
    if not callable(value):
        return ""
    try:
        signature = inspect.signature(value)
    except ValueError:  # of classes that are written in C
        return ""
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    shown = [
        parameter if _is_plain(parameter.default) else parameter.replace(default=_Shown(parameter.default))
        for parameter in bare
    ]
    return str(signature.replace(parameters=shown, return_annotation=inspect.Signature.empty))


def _is_plain(default: object) -> bool:
    return default is inspect.Parameter.empty or default is None or isinstance(default, (bool, int, float, str, tuple))


class _Shown:
    """Shows an object without its address."""

    def __init__(self, default: object) -> None:
        self._name = getattr(default, "__name__", type(default).__name__)

    def __repr__(self) -> str:
        return self._name


if __name__ == "__main__":
    SNAPSHOT.write_text(described(), encoding="utf-8")
