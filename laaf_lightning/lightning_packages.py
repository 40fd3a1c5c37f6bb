"""What the two Lightning packages need, once.

Lightning is installed as ``pytorch_lightning`` or as ``lightning.pytorch``, two copies of the same code, each of whose
Trainers accepts only its own classes: a DataModule of ours serves both, and a module of ours tells the Trainer of the
second what to import.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytorch_lightning
from pytorch_lightning import Callback
from pytorch_lightning.plugins import TorchCheckpointIO

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.untrusted.loading import looked_through
from laaf_lightning.untrusted.names import names_of_a_checkpoint

if TYPE_CHECKING:
    from typing_extensions import Self

    _of_the_class = classmethod
else:  # Lightning's own kind of class method, which says that it returns a new object where it is called on one
    _of_the_class = type(vars(pytorch_lightning.LightningModule)["load_from_checkpoint"])

if TYPE_CHECKING or find_spec("lightning") is None:
    _DataModule = pytorch_lightning.LightningDataModule
    _Module = pytorch_lightning.LightningModule
    CheckpointIO = TorchCheckpointIO
else:
    import lightning.pytorch
    import lightning.pytorch.plugins

    class _DataModule(pytorch_lightning.LightningDataModule, lightning.pytorch.LightningDataModule):
        """A DataModule for either Trainer."""

    class _Module(pytorch_lightning.LightningModule, lightning.pytorch.LightningModule):
        """A module that either Trainer takes for one of its own, so that ours can answer."""

    class CheckpointIO(TorchCheckpointIO, lightning.pytorch.plugins.TorchCheckpointIO):
        """Reads and writes checkpoints for either Trainer."""


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


class LightningDataModule(_DataModule):
    """A ``LightningDataModule`` for ``pytorch_lightning.Trainer`` and ``lightning.pytorch.Trainer`` alike.

    It is a subclass of ``pytorch_lightning.LightningDataModule`` and, where the package ``lightning`` is installed,
    of ``lightning.pytorch.LightningDataModule`` too, whichever of them is imported first.

    Example:
        >>> import pytorch_lightning
        >>> issubclass(LightningDataModule, pytorch_lightning.LightningDataModule)
        True
    """

    @_of_the_class
    def load_from_checkpoint(
        cls,  # noqa: N805  # a class method of Lightning's kind
        checkpoint_path: Any,
        map_location: Any = None,
        hparams_file: Any = None,
        weights_only: bool | None = None,
        **kwargs: Any,
    ) -> Self:
        """Build a DataModule from a checkpoint, without running code from it.

        It is loaded with ``weights_only=True``, from an address too. Of what its settings name, this package's classes
        and those of ``torch.nn`` and ``torch.optim`` are built; all else is given from Python.

        Args:
            checkpoint_path: path, address, or an open file.
            map_location: as for ``torch.load``; None for the devices that it was saved from.
            hparams_file: YAML file with settings in place of the checkpoint's.
            weights_only: None or True; there is no other way.
            kwargs: arguments of the constructor, which go before those of the checkpoint.

        Returns:
            The DataModule.
        """
        kind, file, arguments = looked_through(checkpoint_path, cls, map_location, hparams_file, weights_only, kwargs)
        with names_of_a_checkpoint(kwargs.values()):
            loaded: Self = super(LightningDataModule, kind).load_from_checkpoint(
                file, map_location, weights_only=True, **arguments
            )
        return loaded

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


class PytorchLightningModule(_Module):
    """A ``pytorch_lightning.LightningModule`` that says so to the Trainer of ``lightning.pytorch``.

    That Trainer would turn it away with "`model` must be a `LightningModule`", which it is.
    """

    @_of_the_class
    def load_from_checkpoint(
        cls,  # noqa: N805  # a class method of Lightning's kind
        checkpoint_path: Any,
        map_location: Any = None,
        hparams_file: Any = None,
        strict: bool | None = None,
        weights_only: bool | None = None,
        **kwargs: Any,
    ) -> Self:
        """Build a module from a checkpoint, without running code from it.

        It is loaded with ``weights_only=True``, from an address too. Of what its settings name, this package's classes
        and those of ``torch.nn`` and ``torch.optim`` are built; all else is given from Python.

        Args:
            checkpoint_path: path, address, or an open file.
            map_location: as for ``torch.load``; None for the devices that it was saved from.
            hparams_file: YAML file with settings in place of the checkpoint's.
            strict: whether the tensors of the checkpoint must be exactly the module's.
            weights_only: None or True; there is no other way.
            kwargs: arguments of the constructor, which go before those of the checkpoint.

        Returns:
            The module.
        """
        kind, file, arguments = looked_through(checkpoint_path, cls, map_location, hparams_file, weights_only, kwargs)
        with names_of_a_checkpoint(kwargs.values()):
            loaded: Self = super(PytorchLightningModule, kind).load_from_checkpoint(
                file, map_location, strict=strict, weights_only=True, **arguments
            )
        return loaded

    @property
    def attached_trainer(self) -> pytorch_lightning.Trainer | None:
        """The Trainer that works with the module; None outside of one, as in ``load_from_checkpoint``."""
        try:
            trainer = self.trainer
        except RuntimeError:
            return None
        return trainer if isinstance(trainer, pytorch_lightning.Trainer) else None

    def configure_callbacks(self) -> Sequence[Callback] | Callback:
        """Refuse another package's Trainer: the first hook that a Trainer calls, whatever it was asked to do.

        Returns:
            No callbacks.

        Raises:
            ConfigurationError: if the Trainer is not ``pytorch_lightning``'s.
        """
        if not isinstance(self.trainer, pytorch_lightning.Trainer):
            raise ConfigurationError(
                f"{type(self).__name__} is a module of pytorch_lightning, and this Trainer comes from "
                f"{type(self.trainer).__module__.partition('.trainer')[0]}: use 'from pytorch_lightning import Trainer'"
            )
        return []
