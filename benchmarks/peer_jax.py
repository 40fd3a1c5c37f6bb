"""The Burgers step of `burgers_step.py` in plain JAX, jitted as a whole: loss, gradients and Adam.

    pip install jax optax

Derivatives are taken as JAX's documentation takes them, by ``jax.grad`` of a network of one point, vectorised over the
points by ``jax.vmap``; u_xx is forward mode over reverse mode, which is its fastest way here.
"""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
from torch import nn

from laaf_lightning import CollocationBatch


class JAX:
    """A jitted step; its loop is a Python loop that does nothing else."""

    def __init__(
        self, batch: CollocationBatch, linears: list[nn.Linear], viscosity: float, adam: dict[str, Any], device: str
    ) -> None:
        import jax  # noqa: PLC0415  # an optional peer
        import jax.numpy as jnp  # noqa: PLC0415
        import optax  # noqa: PLC0415

        jax.config.update("jax_platforms", device)
        # Products in float32, as torch's are on a GPU too; JAX would take fewer digits there.
        jax.config.update("jax_default_matmul_precision", "highest")
        points, at, values = (np.asarray(part) for part in batch[:3])
        jax.config.update("jax_enable_x64", points.dtype == np.float64)
        self._parameters = [
            (jnp.asarray(linear.weight.detach().numpy()), jnp.asarray(linear.bias.detach().numpy()))
            for linear in linears
        ]

        def u(parameters: Any, x: Any, t: Any) -> Any:
            hidden = jnp.stack([x, t])
            for weight, bias in parameters[:-1]:
                hidden = jnp.tanh(weight @ hidden + bias)
            weight, bias = parameters[-1]
            return (weight @ hidden + bias)[0]

        def residual(parameters: Any, x: Any, t: Any) -> Any:
            value, u_t = jax.value_and_grad(u, 2)(parameters, x, t)
            u_x, u_xx = jax.jvp(lambda x: jax.grad(u, 1)(parameters, x, t), (x,), (jnp.ones_like(x),))
            return u_t + value * u_x - viscosity * u_xx

        def loss(parameters: Any) -> Any:
            inside = jax.vmap(residual, (None, 0, 0))(parameters, points[:, 0], points[:, 1])
            given = jax.vmap(u, (None, 0, 0))(parameters, at[:, 0], at[:, 1]) - values[:, 0]
            return (inside**2).mean() + (given**2).mean()

        optimizer = optax.adam(adam["lr"])

        def step(parameters: Any, state: Any) -> Any:
            value, gradients = jax.value_and_grad(loss)(parameters)
            updates, state = optimizer.update(gradients, state)
            return optax.apply_updates(parameters, updates), state, value

        self._state = optimizer.init(self._parameters)
        self._loss, self._step = jax.jit(loss), jax.jit(step)

    def step(self) -> None:
        self._parameters, self._state, self._value = self._step(self._parameters, self._state)

    def wait(self) -> None:
        self._value.block_until_ready()

    def first_loss(self) -> float:
        return float(self._loss(self._parameters))

    def loop(self, steps: int) -> list[float]:
        times = []
        for _ in itertools.repeat(None, steps):
            self.step()
            self.wait()
            times.append(time.perf_counter())
        return times
