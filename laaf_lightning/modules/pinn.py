"""Physics-informed neural networks with adaptive activations."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from laaf_lightning.activations import Scope
from laaf_lightning.data import CollocationBatch
from laaf_lightning.derivatives import AutogradField, ConstantField, Field
from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.figures import Drawable, SpaceTimeData
from laaf_lightning.models import MLP
from laaf_lightning.modules.base import AdaptiveModule
from laaf_lightning.modules.constant_network import smallest_value
from laaf_lightning.modules.optimizer import OptimizerFactory, SchedulerFactory, adam
from laaf_lightning.modules.precision import warn_about_low_precision
from laaf_lightning.problems import PDE, Burgers

Engine = Literal["auto", "autograd"]


class PINN(AdaptiveModule):
    r"""Solve a PDE by minimising its residual and the misfit of its conditions.

    .. math:: J = W_F \cdot \tfrac{1}{N_F} \sum |F(x_i)|^2 + W_u \cdot \tfrac{1}{N_u} \sum |u_i - \hat u(x_i)|^2

    Source: Raissi et al., J. Comput. Phys. 378 (2019); Jagtap et al. 2020, eq. 2. The slope recovery term is the
    `SlopeRecovery` callback's.

    Args:
        problem: the equation with its conditions. A live object stays out of the checkpoint's hyper-parameters:
            ``PINN.load_from_checkpoint(path, problem=…)``.
        width: neurons in a hidden layer.
        depth: number of hidden layers.
        scope: of the slopes: ``"fixed"``, ``"global"``, ``"layer"``, ``"channel"`` or ``"neuron"``.
        n: scaling factor, > 0.
        activation: name of σ.
        init: ``"xavier"`` or ``"normal"`` (N(0, 0.1²)).
        optimizer: factory of the optimiser.
        lr_scheduler: factory of a scheduler, stepped at every optimiser step.
        slope_lr: learning rate of the slopes; None for the optimiser's.
        weight_residual: W_F ≥ 0.
        weight_data: W_u ≥ 0.
        engine: how derivatives are computed; ``"autograd"`` is nested reverse mode, ``"auto"`` the best at hand.
        compile: whether the network runs through ``torch.compile``; not with nested autograd.

    Raises:
        ConfigurationError: without a problem, for negative weights, an unknown engine, or `compile`.

    Example:
        >>> pinn = PINN(Burgers(), width=8, depth=2, n=10)
        >>> pinn.residual(torch.rand(5, 2)).shape
        torch.Size([5, 1])
    """

    lr_scheduler_interval = "step"

    def __init__(
        self,
        problem: PDE | None = None,
        *,
        width: int = 20,
        depth: int = 6,
        scope: Scope = "layer",
        n: float = 1.0,
        activation: str = "tanh",
        init: Literal["xavier", "normal"] = "xavier",
        optimizer: OptimizerFactory = adam,
        lr_scheduler: SchedulerFactory | None = None,
        slope_lr: float | None = None,
        weight_residual: float = 1.0,
        weight_data: float = 1.0,
        engine: Engine = "auto",
        compile: bool = False,
    ) -> None:
        super().__init__(optimizer, lr_scheduler, slope_lr, compile)
        if problem is None:
            raise ConfigurationError(
                f"{type(self).__name__} needs problem=…, a PDE; a checkpoint does not hold a problem that was given "
                f"from Python: {type(self).__name__}.load_from_checkpoint(path, problem=…)"
            )
        if engine not in {"auto", "autograd"}:
            raise ConfigurationError(unknown_choice("engine", engine, ("auto", "autograd")))
        if compile:
            raise ConfigurationError(
                "compile=True does not go with engine='autograd': torch.compile cannot differentiate a network twice; "
                "leave compile at false"
            )
        for name, value in (("weight_residual", weight_residual), ("weight_data", weight_data)):
            if not (math.isfinite(value) and value >= 0):
                raise ConfigurationError(f"{name}={value} must be finite and >= 0")
        self.problem = problem
        self.width, self.depth, self.init = width, depth, init
        self.scope, self.n, self.activation = scope, n, activation
        self.weight_residual, self.weight_data = weight_residual, weight_data
        self._build()

    def build_network(self) -> nn.Module:
        """Build the MLP from the problem's coordinates to u.

        Returns:
            The network.
        """
        return MLP(
            len(self.problem.coordinates),
            1,
            width=self.width,
            depth=self.depth,
            activation=self.activation,
            scope=self.scope,
            n=self.n,
            init=self.init,
        )

    def residual(self, points: Tensor) -> Tensor:
        """Return the equation's residual of the network.

        Args:
            points: shape (N, d).

        Returns:
            Shape (N, 1), attached to the graph.
        """
        field = AutogradField(self.network, points, self.problem.coordinates)
        return self._residual_of(field, field.points)

    def loss(self, batch: CollocationBatch) -> Tensor:
        """Return W_F·MSE_F + W_u·MSE_u.

        Args:
            batch: residual points, condition points and values.

        Returns:
            0-dim.
        """
        mse_residual = self.residual(batch.residual_points).square().mean()
        mse_data = nn.functional.mse_loss(self(batch.condition_points), batch.condition_values)
        self.log_at_log_steps({"train/mse_residual": mse_residual.detach(), "train/mse_data": mse_data.detach()})
        return self.weight_residual * mse_residual + self.weight_data * mse_data

    def constant_network_loss(self, batch: CollocationBatch) -> Tensor:
        """Return the smallest loss of a constant network, minimised over the constant.

        Args:
            batch: as for `loss`.

        Returns:
            0-dim float64.
        """
        with torch.inference_mode(mode=False):
            # Tensors made in inference mode cannot take part in a backward pass: copies can.
            points, values = (part.double().clone() for part in (batch.residual_points, batch.condition_values))

        def loss(constant: Tensor) -> Tensor:
            residual = self._residual_of(ConstantField(constant, points, self.problem.coordinates), points)
            misfit = (values - constant).square().mean()
            return self.weight_residual * residual.square().mean() + self.weight_data * misfit

        return smallest_value(loss, values.min(), values.max())

    def setup(self, stage: str) -> None:
        """Refuse data of another problem.

        Args:
            stage: what the Trainer is about to do.

        Raises:
            ConfigurationError: if the DataModule's problem is not this one.
        """
        data_problem = getattr(getattr(self.trainer, "datamodule", None), "problem", self.problem)
        if data_problem != self.problem:
            raise ConfigurationError(
                f"the model solves {self.problem!r}, the data hold points and solution of {data_problem!r}: give both "
                "the same problem"
            )

    def on_fit_start(self) -> None:
        """Warn about low precision."""
        warn_about_low_precision(self, "the second derivatives of a PDE residual")

    def figure_data(self) -> dict[str, Drawable]:
        """Return the solution on the problem's grid for drawing.

        Returns:
            Under the problem's name, for problems in two coordinates, the second being time; else nothing.
        """
        if len(self.problem.coordinates) != 2:
            return {}
        space, time = self.problem.coordinates
        axes, grid = self.problem.axes(), self.problem.grid()
        shape = (len(axes[space]), len(axes[time]))
        prediction = self(grid.to(next(self.network.parameters()))).detach().double().cpu()
        exact = self.problem.exact(grid)
        return {
            type(self.problem).__name__.lower(): SpaceTimeData(
                axes[space].numpy(),
                axes[time].numpy(),
                prediction.reshape(shape).T.numpy(),
                None if exact is None else exact.cpu().reshape(shape).T.numpy(),
                coordinates=(space, time),
            )
        }

    def _residual_of(self, field: Field, points: Tensor) -> Tensor:
        return self.problem.residual(self.problem.columns(points), field)


class BurgersPINN(PINN):
    """The PINN of the Burgers equation, rebuilt from a checkpoint without further arguments.

    Args:
        viscosity: ν > 0.
        scope: of the slopes, as for `PINN`.
        n: scaling factor, > 0.
        kwargs: as for `PINN`, without `problem`.
    """

    def __init__(
        self, viscosity: float = 0.01 / math.pi, *, scope: Scope = "layer", n: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(problem=Burgers(viscosity), scope=scope, n=n, **kwargs)
