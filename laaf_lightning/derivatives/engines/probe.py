"""What a network gives at a few points, asked for so that nothing of the network changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from laaf_lightning.errors import ConfigurationError


@contextmanager
def as_it_was(network: nn.Module, *, training: bool | None = None) -> Iterator[None]:
    """Look at a network; put modes, buffers and torch's random states back.

    Nothing is made in inference mode meanwhile.

    Args:
        network: any.
        training: whether it is looked at in training mode, or in eval mode; None leaves it as it is.

    Yields:
        Nothing.
    """
    modes = {module: module.training for module in network.modules()}
    with torch.inference_mode(mode=False):
        buffers = {buffer: buffer.clone() for buffer in network.buffers()}
    devices = {buffer.device for buffer in (*network.parameters(), *network.buffers()) if buffer.is_cuda}
    if training is not None:
        network.train(training)
    try:
        with torch.random.fork_rng([*devices]), torch.inference_mode(mode=False):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for buffer, value in buffers.items():
                if not torch.equal(buffer, value):  # a graph that waits for its backward pass bears no write
                    buffer.copy_(value)


def outputs_at(network: nn.Module, points: Tensor) -> Tensor:
    """Return what a network gives in eval mode.

    Args:
        network: maps points (N, d) to u (N, C).
        points: shape (N, d).

    Returns:
        Shape (N, C), without graph.
    """
    with as_it_was(network, training=False), torch.no_grad():
        outputs: Tensor = network(points)
    return outputs


def refuse_mixing(network: nn.Module, points: Tensor) -> None:
    """Refuse a network whose output at one point depends on the others while it trains, as with batch normalisation.

    The derivative of the sum over all points is then not the derivative at each.

    Args:
        network: maps points (N, d) to u (N, C).
        points: shape (N, d), N ≥ 2.

    Raises:
        ConfigurationError: naming the layer, if it is one of torch's, and the way out.

    Example:
        >>> refuse_mixing(nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)), torch.rand(5, 1))
        Traceback (most recent call last):
        laaf_lightning.errors.ConfigurationError: Sequential mixes points: what it gives at one depends ...
    """
    with as_it_was(network, training=True), torch.enable_grad():
        points = points.detach().clone().requires_grad_()
        first = network(points)[0].sum()
        if not first.requires_grad:
            return
        (gradient,) = torch.autograd.grad(first, points, allow_unused=True, materialize_grads=True)
    if not gradient[1:].nan_to_num().any():
        return
    kinds = [name for module in network.modules() if "BatchNorm" in (name := type(module).__name__)]
    culprit = f" ({kinds[0]})" if kinds else ""
    raise ConfigurationError(
        f"{type(network).__name__} mixes points: what it gives at one depends on the others{culprit}, so that "
        "derivatives at single points would be wrong; leave that layer out, or take one that looks at each point alone "
        "(torch.nn.LayerNorm)"
    )
