"""Physics-informed neural networks with adaptive activations."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_info
from torch import nn

from laaf_lightning.activations import Scope
from laaf_lightning.derivatives.engines import EngineName, check_engine
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP
from laaf_lightning.modules.optimization.optimizer import OptimizerFactory, SchedulerFactory, adam
from laaf_lightning.modules.refusals import (
    refuse_coarse_coordinates,
    refuse_divided_points,
    warn_about_low_precision,
)
from laaf_lightning.modules.terms.weighted import WeightedTerms
from laaf_lightning.problems import PDE, check_problem
from laaf_lightning.solutions.scales.inputs import ScaleInputs
from laaf_lightning.solutions.scales.outputs import OutputOffsetSetting, OutputScaleSetting
from laaf_lightning.solutions.scales.settings import Scales
from laaf_lightning.solutions.scales.term_units import ScaleTerms
from laaf_lightning.weight_schedules import WeightSchedule

LONG_RUN = 5000  # steps, beyond which "auto" builds the kernel


class PINN(WeightedTerms):
    r"""Solve a PDE by minimising its residual and the misfit of its conditions.

    .. math:: J = W_F \cdot \tfrac{1}{N_F} \sum |F(x_i)|^2 + W_u \cdot \tfrac{1}{N_u} \sum |u_i - \hat u(x_i)|^2

    Conditions on derivatives enter the second sum alike, and a problem's own terms are added. Within the sums, each
    equation and condition may have a further weight, by name: W_F and W_u multiply what these make of them. Source:
    Raissi et al., J. Comput. Phys. 378 (2019); Jagtap et al. 2020, eq. 2. The slope recovery term is the
    `SlopeRecovery` callback's.

    Logged at log steps: ``train/mse_residual``, ``train/mse_data``, and each term by name, ``train/mse_<term>``: of
    a condition its part of the mean over all of them, all without weights.

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
        weights: by name, what the part of an equation or a condition in these sums, or an own term of the problem, is
            multiplied by: a number ≥ 0 or a schedule of the optimiser step, such as `OffAfter`; 1 for those not named.
        engine: how derivatives are computed: ``"fused"`` (one native function for an MLP, on the CPU, built once),
            ``"taylor"`` (one forward pass), ``"autograd"`` (nested reverse mode, any network), or ``"auto"`` for the
            first of them that serves; it takes the kernel, and builds it if need be, where a compiler is there and the
            run is longer than 5000 steps, whether or not an earlier run has built it.
        compile: whether the residual and the misfit run through ``torch.compile``.
        cuda_graphs: whether, on a GPU, the loss's terms and their gradients are recorded once as a CUDA graph and then
            replayed: a step of a small network is otherwise spent on launching kernels. The residual must be the same
            work at every step, and must not read values back from the GPU. Elsewhere it does nothing.
        chunk_size: most residual points at a time, ≥ 1, which bounds the memory: a chunk's gradients are taken as
            soon as its residual is there. None takes all at once.
        allow_piecewise: whether an activation may have derivatives that vanish almost everywhere at an order that the
            equation has, as ReLU's second one does.
        scale_inputs: whether the network sees coordinates mapped to [−1, 1] by the problem's box: ``"auto"`` for those
            whose interval leaves [−2, 2] or is shorter than 0.2; a network of one's own as it is.
        output_scale: s of u = o + s·N, see `output_scale`: numbers, ``"data"``, ``"auto"`` or None.
        output_offset: o, likewise; None for what goes with s.
        scale_terms: whether residual and misfits are divided by what their units are (`TermUnits`); ``"auto"`` where
            inputs or outputs have a scale.

    Attributes:
        coefficients: the problem's unknown coefficients, 0-dim parameters by name.
        conditions: the problem's conditions.
        weight_residual: W_F, a 0-dim tensor that is read at every step; a number that a callback assigns is written
            into it.
        weight_data: W_u, likewise.
        weights: the weights by name; ``weights["initial"] = 10.0`` sets one.

    Raises:
        ConfigurationError: without a problem or for one that contradicts itself, negative weights, those of a term that
            does not exist, an engine that is
            unknown or does not serve, a chunk size below 1, or an activation without the derivatives that it needs.

    Example:
        >>> import torch
        >>> from laaf_lightning.problems import Burgers
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
        weights: dict[str, float | WeightSchedule] | None = None,
        engine: EngineName = "auto",
        compile: bool = False,
        cuda_graphs: bool = False,
        chunk_size: int | None = None,
        allow_piecewise: bool = False,
        scale_inputs: ScaleInputs = "auto",
        output_scale: OutputScaleSetting = "auto",
        output_offset: OutputOffsetSetting = None,
        scale_terms: ScaleTerms = "auto",
    ) -> None:
        # Not the network is compiled, but what is made of it.
        super().__init__(optimizer=optimizer, lr_scheduler=lr_scheduler, slope_lr=slope_lr)
        if problem is None:
            raise ConfigurationError(
                f"{type(self).__name__} needs problem=…, a PDE; a checkpoint does not hold a problem that was given "
                f"from Python: {type(self).__name__}.load_from_checkpoint(path, problem=…)"
            )
        check_problem(problem)
        check_engine(engine)
        self.problem = problem
        self.width, self.depth, self.init = width, depth, init
        self.scope, self.n, self.activation = scope, n, activation
        self.weight_residual, self.weight_data = weight_residual, weight_data
        ours = type(self).build_network is PINN.build_network
        self.scales = Scales.of(problem, scale_inputs, output_scale, output_offset, own_network=not ours)
        self._solve(
            engine=engine,
            compile=compile,
            chunk_size=chunk_size,
            cuda_graphs=cuda_graphs,
            allow_piecewise=allow_piecewise,
            scale_terms=scale_terms,
        )
        self._weigh(weights)

    def build_network(self) -> nn.Module:
        """Build the MLP from the problem's coordinates to its unknowns.

        Returns:
            The network.
        """
        return MLP(
            len(self.problem.coordinates),
            len(self.problem.unknowns),
            width=self.width,
            depth=self.depth,
            activation=self.activation,
            scope=self.scope,
            n=self.n,
            init=self.init,
            **self.scales.inside,
        )

    def on_fit_start(self) -> None:
        """Build the kernel for a long run; say how derivatives are computed; refuse or warn about what spoils them."""
        refuse_divided_points(self.solution, self.trainer)
        refuse_coarse_coordinates(
            self.problem, torch.promote_types(next(self.network.parameters()).dtype, torch.float32)
        )
        if self.differentiator.hint and _steps_of(self.trainer) > LONG_RUN:
            self.solution.choose_engine(builds=True)
        rank_zero_info(self._how_derivatives_are_computed())
        warn_about_low_precision(self, "the second derivatives of a PDE residual")

    def on_validation_epoch_end(self) -> None:
        """Log the errors of each of several unknowns, and of the learnt coefficients."""
        self._log_errors_by_unknown("val")
        self._log_coefficient_errors("val")

    def on_test_epoch_end(self) -> None:
        """Log the errors of each of several unknowns, and of the learnt coefficients."""
        self._log_errors_by_unknown("test")
        self._log_coefficient_errors("test")

    def _how_derivatives_are_computed(self) -> str:
        on_gpu = self.device.type == "cuda"
        recorded = on_gpu and self.solution.cuda_graphs
        how = (", compiled" if self.solution.is_compiled else "") + (", as a CUDA graph" if recorded else "")
        hint = self.differentiator.hint
        if on_gpu and not recorded:
            hint = "--model.cuda_graphs true is faster for a small network; see PINN's documentation"
        return f"PINN: {self.differentiator}{how}.{f' {hint}.' if hint else ''}"

    def _log_coefficient_errors(self, stage: str) -> None:
        for name, true in self.problem.true_coefficients().items():
            error = (self.coefficients[name].detach() - true).abs() / (abs(true) or 1.0)
            self.log(f"{stage}/{name}_error", error, prog_bar=True, sync_dist=True)


def _steps_of(trainer: Trainer) -> float:
    """Count a run's steps, where possible without its loaders: once these are made, no state of theirs is loaded."""
    per_epoch: int | None = getattr(getattr(trainer, "datamodule", None), "steps_per_epoch", None)
    epochs = trainer.max_epochs
    if per_epoch is None or epochs is None or epochs < 0:
        return trainer.estimated_stepping_batches
    steps = math.ceil(per_epoch / trainer.accumulate_grad_batches) * epochs
    return min(steps, trainer.max_steps) if trainer.max_steps >= 0 else steps
