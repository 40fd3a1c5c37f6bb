"""What a model is called with once, to see what it does."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from laaf_lightning.errors import ConfigurationError


class Example(NamedTuple):
    """Arguments of one forward call.

    Attributes:
        positional: its positional arguments.
        named: its keyword arguments.
    """

    positional: tuple[Any, ...]
    named: dict[str, Any]

    def copied(self) -> Example:
        """Copy the tensors, which a forward may write over.

        Returns:
            The same arguments.
        """
        copies: dict[Tensor, Tensor] = {}

        def copy(tensor: Tensor) -> Tensor:
            if tensor not in copies:
                copies[tensor] = tensor.detach().clone().requires_grad_(tensor.requires_grad)
            return copies[tensor]

        positional, named = tree_map_only(Tensor, copy, (self.positional, self.named))
        return Example(positional, named)


def example_of(model: nn.Module, example_input: Any) -> Example:
    """Turn an example input into arguments.

    Args:
        model: to be called.
        example_input: a tensor, or any other single argument; a tuple of positional arguments; a mapping of keyword
            arguments. Of a LightningModule also a batch of its data, of which ``forward`` takes the first elements, or
            the entries that it names. An `Example` is taken as it is.

    Returns:
        The arguments.

    Raises:
        ConfigurationError: where ``forward`` does not take them.
    """
    if isinstance(example_input, Example):
        example = example_input
    elif isinstance(example_input, Mapping) and all(isinstance(name, str) for name in example_input):
        example = Example((), dict(example_input))
    elif isinstance(example_input, tuple) and not hasattr(example_input, "_fields"):
        example = Example(example_input, {})
    else:
        example = Example((example_input,), {})
    if hasattr(model, "training_step") and not isinstance(example_input, Example):
        example = _of_batch(model, example_input, example)
    try:
        inspect.signature(model.forward).bind(*example.positional, **example.named)
    except TypeError as error:
        whole = ", or (batch,) for a mapping that is one argument" if example.named else ""
        raise ConfigurationError(
            f"example_input={_short(example_input)} does not fit {type(model).__name__}.forward: {error}; give a "
            f"tensor, a tuple of positional arguments or a dict of keyword arguments{whole}"
        ) from None
    except ValueError:  # a builtin without a signature
        pass
    return example


def _of_batch(model: nn.Module, batch: Any, example: Example) -> Example:
    """Leave out of a batch what ``forward`` does not take, as the targets are."""
    if isinstance(batch, (list, tuple)):
        example = Example(tuple(batch), {})
    parameters = inspect.signature(model.forward).parameters.values()
    kinds = {parameter.kind for parameter in parameters}
    if example.named and inspect.Parameter.VAR_KEYWORD not in kinds:
        taken = {parameter.name for parameter in parameters}
        named = {name: value for name, value in example.named.items() if name in taken}
        return Example((), named) if named else Example((batch,), {})
    if inspect.Parameter.VAR_POSITIONAL not in kinds:
        wanted = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
        needed = sum(p.kind in wanted and p.default is inspect.Parameter.empty for p in parameters)
        return Example(example.positional[: max(1, needed)], example.named)
    return example


def _short(value: Any) -> str:
    text = f"a tensor of shape {tuple(value.shape)}" if hasattr(value, "shape") else " ".join(repr(value).split())
    return text if len(text) < 80 else f"{text[:77]}..."
