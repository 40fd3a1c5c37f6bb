"""One base class for DataModules that trains under both of Lightning's import names.

Lightning is installed as ``pytorch_lightning`` or as ``lightning.pytorch``, two copies of the same code whose
Trainers accept only their own classes.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytorch_lightning

if TYPE_CHECKING or find_spec("lightning") is None:
    _BothNames = pytorch_lightning.LightningDataModule
else:
    import lightning.pytorch

    class _BothNames(pytorch_lightning.LightningDataModule, lightning.pytorch.LightningDataModule):
        """A DataModule for either Trainer."""


class NoValidation(list[Any]):
    """The empty list of batches of a set that has no part for validation."""


def no_validation() -> NoValidation:
    """Make what ``val_dataloader`` returns where there is nothing to validate on, and no warning about it.

    Lightning skips a validation of length zero, but warns about the length, which is meant here. The warning names
    the class of the loader, so that silencing it for ours leaves it in place for all others.

    Returns:
        An empty list.
    """
    warnings.filterwarnings("ignore", f"Total length of `{NoValidation.__name__}` across ranks is zero")
    return NoValidation()


class LightningDataModule(_BothNames):
    """A ``LightningDataModule`` for ``pytorch_lightning.Trainer`` and ``lightning.pytorch.Trainer`` alike.

    It is a subclass of ``pytorch_lightning.LightningDataModule`` and, where the package ``lightning`` is installed,
    of ``lightning.pytorch.LightningDataModule`` too, whichever of them is imported first.

    Example:
        >>> import pytorch_lightning
        >>> issubclass(LightningDataModule, pytorch_lightning.LightningDataModule)
        True
    """

    def val_dataloader(self) -> Any:
        """Return the loaders for validation: none, unless a subclass has some.

        Lightning asks whether a loader is overridden by comparing code objects, which differ between its two
        copies (their docstrings do); with a method of our own both Trainers skip validation, instead of one of them
        failing.

        Returns:
            An empty list: no validation.
        """
        return no_validation()

    def __str__(self) -> str:
        """Name the class: Lightning's own text counts batches, which draws them."""
        return f"{type(self).__module__}.{type(self).__qualname__}"
