"""Loaders that are made anew every few epochs."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Trainer

from laaf_lightning.callbacks.exact_resume.own_values.random_states import from_plain, random_states, set_random_states


class FreshLoaders:
    """Lets ``reload_dataloaders_every_n_epochs`` make loaders in random states that are known, and leave no trace.

    Args:
        trainer: at the start of its training.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._device = trainer.strategy.root_device
        self._make = type(trainer.fit_loop).setup_data.__get__(trainer.fit_loop)
        self._states: dict[str, Any] | None = None
        if trainer.reload_dataloaders_every_n_epochs:  # type: ignore[attr-defined]
            trainer.fit_loop.setup_data = self._set_up  # type: ignore[method-assign]

    def state(self) -> dict[str, Any]:
        """Tell when the present loaders were made, and in which random states; those of the start in none of ours.

        Returns:
            ``epoch`` and ``states``; nothing where loaders stay.
        """
        if not self._trainer.reload_dataloaders_every_n_epochs:  # type: ignore[attr-defined]
            return {}
        return {"epoch": self._trainer.fit_loop._last_train_dl_reload_epoch, "states": self._states}

    def set(self, state: dict[str, Any]) -> None:
        """Make the loaders again that a run had.

        Args:
            state: of `state`.
        """
        loop = self._trainer.fit_loop
        if not state or not self._trainer.reload_dataloaders_every_n_epochs:  # type: ignore[attr-defined]
            return
        if state["states"] is not None:
            progress, self._states = loop.epoch_progress.current, from_plain(state["states"])
            here, progress.completed = progress.completed, state["epoch"]
            set_random_states(self._states, self._device)
            loop._combined_loader = None
            self._make()
            progress.completed = here
        loop._last_train_dl_reload_epoch = state["epoch"]

    def _set_up(self) -> None:
        if self._trainer.fit_loop._should_reload_train_dl:
            self._states = before = random_states(self._device)
            self._make()
            set_random_states(before, self._device)
