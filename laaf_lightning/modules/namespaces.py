"""Answer the Trainer of the other Lightning package with a sentence that says what to import.

Lightning is installed as ``pytorch_lightning`` or as ``lightning.pytorch``, two copies of one code. The second one's
Trainer turns a module of the first away with "`model` must be a `LightningModule`", which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytorch_lightning
from pytorch_lightning import Callback

from laaf_lightning.errors import ConfigurationError

if TYPE_CHECKING or find_spec("lightning") is None:
    _Recognised = pytorch_lightning.LightningModule
else:
    import lightning.pytorch

    class _Recognised(pytorch_lightning.LightningModule, lightning.pytorch.LightningModule):
        """A module that either Trainer takes for one of its own, so that ours can answer."""


class PytorchLightningModule(_Recognised):
    """A ``pytorch_lightning.LightningModule`` that says so to the Trainer of ``lightning.pytorch``."""

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
