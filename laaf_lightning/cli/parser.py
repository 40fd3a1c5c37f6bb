"""A parser that says in one sentence what is wrong with an argument or a configuration."""

from __future__ import annotations

import inspect
from argparse import HelpFormatter
from typing import Any, NoReturn

import torch
from pytorch_lightning import LightningDataModule, LightningModule, callbacks, loggers

from laaf_lightning.cli.checked import CheckedParser
from laaf_lightning.cli.class_names import about_missing_class, meant, module_exists
from laaf_lightning.cli.foreign_texts import (
    allowed_literals,
    alternatives,
    as_options,
    is_about_a_function,
    missing_module,
    plain_types,
    refused_key,
    refused_value,
    subcommand_of,
    unknown_class,
)
from laaf_lightning.errors import ConfigurationError, unknown_choice

_OURS = "slope_recovery"
_MAX_LISTED = 20  # classes of a key in a sentence
# Written out, so that help need not import them; a test compares.
NAMES = {
    "model": ("Models", "BurgersPINN FunctionRegressor ImageClassifier PINN"),
    "data": (
        "Data",
        "BurgersDataModule CIFAR100DataModule CIFAR10DataModule CollocationDataModule DiscontinuousFunctionDataModule "
        "FashionMNISTDataModule KMNISTDataModule MNISTDataModule SVHNDataModule SemeionDataModule",
    ),
    "problem": (
        "Problems",
        "AllenCahn Burgers Heat HeatPlate Helmholtz InverseBurgers Kovasznay Lorenz PoissonDisc PoissonL Wave",
    ),
    "weight": ("Schedules for --slope_recovery.weight", "ConstantWeight CosineDecay LinearDecay OffAfter"),
}
_TITLES = {"<class 'pytorch_lightning.core.module.LightningModule'>": "The model"}


class RequestParser(CheckedParser):
    """Parser whose errors are `ConfigurationError`: one sentence with the valid choices, without the usage."""

    def format_help(self, formatter: HelpFormatter | None = None) -> str:
        """Write the help of a subcommand with what is ours first, and with the names that can be given.

        Args:
            formatter: as for the base.

        Returns:
            The text.
        """
        if _OURS not in {action.dest for action in self._actions}:
            return str(super().format_help(formatter))
        groups = self._action_groups
        self.description = " ".join(f"{what}: {', '.join(names.split())}." for what, names in NAMES.values())
        for group in groups:
            group.title = _TITLES.get(str(group.title), group.title)
        self.usage = f"{subcommand_of(self.prog)} --config FILE [options], or --model CLASS --data CLASS [options]"
        try:
            self._action_groups = sorted(groups, key=_place)
            return str(super().format_help(formatter))
        finally:
            self._action_groups = groups

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """End parsing.

        Args:
            message: jsonargparse's text.
            ex: what it caught.

        Raises:
            ConfigurationError: always, but for the parsers of nested classes, whose errors jsonargparse collects.
        """
        if not self.exit_on_error:
            super().error(message, ex)
        text = explanation(message)
        hint = "" if text.startswith("unknown ") else f" ({subcommand_of(self.prog)} --help lists the options)"
        raise ConfigurationError(f"{text}{hint}") from ex


def _place(group: Any) -> int:
    """Return where a group of options stands in the help: ours first, then the Trainer's forty."""
    options = [option for action in group._group_actions for option in action.option_strings]
    if any(option.startswith("--trainer") for option in options):
        return 3
    return 0 if "--config" in options else 2 if not options else 1


def explanation(message: str) -> str:
    r"""Say in one sentence what jsonargparse says in many lines.

    Args:
        message: its text.

    Returns:
        For a value outside a list of choices, or a class that does not exist, the valid ones and the nearest; for
        all else jsonargparse's own words.

    Example:
        >>> print(explanation("Parser key \"n\":\n  Expected a <class 'float'>. Got value: ten"))
        n: Expected a float. Got value: ten
    """
    keys = refused_key(message)
    key = ".".join(keys)
    if is_about_a_function(message):
        return (
            "a class_path names a function, and a class is wanted: it was not called; name a class, or give the path "
            "of a function alone, without init_args"
        )
    if literals := allowed_literals(message):
        return unknown_choice(key, refused_value(message), literals)
    if name := unknown_class(message):
        return _about_class(key, name, known_classes(keys[-1]) if keys else [], missing_module(message))
    text = "; or ".join(dict.fromkeys(plain_types(reason) for reason in alternatives(message)))
    return f"{key}: {text}" if key and text else as_options(message)


def _about_class(key: str, name: str, known: list[str], module: str | None) -> str:
    """Say what is wrong with a class: it, or its module, does not exist, or the module cannot be imported."""
    if module is not None and not f"{name}.".startswith(f"{module}."):
        return f"{key}: the module of {name!r} cannot be imported: there is no module {module!r}"
    where = name.rpartition(".")[0]
    elsewhere = where and where.partition(".")[0] != "laaf_lightning" and module_exists(name)
    if module is not None and meant(name) is None:
        return f"{key}: there is no module {module!r}, which {name!r} names"
    if module is not None or elsewhere or not known or len(known) > _MAX_LISTED:
        return f"{key}: {about_missing_class(name, known)}"
    return unknown_choice(f"class for {key}", name, known)


def import_all() -> dict[str, Any]:
    """Import every public name of the package, so that a class is found by its name alone.

    Returns:
        What stands behind each name.
    """
    import laaf_lightning  # noqa: PLC0415  # the package's own names, all of which are imported here

    return {name: getattr(laaf_lightning, name) for name in laaf_lightning.__all__}


def known_classes(key: str) -> list[str]:
    """List the classes that a key of a configuration takes.

    Args:
        key: its last part, for example ``"data"``.

    Returns:
        Dotted paths of ours, torch's optimisers and schedulers, Lightning's callbacks and loggers; nothing for other
        keys.
    """
    ours = import_all()
    others: dict[str, Any] = {
        "optimizer": torch.optim,
        "lr_scheduler": torch.optim.lr_scheduler,
        "callbacks": callbacks,
        "logger": loggers,
    }
    bases: dict[str, type] = {
        "model": LightningModule,
        "data": LightningDataModule,
        "problem": ours["PDE"],
        "weight": ours["WeightSchedule"],
        "optimizer": torch.optim.Optimizer,
        "lr_scheduler": torch.optim.lr_scheduler.LRScheduler,
        "callbacks": callbacks.Callback,
        "logger": loggers.Logger,
    }
    if key not in bases:
        return []
    sources = {"laaf_lightning": ours}
    if key in others:
        sources[others[key].__name__] = vars(others[key])
    return sorted(
        f"{module}.{name}"
        for module, names in sources.items()
        for name, value in names.items()
        if _can_be_built(value, bases[key])
    )


def _can_be_built(value: Any, base: type) -> bool:
    """Tell a class that a user may name from the bases of others, which lack a method or a fact."""
    if not (inspect.isclass(value) and issubclass(value, base)) or value is base:
        return False
    if inspect.isabstract(value) or value.__name__.startswith("_"):
        return False
    facts = [
        name for parent in value.__mro__ for name, kind in _own_annotations(parent).items() if "ClassVar" in str(kind)
    ]
    return all(hasattr(value, fact) for fact in facts)


def _own_annotations(owner: type) -> dict[str, Any]:
    annotations: dict[str, Any] = vars(owner).get("__annotations__", {})
    return annotations
