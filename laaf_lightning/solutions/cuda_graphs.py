"""Loss terms and their gradients as a CUDA graph, which costs the processor one launch a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.solutions.known_gradients import flattened, with_gradients
from laaf_lightning.solutions.tensor_identity import TensorIdentity

Terms = Callable[..., Sequence[Tensor]]
Work = Callable[[], tuple[Tensor, ...]]
_KEPT = 4
_WARM_UPS = 3


class CudaGraphs:
    """Calls a function that returns loss terms; records it on a GPU together with the gradients of each term.

    A recording serves as long as shapes, parameters and `key` are the same; the last few are kept. Inputs are copied
    into it where they have changed, told by `TensorIdentity`: it relies on what that sees. The gradients are of first
    order, without a graph of their own. Copies and pickles are empty.
    """

    def __init__(self) -> None:
        self._recordings: dict[Any, _Recording] = {}

    def __call__(
        self, terms: Terms, inputs: Sequence[Tensor], parameters: Sequence[nn.Parameter], key: object = None
    ) -> tuple[Tensor, ...]:
        """Return the terms.

        Args:
            terms: maps the inputs to 0-dim tensors; what else it reads must stay where it is in memory, and what it
                does in Python happens at recording alone.
            inputs: on the GPU.
            parameters: what is trained.
            key: whatever else a recording depends on, hashable.

        Returns:
            The terms, attached to the graph.

        Raises:
            ConfigurationError: if the function cannot be recorded.
        """
        places = tuple((parameter.data_ptr(), parameter.shape, parameter.dtype) for parameter in parameters)
        shapes = tuple((value.shape, value.dtype) for value in inputs)
        precision = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
        whole = shapes, places, precision, key
        if whole not in self._recordings:
            while len(self._recordings) >= _KEPT:
                del self._recordings[next(iter(self._recordings))]
            self._recordings[whole] = _Recording(terms, inputs, parameters)
        values, gradients = self._recordings[whole](inputs)
        return with_gradients(values, gradients, parameters)

    def __reduce__(self) -> tuple[type[CudaGraphs], tuple[()]]:
        return CudaGraphs, ()


class _Recording:
    """The terms and their gradients for inputs of some shapes."""

    def __init__(self, terms: Terms, inputs: Sequence[Tensor], parameters: Sequence[nn.Parameter]) -> None:
        self._inputs = [value.detach().clone() for value in inputs]
        self._copied = [TensorIdentity(value) for value in inputs]

        def differentiated() -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                values = terms(*self._inputs)
            gradients = [
                torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
                for value in values
            ]
            rows = torch.stack([flattened(row) for row in gradients])
            return torch.stack([value.detach() for value in values]), rows

        self._replay, self._results = record(differentiated, self._inputs[0].device)

    def __call__(self, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        for index, (value, own) in enumerate(zip(inputs, self._inputs, strict=True)):
            if not self._copied[index].is_that_of(value):
                own.copy_(value)
                self._copied[index] = TensorIdentity(value)
        self._replay()
        values, gradients = self._results
        return values, gradients.clone()  # the next replay overwrites both


def record(
    function: Callable[[], tuple[Tensor, ...]], device: torch.device
) -> tuple[Callable[[], None], Sequence[Tensor]]:
    """Record a function's work on the GPU.

    Args:
        function: run a few times first, as libraries set themselves up at first calls.
        device: the GPU.

    Returns:
        What does the work again, and the tensors in which its results then are.

    Raises:
        ConfigurationError: if the function does what a graph cannot hold.
    """
    beside = torch.cuda.Stream(device)
    beside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(beside):
        for _ in range(_WARM_UPS):
            function()
    torch.cuda.current_stream(device).wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            results = function()
    except RuntimeError as error:
        raise ConfigurationError(
            f"cuda_graphs=True does not serve here, as the loss cannot be recorded: {str(error).splitlines()[0]}; it "
            "must not read values back from the GPU (.item(), if on a tensor, .cpu()); leave cuda_graphs at false"
        ) from error
    return graph.replay, results
