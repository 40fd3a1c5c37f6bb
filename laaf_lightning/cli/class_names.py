"""What a class that does not exist was probably meant to be."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

from laaf_lightning.errors import nearest


def about_missing_class(name: str, known: list[str]) -> str:
    """Say that there is no such class, and which one was probably meant.

    Args:
        name: a dotted path, or a name alone.
        known: dotted paths of the classes that the key takes; may be empty.

    Returns:
        A clause.

    Example:
        >>> about_missing_class("pytorch_lightning.loggers.CSVLoger", [])
        "there is no class 'pytorch_lightning.loggers.CSVLoger'; did you mean 'pytorch_lightning.loggers.CSVLogger'?"
    """
    near = meant(name) or nearest(name, known)
    return f"there is no class {name!r}" + (f"; did you mean {near!r}?" if near else "")


def meant(name: str) -> str | None:
    """Find the class that a misspelt dotted path stands for.

    Each part that does not exist is replaced by the most alike that does; modules are imported on the way, as the path
    itself asks for.

    Args:
        name: the path.

    Returns:
        A path that exists; None without one that is alike.
    """
    *modules, last = name.split(".")
    parent: ModuleType | None = None
    for part in modules:
        parent = _import(part, parent) or _import(nearest(part, _submodules(parent)), parent)
        if parent is None:
            return None
    if parent is None:
        return None
    if hasattr(parent, last):
        return f"{parent.__name__}.{last}"
    near = nearest(last, (found for found, value in vars(parent).items() if _may_be_named(found, value)))
    return near and f"{parent.__name__}.{near}"


def module_exists(name: str) -> bool:
    """Tell whether the module of a dotted path can be imported.

    Args:
        name: the path of a class.

    Returns:
        Whether all but the last part is a module.
    """
    parent: ModuleType | None = None
    for part in name.split(".")[:-1]:
        parent = _import(part, parent)
        if parent is None:
            return False
    return parent is not None


def _may_be_named(name: str, value: object) -> bool:
    return not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value))


def _import(part: str | None, parent: ModuleType | None) -> ModuleType | None:
    if not part:
        return None
    try:
        return importlib.import_module(part if parent is None else f"{parent.__name__}.{part}")
    except Exception:  # whatever a module does when it is imported
        return None


def _submodules(parent: ModuleType | None) -> list[str]:
    if parent is not None:
        return [module.name for module in pkgutil.iter_modules(getattr(parent, "__path__", None) or [])]
    beside = [path.stem for path in Path().glob("*.py")] + [path.parent.name for path in Path().glob("*/__init__.py")]
    return [*beside, *importlib.metadata.packages_distributions()]
