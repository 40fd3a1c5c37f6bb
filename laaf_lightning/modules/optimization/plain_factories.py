"""Plain mistakes with the factories of optimisers and schedulers, noticed where a module is made."""

from __future__ import annotations

from laaf_lightning.optimizers.factory_checks import Made, refuse_no_factory


def check_factory(argument: Made, value: object) -> None:
    """Refuse what cannot make an optimiser, or a scheduler.

    Args:
        argument: the module's argument.
        value: what was given for it; None is a constant learning rate, for ``"lr_scheduler"`` only.

    Raises:
        ConfigurationError: for a name, an object that is built already, a class of the other kind, and anything that
            cannot be called.

    Example:
        >>> check_factory("lr_scheduler", None)
    """
    if not (argument == "lr_scheduler" and value is None):
        refuse_no_factory(argument, value, argument)
