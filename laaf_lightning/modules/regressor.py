"""Regression of a function by an MLP with adaptive activations."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from laaf_lightning.activations import Scope
from laaf_lightning.figures import Drawable, RegressionData
from laaf_lightning.given_numbers import as_inputs
from laaf_lightning.metrics.target_shapes import targets_like
from laaf_lightning.models import MLP
from laaf_lightning.modules.base import AdaptiveModule
from laaf_lightning.modules.optimization.optimizer import OptimizerFactory, SchedulerFactory, adam
from laaf_lightning.modules.refusals import warn_about_low_precision
from laaf_lightning.modules.solution_figures import relative_l2_error, run_facts, training_inputs

Batch = tuple[Tensor, Tensor]


class FunctionRegressor(AdaptiveModule):
    """Fit u(x) by the mean squared error (Jagtap et al. 2020, section 3).

    A batch is (x, u) of shapes (N, in_features) and (N, out_features); (N,) stands for one feature. Other shapes of u
    than the network's outputs are refused: broadcast against them, they would train on something else.

    Args:
        in_features: number of inputs.
        out_features: number of outputs.
        width: neurons in a hidden layer.
        depth: number of hidden layers.
        scope: of the slopes: ``"fixed"``, ``"global"``, ``"layer"``, ``"channel"`` or ``"neuron"``.
        n: scaling factor, > 0.
        activation: name of σ.
        init: ``"xavier"`` or ``"normal"`` (N(0, 0.1²), the authors' code).
        optimizer: factory of the optimiser.
        lr_scheduler: factory of a scheduler, stepped at every optimiser step.
        slope_lr: learning rate of the slopes; None for the optimiser's.
        compile: whether the network runs through ``torch.compile``.

    Example:
        >>> regressor = FunctionRegressor(width=8, depth=2, scope="neuron", n=10)
        >>> regressor(torch.zeros(3, 1)).shape
        torch.Size([3, 1])
    """

    lr_scheduler_interval = "step"

    def __init__(
        self,
        in_features: int = 1,
        out_features: int = 1,
        *,
        width: int = 50,
        depth: int = 4,
        scope: Scope = "layer",
        n: float = 1.0,
        activation: str = "tanh",
        init: Literal["xavier", "normal"] = "xavier",
        optimizer: OptimizerFactory = adam,
        lr_scheduler: SchedulerFactory | None = None,
        slope_lr: float | None = None,
        compile: bool = False,
    ) -> None:
        super().__init__(optimizer=optimizer, lr_scheduler=lr_scheduler, slope_lr=slope_lr, compile=compile)
        self.in_features, self.out_features = in_features, out_features
        self.width, self.depth, self.init = width, depth, init
        self.scope, self.n, self.activation = scope, n, activation
        self._evaluated: list[tuple[Tensor, Tensor, Tensor]] = []
        self.build_parts()

    def build_network(self) -> nn.Module:
        """Build the MLP.

        Returns:
            The network.
        """
        return MLP(
            self.in_features,
            self.out_features,
            width=self.width,
            depth=self.depth,
            activation=self.activation,
            scope=self.scope,
            n=self.n,
            init=self.init,
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the network.

        Args:
            inputs: shape (N, in_features), or (N,) for one feature; a NumPy array, or another floating-point dtype or
                device, is converted to the network's.

        Returns:
            Shape (N, out_features).
        """
        ours = type(self).build_network is FunctionRegressor.build_network
        x = as_inputs(inputs, self.network, "inputs", keeps_whole_numbers=not ours)
        if x.ndim == 1 and self.in_features == 1 and ((ours and len(x) != 1) or not isinstance(inputs, Tensor)):
            x = x[:, None]
        return super().forward(x)

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean squared error.

        Args:
            batch: (x, u).

        Returns:
            0-dim.
        """
        x, u = batch
        prediction = self(x)
        return nn.functional.mse_loss(prediction, targets_like(prediction, u))

    def constant_network_loss(self, batch: Batch) -> Tensor:
        """Return the smallest loss of a constant network, which is the variance of u.

        Args:
            batch: (x, u).

        Returns:
            0-dim float64.
        """
        u = batch[1].double()
        return (u - u.mean(dim=0)).square().mean()

    def on_fit_start(self) -> None:
        """Warn about low precision."""
        warn_about_low_precision(self, "a regression to small errors")

    def figure_data(self, *, training_points: bool = False) -> dict[str, Drawable]:
        """Return the last evaluation for drawing, on several ranks this rank's share of it.

        Args:
            training_points: whether the points that training uses now are shown, as far as they are known.

        Returns:
            A function of one variable under ``"regression"``, in rising order of x; nothing for other functions and
            before an evaluation.
        """
        if not self._evaluated or self.in_features != 1 or self.out_features != 1:
            return {}
        x, exact, prediction = (
            torch.cat([part[i].flatten().double().cpu() for part in self._evaluated]) for i in range(3)
        )
        order = x.argsort(stable=True)
        title = run_facts(self.network, self.attached_trainer).title(relative_l2_error(prediction, exact))
        points = training_inputs(self.attached_trainer, 1) if training_points else None
        u_exact, u_hat = exact[order].numpy(), prediction[order].numpy()
        return {"regression": RegressionData(x[order].numpy(), u_exact, u_hat, title=title, points=points)}

    def _evaluate(self, batch: Batch, batch_idx: int, stage: str) -> Tensor:
        x, u = batch
        prediction: Tensor = self(x)
        # Not by the base class: what shape targets must have is known once there are outputs.
        u = targets_like(prediction, u)
        self.metrics.update(prediction, u)
        self.log_dict({f"{stage}/{k}": v for k, v in self.metrics.items()}, prog_bar=True, batch_size=len(x))
        if batch_idx == 0:
            self._evaluated = []
        self._evaluated.append((x.detach(), u.detach(), prediction.detach()))
        return prediction
