"""The callback that adapts any LightningModule before its optimiser is made and before a checkpoint is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info
from torch.optim import Optimizer

from laaf_lightning.activations import AdaptiveActivation, Scope, check_scaling_factor, check_scope
from laaf_lightning.activations.parameter_groups import check_rate
from laaf_lightning.activations.replay.form import Form, called_with, keep_form
from laaf_lightning.activations.replay.noted import Notes, note_in, noted_in, notes_of
from laaf_lightning.activations.replay.repeated import adapt_as_noted
from laaf_lightning.callbacks.adapt_activations.around import put_around, take_off
from laaf_lightning.callbacks.adapt_activations.copies import copies_in_callbacks
from laaf_lightning.callbacks.adapt_activations.example import example_of_data
from laaf_lightning.callbacks.adapt_activations.found import calls_in_step, form_of_call, notes_on_example
from laaf_lightning.callbacks.adapt_activations.refusals import (
    refuse_company,
    refuse_compiled,
    refuse_other_request,
    refuse_sharding,
    refuse_slopes_of_checkpoint,
    refuse_slopes_of_its_own,
)
from laaf_lightning.callbacks.adapt_activations.slope_groups import SlopeGroups
from laaf_lightning.callbacks.adapt_activations.taken import keep_request, request_of, take_slopes
from laaf_lightning.errors import ConfigurationError

_METHODS = ("configure_model", "configure_optimizers", "on_load_checkpoint", "on_save_checkpoint")


class AdaptActivations(Callback):
    """Make the activations of any LightningModule adaptive, without a line in it.

    At the start of a fit, after the module's ``setup`` and ``configure_model``, before its optimiser is made and before
    a checkpoint is loaded, `adapt` looks at it with its ``example_input_array`` or a batch of its training data, which
    training draws again. A module without a ``forward`` is looked at in its ``training_step``. The slopes stand in
    optimiser groups of their own, without weight decay. On several processes the first one's findings hold for all.

    Checkpoints hold how the module was adapted, so that a resumed fit, and ``validate``, ``test`` and ``predict`` from
    a checkpoint, adapt alike, without data and whatever the scope here; `load_adapted` does in Python. Without a
    checkpoint these three leave the module as it is: with slopes it would compute the same. Checkpoints also hold the
    shapes and dtypes of what ``forward`` was called with, for ``laaf fold``.

    Args:
        scope: as for `AdaptiveActivation`; None adapts nothing.
        n: scaling factor, > 0.
        where: which activations, as for `adapt`: a regular expression, or a list of names.
        slope_lr: learning rate of the slopes, which follows a scheduler in its ratio to the weights'; None for that of
            the weights.
        strict: as for `adapt`: whether an activation that cannot have a slope is an error.
        feature_dim: as for `adapt`.
        share_loops: as for `adapt`.

    Raises:
        ConfigurationError: for an unknown scope, n ≤ 0, and a `slope_lr` that is negative or without a scope.

    Example:
        ``laaf fit --model my_project.MyModule --data my_project.MyData --adapt.scope layer --slope_recovery.weight 1``
    """

    def __init__(
        self,
        scope: Scope | None = None,
        n: float = 1.0,
        where: str | list[str] | None = None,
        slope_lr: float | None = None,
        strict: bool = False,
        feature_dim: int | dict[str, int] | None = None,
        share_loops: bool = False,
    ) -> None:
        self.scope = None if scope is None else check_scope(scope)
        self.n = check_scaling_factor(n)
        self.where = where
        check_rate("slope_lr", slope_lr, "the weights' learning rate")
        if slope_lr is not None and scope is None:
            raise ConfigurationError(
                f"slope_lr={slope_lr} needs a scope, which is off: give scope='layer' (--adapt.scope layer); a module "
                "of laaf_lightning has its own, --model.slope_lr"
            )
        self.slope_lr = slope_lr
        self.strict = strict
        self.feature_dim = feature_dim
        self.share_loops = share_loops
        self._groups: SlopeGroups | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(scope={self.scope!r}, n={self.n:g})"

    @property
    def _request(self) -> dict[str, Any]:
        return {"scope": self.scope, "n": self.n, "where": self.where}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Stand by for the hooks in which the module is built, loaded and given its optimiser.

        Raises:
            ConfigurationError: where the module cannot be adapted.
        """
        self._release(pl_module)
        others = [each for each in trainer.callbacks if isinstance(each, AdaptActivations)]  # type: ignore[attr-defined]
        wanted = [each for each in others if each.scope is not None]
        refuse_company(wanted)
        if self is not (wanted or others)[0]:
            return
        if notes_of(pl_module) is None and any(isinstance(part, AdaptiveActivation) for part in pl_module.modules()):
            if self.scope is not None:
                refuse_slopes_of_its_own(pl_module)
            return
        put_around(
            pl_module, "on_load_checkpoint", lambda own, checkpoint: self._load(trainer, pl_module, own, checkpoint)
        )
        put_around(pl_module, "on_save_checkpoint", lambda own, checkpoint: self._save(pl_module, own, checkpoint))
        if stage != "fit":
            return
        put_around(pl_module, "configure_optimizers", lambda own: self._configure(pl_module, own))
        if self.scope is None:
            return
        refuse_sharding(trainer)
        if (before := request_of(pl_module)) is not None:
            refuse_other_request(pl_module, before, self._request)
            return
        put_around(pl_module, "configure_model", lambda own: self._adapt(trainer, pl_module, own))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the slopes their learning rate, in place of what a checkpoint says."""
        self._follow()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Give the slopes their learning rate, before others log it."""
        self._follow()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Give the slopes their learning rate, before a checkpoint holds it."""
        self._follow()

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Give the slopes their learning rate, in its ratio to the weights' of this step."""
        self._follow()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Note in a checkpoint how the module was adapted, after a fit too."""
        self._save(pl_module, lambda _checkpoint: None, checkpoint)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the module's methods alone."""
        self._release(pl_module)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the module's methods alone."""
        self._release(pl_module)

    def _adapt(self, trainer: Trainer, module: LightningModule, configure_model: Callable[[], Any]) -> None:
        """Adapt a module that is built, on all processes alike."""
        take_off(module, "configure_model")
        configure_model()
        refuse_slopes_of_its_own(module)
        refuse_compiled(module)
        assert self.scope is not None
        notes: Notes | None = None
        form: Form | None = None
        refused: str | None = None
        try:
            device = next((p.device for p in module.parameters()), torch.device("cpu"))
            with torch.device(device):  # Lightning makes what is made here on the device that the module is not yet on
                example = example_of_data(trainer, module)
                if trainer.is_global_zero:
                    notes = notes_on_example(
                        module,
                        example,
                        self.scope,
                        self.n,
                        self.where,
                        strict=self.strict,
                        feature_dim=self.feature_dim,
                        share_loops=self.share_loops,
                    )
                    form = form_of_call(module, example)
        except ConfigurationError as error:
            if trainer.world_size == 1:
                raise
            refused = str(error)
        notes, form, refused = trainer.strategy.broadcast((notes, form, refused))
        if refused is not None:
            raise ConfigurationError(refused)
        for each in [*copies_in_callbacks(trainer, module), module]:
            if notes is not None:
                adapt_as_noted(each, notes)
            keep_request(each, self._request)
            keep_form(each, form)
        rank_zero_info(self._in_words(module, notes))

    def _in_words(self, module: LightningModule, notes: Notes | None) -> str:
        called = [] if notes is None else [each["sites"] for each in notes["calls"].values()]
        count = sum(map(len, called if notes is None else [notes["sites"], *called]))
        text = f"{type(module).__name__}: {count} activations adapted, scope {self.scope}, n={self.n:g}"
        has_forward = type(module).forward is not LightningModule.forward
        if has_forward and (kinds := calls_in_step(module)):
            text += f"; its training_step names {', '.join(kinds)}: what it calls outside of forward has no slope"
        return f"{text}."

    def _load(
        self, trainer: Trainer, module: LightningModule, own: Callable[[Any], Any], checkpoint: dict[str, Any]
    ) -> None:
        """Adapt a module as the checkpoint's was, before its weights are loaded."""
        kept, present = noted_in(checkpoint), notes_of(module)
        if present is not None and (kept is None or kept.notes != present):
            refuse_slopes_of_checkpoint(module, kept)
        if present is None and kept is not None:
            if self.scope is not None and kept.request is not None:
                refuse_other_request(module, kept.request, self._request)
            if trainer.strategy.restore_checkpoint_after_setup:
                raise ConfigurationError(
                    f"{type(trainer.strategy).__name__} loads checkpoints after the optimiser is made, too late to "
                    f"adapt {type(module).__name__} as the checkpoint says: take --trainer.strategy ddp"
                )
            for each in [*copies_in_callbacks(trainer, module), module]:
                take_slopes(each, checkpoint)
        elif kept is not None and called_with(module) is None:
            keep_form(module, kept.form)
        own(checkpoint)

    def _save(self, module: LightningModule, own: Callable[[Any], Any], checkpoint: dict[str, Any]) -> None:
        if (notes := notes_of(module)) is not None:
            note_in(checkpoint, notes, request_of(module), called_with(module))
        own(checkpoint)

    def _configure(self, module: LightningModule, own: Callable[[], Any]) -> Any:
        """Let the module make its optimiser, with the slopes apart."""
        if notes_of(module) is None:
            return own()
        self._groups = SlopeGroups(module, self.slope_lr)
        return self._groups.configured(own)

    def _follow(self) -> None:
        if self._groups is not None:
            self._groups.follow()

    def _release(self, module: LightningModule) -> None:
        for method in _METHODS:
            take_off(module, method)
        self._groups = None
