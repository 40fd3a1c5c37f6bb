"""The Burgers step of `burgers_step.py` in DeepXDE (PyTorch backend) and PINA, as their documentation does it.

    pip install deepxde pina-mathlab

Both get the same points, the same initial weights and Adam with the same learning rate; the loss is the mean squared
residual plus the mean squared misfit over all condition points.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
import warnings
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from laaf_lightning import CollocationBatch


class Job(Protocol):
    """A training job of one library."""

    def step(self) -> None:
        """Take one optimiser step outside of the library's training loop."""
        ...

    def wait(self) -> None:
        """Return when all steps have been taken."""
        ...

    def loop(self, steps: int) -> list[float]:
        """Train in the library's own loop; return the time at the end of every step, seconds."""
        ...


class _Torch:
    device: str

    def wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


class DeepXDE(_Torch):
    """DeepXDE's `Model`: `train_step` bare, `train` as the loop."""

    def __init__(
        self, batch: CollocationBatch, linears: list[nn.Linear], equation: Any, adam: dict[str, Any], device: str
    ) -> None:
        os.environ["DDE_BACKEND"] = "pytorch"
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            import deepxde as dde  # noqa: PLC0415  # an optional peer

        self.device = device
        torch.set_default_device(None)  # which DeepXDE sets to the GPU, if there is one
        with self._its_device():
            self._build(dde, batch, linears, equation, adam)

    def _its_device(self) -> AbstractContextManager[Any]:
        return torch.device("cuda") if self.device == "cuda" else contextlib.nullcontext()

    def _build(
        self, dde: Any, batch: CollocationBatch, linears: list[nn.Linear], equation: Any, adam: dict[str, Any]
    ) -> None:
        dde.config.set_default_float(str(batch.residual_points.dtype).removeprefix("torch."))
        data, weights = self._described(dde, batch, equation)
        net = dde.nn.FNN([linear.in_features for linear in linears] + [linears[-1].out_features], "tanh", "zeros")
        _copy_weights(linears, list(net.linears))
        self._model = dde.Model(data, net)
        with contextlib.redirect_stdout(io.StringIO()):
            self._model.compile(torch.optim.Adam(net.parameters(), **adam), loss_weights=weights)
        self._data = data.train_next_batch()
        self._clock = type("Clock", (_Clock, dde.callbacks.Callback), {})

    def _described(self, dde: Any, batch: CollocationBatch, equation: Any) -> tuple[Any, list[float] | None]:
        """Return the equation with its points, and the weights of the loss's terms if they are not all 1.

        Args:
            dde: the package.
            batch: the points.
            equation: here the viscosity.
        """

        def pde(x: Tensor, u: Tensor) -> Tensor:
            u_x = dde.grad.jacobian(u, x, i=0, j=0)
            u_t = dde.grad.jacobian(u, x, i=0, j=1)
            u_xx: Tensor = dde.grad.hessian(u, x, i=0, j=0)
            residual: Tensor = u_t + u * u_x - equation * u_xx
            return residual

        geometry = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))
        conditions = dde.icbc.PointSetBC(batch.condition_points.numpy(), batch.condition_values.numpy())
        inside = batch.residual_points.numpy()
        return dde.data.TimePDE(geometry, pde, [conditions], num_domain=0, anchors=inside), None

    def step(self) -> None:
        with self._its_device():
            self._model.train_step(*self._data)

    def first_loss(self) -> float:
        with self._its_device():
            return float(self._model.outputs_losses_train(*self._data)[1].sum())

    def loop(self, steps: int) -> list[float]:
        clock = self._clock()
        with contextlib.redirect_stdout(io.StringIO()), self._its_device():
            self._model.train(iterations=steps, display_every=1000, callbacks=[clock], verbose=0)
        return list(clock.times)


class PINA(_Torch):
    """PINA's physics-informed solver: its conditions and Adam bare, its Trainer, on Lightning, as the loop."""

    def __init__(
        self, batch: CollocationBatch, linears: list[nn.Linear], equation: Any, adam: dict[str, Any], device: str
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pina  # noqa: PLC0415  # an optional peer
            from pina.model import FeedForward  # noqa: PLC0415
            from pina.optim import TorchOptimizer  # noqa: PLC0415
            from pina.solver import PhysicsInformedSingleModelSolver  # noqa: PLC0415

        self.device = device
        ends, sizes = (linears[0].in_features, linears[-1].out_features), [part.out_features for part in linears[:-1]]
        network = FeedForward(*ends, layers=sizes, func=nn.Tanh).to(device, batch.residual_points.dtype)
        _copy_weights(linears, [part for part in network.modules() if isinstance(part, nn.Linear)])
        problem, parts = self._described(pina, batch, equation)
        self._pina = pina
        self._solver = PhysicsInformedSingleModelSolver(
            problem, network, optimizer=TorchOptimizer(torch.optim.Adam, **adam)
        )
        # Copies: evaluating makes the points require a gradient, which the Trainer's data must not.
        self._parts = [
            (condition, {name: _labelled_copy(pina, data, device) for name, data in given.items()}, weight)
            for condition, given, weight in parts
        ]
        self._adam = torch.optim.Adam(network.parameters(), **adam)

    def _described(
        self, pina: Any, batch: CollocationBatch, equation: Any
    ) -> tuple[Any, list[tuple[Any, dict[str, Any], float]]]:
        """Return the problem, and each condition with its data and the weight of its mean square.

        Args:
            pina: the package.
            batch: the points.
            equation: here the viscosity.
        """
        from pina.domain import CartesianDomain  # noqa: PLC0415
        from pina.equation.zoo import BurgersEquation  # noqa: PLC0415
        from pina.problem import SpatialProblem, TimeDependentProblem  # noqa: PLC0415

        labels = ["x", "t"]
        points = pina.LabelTensor(batch.residual_points.clone(), labels)
        at = pina.LabelTensor(batch.condition_points.clone(), labels)
        values = pina.LabelTensor(batch.condition_values.clone(), ["u"])
        inside = pina.Condition(input=points, equation=BurgersEquation(equation))
        given = pina.Condition(input=at, target=values)

        class Problem(SpatialProblem, TimeDependentProblem):  # type: ignore[misc]  # untyped
            output_variables = ["u"]  # noqa: RUF012
            spatial_domain = CartesianDomain({"x": [-1, 1]})
            temporal_domain = CartesianDomain({"t": [0, 1]})
            domains: dict[str, Any] = {}  # noqa: RUF012
            conditions = {"inside": inside, "given": given}  # noqa: RUF012

        return Problem(), [(inside, {"input": points}, 1.0), (given, {"input": at, "target": values}, 1.0)]

    def _loss(self) -> Tensor:
        parts = [weight * part.evaluate(data, self._solver).square().mean() for part, data, weight in self._parts]
        loss: Tensor = torch.stack([part.as_subclass(torch.Tensor) for part in parts]).sum()
        return loss

    def step(self) -> None:
        self._adam.zero_grad()
        self._loss().backward()
        self._adam.step()

    def first_loss(self) -> float:
        return float(self._loss())

    def loop(self, steps: int) -> list[float]:
        import lightning  # noqa: PLC0415  # PINA's own

        class Clock(_Clock, lightning.pytorch.Callback):
            def on_train_batch_end(self, *_: Any) -> None:
                self.on_batch_end()

        clock = Clock()
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), isolate_rng():
            warnings.simplefilter("ignore")
            trainer = self._pina.Trainer(
                solver=self._solver,
                max_epochs=steps,
                accelerator="gpu" if self.device == "cuda" else "cpu",
                devices=1,
                enable_progress_bar=False,
                enable_model_summary=False,
                enable_checkpointing=False,
                logger=False,
                callbacks=[clock],
            )
            trainer.train()
        return clock.times


class _Clock:
    """Notes the time at the end of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_batch_end(self) -> None:
        self.times.append(time.perf_counter())


def _labelled_copy(pina: Any, data: Any, device: str) -> Any:
    return pina.LabelTensor(data.as_subclass(torch.Tensor).to(device, copy=True), data.labels)


def _copy_weights(source: list[nn.Linear], target: list[nn.Linear]) -> None:
    with torch.no_grad():
        for mine, theirs in zip(source, target, strict=True):
            theirs.weight.copy_(mine.weight)
            theirs.bias.copy_(mine.bias)
