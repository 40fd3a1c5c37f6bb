"""Whether a module is an elementwise activation: by its class where torch has it, else by what it does."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.elementwise import MODULES
from laaf_lightning.activations.recording.as_it_was import as_it_was

# Of torch.nn only the list counts: a Softmax2d of one channel or a Dropout in evaluation mode must not pass.
_NOT_TORCH = ("torch.nn.modules.",)


def is_activation(module: nn.Module) -> bool:
    """Tell whether a module is an elementwise activation.

    A class of torch is one if torch lists it so. Any other is tried: without children and without tensors but scalars,
    it must map a tensor to one of the same shape, each element by itself, not along a straight line, and twice alike.

    Args:
        module: any module.

    Returns:
        Whether it can have a slope; False for an `AdaptiveActivation`, which has one.
    """
    if isinstance(module, AdaptiveActivation):
        return False
    if isinstance(module, MODULES):
        return True
    if type(module).__module__.startswith(_NOT_TORCH) or _holds_more_than_scalars(module):
        return False
    like = next(iter([*module.parameters(), *module.buffers()]), torch.zeros(()))
    if not like.is_floating_point() or like.is_meta:
        return False
    with as_it_was(module), torch.no_grad():
        return _is_elementwise_and_bent(module, like)


def _holds_more_than_scalars(module: nn.Module) -> bool:
    # One called `activation` has the slope itself: an adaptive module has another one of that name.
    if any(not isinstance(child, MODULES) or name == "activation" for name, child in module.named_children()):
        return True
    if module._forward_hooks or module._forward_pre_hooks:
        return True
    return any(tensor.numel() != 1 for tensor in [*module.parameters(), *module.buffers()])


def _is_elementwise_and_bent(module: nn.Module, like: Tensor) -> bool:
    z = torch.linspace(-2.7, 3.1, 24, device=like.device, dtype=torch.float32).to(like.dtype)
    order = torch.arange(23, -1, -1, device=like.device)
    try:
        values, again = _value(module, z), _value(module, z)
        reversed_values = _value(module, z[order])
        shaped = _value(module, z.reshape(2, 3, 4))
        alone = _value(module, z[:1])
    except Exception:
        return False
    outputs = (values, again, reversed_values, shaped, alone)
    if not all(isinstance(output, Tensor) and output.is_floating_point() for output in outputs):
        return False
    if values.shape != z.shape or shaped.shape != (2, 3, 4) or alone.shape != (1,):
        return False
    same = [again, reversed_values[order], shaped.reshape(-1)]
    return (
        all(torch.allclose(values, other, rtol=1e-4, atol=1e-6, equal_nan=True) for other in same)
        and torch.allclose(values[:1], alone, rtol=1e-4, atol=1e-6, equal_nan=True)
        and not _is_straight(z.double(), values.double())
    )


def _value(module: nn.Module, z: Tensor) -> Tensor:
    value: Tensor = module.forward(z.clone())
    return value


def _is_straight(z: Tensor, values: Tensor) -> bool:
    steps = values.diff() / z.diff()
    return bool((steps - steps[0]).abs().max() <= 1e-3 * (1 + steps.abs().max()))
