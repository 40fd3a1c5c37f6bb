"""What all our LightningModules share: construction, steps, logging, line searches over ranks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal

from lightning_fabric.utilities.data import AttributeDict
from pytorch_lightning import Callback
from torch import Tensor, nn
from torchmetrics import MetricCollection

from laaf_lightning.metrics import RelativeL2Error
from laaf_lightning.modules.construction import BuiltAfterConstruction
from laaf_lightning.modules.hyper_parameters import (
    note_live_objects,
    refuse_without,
    save_settings,
    without_internals,
)
from laaf_lightning.modules.optimization.optimized_module import OptimizedModule
from laaf_lightning.modules.optimization.optimizer import OptimizerFactory, SchedulerFactory, adam
from laaf_lightning.modules.refusals import refuse_script, refuse_sharding
from laaf_lightning.untrusted.trainer_loads import load_plain_files


class AdaptiveModule(OptimizedModule, metaclass=BuiltAfterConstruction):
    """Base of the modules: a network with adaptive activations, a loss, metrics, an optimiser from a factory.

    Subclass and override `build_network`, `loss` or `build_metrics`. Training is automatic optimisation, so that
    callbacks, precision and strategies apply. The outermost constructor's arguments are saved as hyper-parameters, live
    objects left out. The parts are built once it has returned, or where a constructor calls `build_parts`, as those of
    our modules do: what a subclass of those needs in ``build_network`` must be set before ``super().__init__``.

    Args:
        optimizer: called with parameter groups, returns the optimiser.
        lr_scheduler: called with the optimiser, returns a scheduler; None for a constant learning rate.
        slope_lr: learning rate of the slopes; None for the optimiser's.
        compile: whether the network runs through ``torch.compile``.

    Attributes:
        network: what `build_network` returned.
        metrics: what `build_metrics` returned.
        logged_at: the optimiser step, counted from 1, of the last training values that were logged.

    Example:
        >>> import laaf_lightning as laaf
        >>> class Autoencoder(laaf.AdaptiveModule):
        ...     def __init__(self, width: int = 8, **kwargs: Any) -> None:
        ...         super().__init__(**kwargs)
        ...         self.width = width
        ...     def build_network(self) -> nn.Module:
        ...         return laaf.MLP(4, 4, width=self.width, depth=1, scope="neuron")
        ...     def loss(self, batch: Tensor) -> Tensor:
        ...         return nn.functional.mse_loss(self(batch), batch)
        >>> Autoencoder(width=2).hparams
        "width": 2
    """

    network: nn.Module
    metrics: MetricCollection
    logged_at = 0
    _has_parts = False

    def __init__(
        self,
        optimizer: OptimizerFactory = adam,
        lr_scheduler: SchedulerFactory | None = None,
        slope_lr: float | None = None,
        compile: bool = False,
    ) -> None:
        super().__init__()
        self._given_from_python = save_settings(self)
        self._use_factories(optimizer, lr_scheduler, slope_lr)
        self._compiles = compile

    @property
    def hparams_initial(self) -> Any:
        """The hyper-parameters for loggers, without what Lightning's command line adds for itself."""
        return AttributeDict(without_internals(super().hparams_initial))

    @property
    def monitored(self) -> tuple[str, Literal["min", "max"]] | None:
        """What tells a better network from a worse: the first metric, in validation, and which way; None without."""
        for name, metric in self.metrics.items(keep_base=False):
            if (higher := metric.higher_is_better) is not None:
                return f"val/{name}", "max" if higher else "min"
        return None

    def build_parts(self) -> None:
        """Build network and metrics, unless that is done: for constructors that go on with them."""
        if self._has_parts:
            return
        self.network = self.build_network()
        if self._compiles:
            self.network.compile()
        self.metrics = self.build_metrics()
        self._has_parts = True

    def configure_callbacks(self) -> Sequence[Callback] | Callback:
        """Refuse what cannot train this module, and checkpoints that run code: the first hook that a Trainer calls.

        Returns:
            No callbacks.
        """
        callbacks = super().configure_callbacks()
        refuse_sharding(self.trainer.strategy, self)
        load_plain_files(self.trainer.strategy)
        return callbacks

    def configure_model(self) -> None:
        """Take double precision, where the Trainer's is, before a checkpoint is loaded.

        Lightning itself converts the module after it has loaded the weights, which a float32 module would round.
        """
        trainer = self.attached_trainer  # None in load_from_checkpoint
        if trainer is not None and trainer.precision.startswith("64"):
            self.double()

    @abstractmethod
    def build_network(self) -> nn.Module:
        """Return a new network each time: the module's own, or one more, say for an ensemble."""

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """Return the loss of a training batch, 0-dim, without slope recovery.

        Args:
            batch: what the DataModule's training loader yields.
        """

    def build_metrics(self) -> MetricCollection:
        """Build what validation and test measure: the relative L2 error unless overridden.

        Returns:
            Metrics of (outputs, targets), logged as ``val/<name>`` and ``test/<name>``.
        """
        return MetricCollection({"relative_l2": RelativeL2Error()})

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
        self.log_at_log_steps({"train/loss": loss.detach()}, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add a batch to the validation metrics.

        Args:
            batch: (inputs, targets).
            batch_idx: its number.
        """
        self._evaluate(batch, batch_idx, "val")

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add a batch to the test metrics.

        Args:
            batch: (inputs, targets).
            batch_idx: its number.
        """
        self._evaluate(batch, batch_idx, "test")

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the network's outputs.

        Args:
            batch: inputs, or a tuple that starts with them.
            batch_idx: not used.

        Returns:
            One output for each input.
        """
        inputs: Tensor = batch[0] if isinstance(batch, (tuple, list)) else batch
        return self.forward(inputs)

    def to_torchscript(self, *args: Any, **kwargs: Any) -> Any:
        """Do what LightningModule's does, with ``method="trace"``; a script is refused."""
        refuse_script(*args, **kwargs)
        return super().to_torchscript(*args, **kwargs)

    def log_at_log_steps(
        self, values: dict[str, Tensor] | Callable[[], dict[str, Tensor]], *, prog_bar: bool = False
    ) -> None:
        """Log training values, but not at every step: ``self.log`` costs more than a small network's step.

        They are logged at the first step, at the Trainer's log steps, at the last step and at the last batch of an
        epoch, where a scheduler or a checkpoint may ask for them; nowhere but in training.

        Args:
            values: name to 0-dim tensor, or what computes them; the mean over ranks is logged.
            prog_bar: whether the progress bar shows them.
        """
        trainer = self.attached_trainer
        if trainer is None or not trainer.training or not (every := getattr(trainer, "log_every_n_steps", 0)):
            return
        step = trainer.global_step + 1
        if step % every == 0 or step in {1, trainer.max_steps} or trainer.is_last_batch:
            self.logged_at = step
            self.log_dict(values() if callable(values) else values, prog_bar=prog_bar, batch_size=1, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note which live objects the checkpoint does not hold.

        Args:
            checkpoint: what is about to be saved.
        """
        note_live_objects(checkpoint, self._given_from_python)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to rebuild a module without the objects that it was made with.

        Args:
            checkpoint: what was saved.
        """
        if self.attached_trainer is None:  # called by load_from_checkpoint
            refuse_without(checkpoint, self._given_from_python, type(self))

    def _evaluate(self, batch: tuple[Tensor, Tensor], batch_idx: int, stage: str) -> Tensor:
        """Add a batch to the metrics; return the outputs."""
        inputs, targets = batch
        outputs: Tensor = self(inputs)
        self.metrics.update(outputs, targets)
        self.log_dict({f"{stage}/{k}": v for k, v in self.metrics.items()}, prog_bar=True, batch_size=len(inputs))
        return outputs
