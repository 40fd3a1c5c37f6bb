"""Parts of a description that a class gives itself, or that follow from others."""

from __future__ import annotations

from typing import Any


class OwnOrDerived(property):
    """A property that a subclass may override by a plain attribute, also one of the instance or a dataclass's field."""

    name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Return what the instance was given, or else derive it."""
        if instance is None:
            # As if there were none: a dataclass takes what it finds in the class for a field's default.
            raise AttributeError(f"{self.name} belongs to an instance")
        if self.name in vars(instance):
            return vars(instance)[self.name]
        return super().__get__(instance, owner)

    def __set__(self, instance: Any, value: Any) -> None:
        """Give the instance its own."""
        vars(instance)[self.name] = value


def gives_own(problem: object, name: str) -> bool:
    """Tell whether an object, or its class, gives a part itself.

    Args:
        problem: any object.
        name: of an attribute.

    Returns:
        Whether it is not derived.
    """
    if name in vars(problem):
        return True
    found = next((vars(kind)[name] for kind in type(problem).__mro__ if name in vars(kind)), None)
    return found is not None and not isinstance(found, OwnOrDerived)
