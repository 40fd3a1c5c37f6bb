"""What all our LightningModules share: the optimiser from a factory, hyper-parameters, logging, line searches."""

from __future__ import annotations

import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import torch
from lightning_utilities.core.rank_zero import rank_zero_warn
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torchmetrics import MetricCollection

from laaf_lightning.activations import slope_parameter_groups
from laaf_lightning.errors import ConfigurationError

OptimizerFactory: TypeAlias = Callable[[Iterable[Any]], Optimizer]
SchedulerFactory: TypeAlias = Callable[[Optimizer], LRScheduler]


class AdaptiveModule(LightningModule, ABC):
    """Base of the modules: a network with adaptive activations, a loss, metrics, an optimiser from a factory.

    Subclass and override `build_network`, `loss` or `build_metrics`; the first and the last are called once, in
    the constructor. Training is automatic optimisation, so that callbacks, precision and strategies apply.

    Args:
        optimizer: called with parameter groups, returns the optimiser.
        lr_scheduler: called with the optimiser, returns a scheduler; None for a constant learning rate.
        slope_lr: learning rate of the slopes; None for the optimiser's.
        compile: whether the network runs through ``torch.compile``.

    Attributes:
        network: what `build_network` returned.
        metrics: what `build_metrics` returned.
    """

    lr_scheduler_interval = "epoch"
    averages_closure_over_ranks = True

    network: nn.Module
    metrics: MetricCollection

    def __init__(
        self,
        optimizer: OptimizerFactory,
        lr_scheduler: SchedulerFactory | None,
        slope_lr: float | None,
        compile: bool,
    ) -> None:
        super().__init__()
        self._make_optimizer = optimizer
        self._make_scheduler = lr_scheduler
        self._slope_lr = slope_lr
        self._compiles = compile

    def _build(self) -> None:
        """Build the parts; the last thing that a subclass's constructor does."""
        self.network = self.build_network()
        if self._compiles:
            self.network.compile()
        self.metrics = self.build_metrics()

    def _save_settings(self, *objects: str) -> None:
        """Save the constructor's arguments, leaving out those in `objects` that were handed over as live objects.

        The command line hands over their configuration beside the objects: plain values, which are kept.
        """
        frame = inspect.currentframe()
        caller = frame.f_back if frame is not None else None
        left_out = ["kwargs"]
        for name in objects:
            if caller is not None and isinstance(caller.f_locals.get(name), nn.Module):
                left_out.append(name)
                continue
            self.save_hyperparameters(name, frame=caller, logger=False)
            if not _is_plain(self.hparams[name]):
                del self.hparams[name]
                left_out.append(name)
        with warnings.catch_warnings():
            self.save_hyperparameters(ignore=left_out, frame=caller)

    @abstractmethod
    def build_network(self) -> nn.Module:
        """Return the network."""

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """Return the loss of a training batch, 0-dim, without slope recovery.

        Args:
            batch: what the DataModule's training loader yields.
        """

    @abstractmethod
    def build_metrics(self) -> MetricCollection:
        """Return the metrics of validation and test."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the network.

        Args:
            inputs: a batch of network inputs.

        Returns:
            The network's outputs.
        """
        outputs: Tensor = self.network(inputs)
        return outputs

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss and log it.

        Args:
            batch: what the training loader yields.
            batch_idx: its number in the epoch.

        Returns:
            The loss, 0-dim.
        """
        loss = self.loss(batch)
        self.log_at_log_steps({"train/loss": loss.detach()})
        return loss

    def log_at_log_steps(self, values: dict[str, Tensor]) -> None:
        """Log training values at the Trainer's log steps only: ``self.log`` costs more than a small network's step.

        Args:
            values: name to 0-dim tensor.
        """
        trainer = self._trainer
        if trainer is None or not (every := getattr(trainer, "log_every_n_steps", 0)):
            return
        if (trainer.global_step + 1) % every == 0 or trainer.global_step == 0:
            self.log_dict(values, prog_bar=True, batch_size=1)

    def configure_optimizers(self) -> Any:
        """Build the optimiser with the slopes in a group of their own, and the scheduler.

        Returns:
            What Lightning expects.
        """
        optimizer = self._optimizer()
        if self._make_scheduler is None:
            return optimizer
        scheduler = self._make_scheduler(optimizer)
        config: dict[str, Any] = {"scheduler": scheduler, "interval": self.lr_scheduler_interval}
        if isinstance(scheduler, ReduceLROnPlateau):
            config["monitor"] = getattr(scheduler, "monitor", "train/loss")
        return {"optimizer": optimizer, "lr_scheduler": config}

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """Step with a closure whose value is the mean over ranks, as the gradients are.

        A line search on each rank's own value would let the ranks part ways.

        Args:
            epoch: current epoch.
            batch_idx: current batch.
            optimizer: the optimiser.
            optimizer_closure: computes loss and gradients.
        """
        if self.trainer.world_size == 1 or optimizer_closure is None:
            optimizer.step(closure=optimizer_closure)
            return

        def averaged() -> Any:
            value = optimizer_closure()
            return self.trainer.strategy.reduce(value, reduce_op="mean") if isinstance(value, Tensor) else value

        optimizer.step(closure=averaged)

    def _optimizer(self) -> Optimizer:
        """Call the factory with groups, or with a flat list where the optimiser takes one group only."""
        groups = slope_parameter_groups(self, slope_lr=self._slope_lr)
        try:
            return self._make_optimizer(groups)
        except ValueError as error:
            if "parameter group" in str(error) or "parameter options" in str(error):
                return self._flat_optimizer(error)
            refused = self._refused_parameters()
            if not refused:
                raise
            raise ConfigurationError(
                f"the optimiser refuses {', '.join(refused)}: {error}; take one that accepts parameters of any shape"
            ) from error

    def _flat_optimizer(self, error: ValueError) -> Optimizer:
        if self._slope_lr is not None:
            raise ConfigurationError(
                f"slope_lr={self._slope_lr} needs an optimiser with parameter groups: {error}; leave slope_lr out"
            ) from error
        return self._make_optimizer([p for p in self.parameters() if p.requires_grad])

    def _refused_parameters(self) -> list[str]:
        return [f"{name} of shape {tuple(p.shape)}" for name, p in self.named_parameters() if not self._accepts(p)]

    def _accepts(self, parameter: nn.Parameter) -> bool:
        try:
            self._make_optimizer([parameter])
        except ValueError:
            return False
        return True


def adam(parameters: Iterable[Any]) -> Optimizer:
    """Build Adam with its default settings, the modules' default optimiser.

    Args:
        parameters: parameters or groups.

    Returns:
        The optimiser.
    """
    return torch.optim.Adam(parameters)


def warn_about_low_precision(module: LightningModule, what: str) -> None:
    """Warn once on rank zero where a loss is computed in less than float32.

    Args:
        module: the module that is about to be fitted.
        what: what suffers, for the sentence.
    """
    precision = str(module.trainer.precision)
    if precision not in {"32-true", "64-true"}:
        rank_zero_warn(
            f"precision {precision} is too low for {what}: use 32-true or 64-true (--trainer.precision 64-true)"
        )


def _is_plain(value: Any) -> bool:
    """Tell whether a value survives a checkpoint that is loaded with ``weights_only=True``."""
    if isinstance(value, dict):
        return all(_is_plain(key) and _is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))
