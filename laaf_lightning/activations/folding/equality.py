"""Whether a folded model computes what the model computed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from laaf_lightning.activations.recording.as_it_was import as_it_was
from laaf_lightning.activations.recording.example import Example
from laaf_lightning.activations.recording.tensors import tensors_in
from laaf_lightning.errors import ConfigurationError

_TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}


def check_equal(folded: nn.Module, example: Example, output: Any) -> None:
    """Refuse a folded model that does not compute what was recorded.

    Args:
        folded: the model, or a part of it.
        example: what it is called with.
        output: before it was folded, in evaluation mode.

    Raises:
        ConfigurationError: if an output differs by more than 1e-4 of the largest (1e-10 in float64).
    """
    first, again = _output(folded, example), _output(folded, example)
    dtypes = [parameter.dtype for parameter in folded.parameters() if parameter.is_floating_point()]
    widest = max((_TOLERANCES.get(dtype, 0.0) for dtype in dtypes), default=0.0)
    tensors = ([*tensors_in(each)] for each in (output, first, again))
    pairs = [*zip(*tensors, strict=True)]
    if any(not torch.equal(one.nan_to_num(), two.nan_to_num()) for _, one, two in pairs):
        return  # never twice the same, which tells nothing
    for before, after, _ in pairs:
        error = _error(before, after)
        if error > max(widest, _TOLERANCES.get(before.dtype, 0.0)):
            rounding = "" if before.dtype == torch.float64 else ", or rounding grows in it: try fold(model.double(), …)"
            raise ConfigurationError(
                f"fold: the folded {type(folded).__name__} computes something else on example_input (relative error "
                f"{error:.1g}), so nothing is changed: its weights are used in a way that fold does not see{rounding}; "
                "fold parts of it, or keep the slopes"
            )


def _output(model: nn.Module, example: Example) -> Any:
    with as_it_was(model), torch.no_grad():
        model.eval()
        return model(*example.positional, **example.named)


def _error(before: Tensor, after: Tensor) -> float:
    """Return the largest difference against the largest value."""
    if before.is_nested or not before.is_floating_point():
        return 0.0
    if before.shape != after.shape or not torch.equal(before.isfinite(), after.isfinite()):
        return float("inf")
    one, two = (torch.where(before.isfinite(), each.double(), 0.0) for each in (before, after))
    if not one.numel():
        return 0.0
    return float((one - two).abs().max() / one.abs().max().clamp(min=torch.finfo(before.dtype).tiny))
