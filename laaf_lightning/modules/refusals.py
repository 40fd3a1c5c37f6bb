"""What the modules refuse or warn about before a Trainer starts."""

from __future__ import annotations

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.strategies import FSDPStrategy, ModelParallelStrategy, Strategy
from pytorch_lightning.utilities import rank_zero_warn

from laaf_lightning.derivatives.overridden_forward import forward_of
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.problems import PDE
from laaf_lightning.solutions import Solution
from laaf_lightning.solutions.checked import about_coupled_points

_COARSE, _HOPELESS = 1e-4, 0.1  # of a coordinate's interval: the distance of neighbouring values


def refuse_sharding(strategy: Strategy, module: LightningModule) -> None:
    """Refuse a strategy that shards along a parameter's first dimension, which one slope of a layer does not have.

    Args:
        strategy: the Trainer's.
        module: what it is to train.

    Raises:
        ConfigurationError: for FSDP and model parallelism.
    """
    if isinstance(strategy, (FSDPStrategy, ModelParallelStrategy)):
        raise ConfigurationError(
            f"{type(strategy).__name__} cuts every parameter into shards along its first dimension, and a slope of "
            f"scope 'layer' or 'global' has none; {type(module).__name__} fits one device: use --trainer.strategy ddp"
        )


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


def refuse_own_forward(module: LightningModule, base: type[LightningModule]) -> None:
    """Refuse a PINN whose forward is another function than the one that its residual is computed of.

    Args:
        module: the module that is being made.
        base: whose ``forward`` and ``field`` belong together.

    Raises:
        ConfigurationError: if a subclass overrides ``forward``, and not ``field`` too.
    """
    if forward_of(module) is base.forward or type(module).field is not base.field:  # type: ignore[attr-defined]
        return
    raise ConfigurationError(
        f"{type(module).__name__} has a forward of its own, which validation would use and the residual would not: "
        "let build_network return a module that does this, give the problem an ansatz() for conditions that hold by "
        "construction, or override field too"
    )


def refuse_script(_file_path: object = None, method: str | None = "script", *_: object, **_kwargs: object) -> None:
    """Refuse to be compiled from source by TorchScript, which does not know the Python of today.

    Args:
        method: of ``to_torchscript``.

    Raises:
        ConfigurationError: for ``"script"``; it names tracing and torch.export.
    """
    if method == "script":
        raise ConfigurationError(
            "to_torchscript(method='script'): TorchScript cannot read the Python of these modules; take "
            "to_torchscript(method='trace', example_inputs=batch), or torch.export.export(module.network, (batch,))"
        )


def refuse_divided_points(solution: Solution, trainer: Trainer) -> None:
    """Refuse to compute a residual that couples points at a part of them.

    Args:
        solution: the problem with its network; a residual of one's own is tried out here.
        trainer: that is about to fit.

    Raises:
        ConfigurationError: for several processes and for minibatches.
    """
    if solution.own_residual is not None:
        solution.look_for_coupled_points()
    if not solution.couples_points:
        return
    told, data = about_coupled_points(solution.problem), getattr(trainer, "datamodule", None)
    if trainer.world_size > 1:
        raise ConfigurationError(
            f"{told}, and each of {trainer.world_size} processes has a share of them: train on one device "
            "(--trainer.devices 1)"
        )
    size, count = getattr(data, "batch_size", None), getattr(data, "num_residual", None)
    if size is not None and size != count:
        raise ConfigurationError(
            f"batch_size={size}: {told}, and minibatches would change the result: leave batch_size out "
            "(--data.batch_size null)"
        )


def refuse_coarse_coordinates(problem: PDE, dtype: torch.dtype) -> None:
    """Notice coordinates far from 0 beside the length of their interval, of which a dtype holds few values.

    Args:
        problem: has the box.
        dtype: of the points.

    Raises:
        ConfigurationError: where the interval has about ten different values or fewer; from 10⁴ values on all is well,
            and between the two there is a warning.
    """
    for name in problem.coordinates:
        low, high = map(float, problem.domain[name])
        spacing = max(abs(low), abs(high)) * torch.finfo(dtype).eps / (high - low)
        if spacing < _COARSE:
            continue
        told = (
            f"{name} in [{low!r}, {high!r}] has about {max(1, round(1 / spacing))} different values in {dtype}: take "
            f"double precision (--trainer.precision 64-true), or measure {name} from {low!r}"
        )
        if spacing >= _HOPELESS:
            raise ConfigurationError(told)
        rank_zero_warn(told)
