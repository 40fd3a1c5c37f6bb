"""What is certain without running a model: layer and activation side by side, called by sequences alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from laaf_lightning.activations.folding.decisions import Decision, check_sign, names_of, sites_of
from laaf_lightning.activations.folding.tracing.affine import channels, is_layer, why_not
from laaf_lightning.activations.folding.tracing.origin import Stays

_NOTHING_IN_EVALUATION = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
_LARGEST = (
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
)  # fmt: skip
_MEANS = (
    nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
)  # fmt: skip
_SPATIAL = {
    nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3, nn.ConvTranspose1d: 1, nn.ConvTranspose2d: 2, nn.ConvTranspose3d: 3,
    nn.BatchNorm2d: 2, nn.BatchNorm3d: 3,
}  # fmt: skip
_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm)


def decide_without_example(model: nn.Module) -> dict[str, Decision]:
    """Decide for the sites of an ``nn.Sequential``, and of sequences within it; all others keep their slope.

    A sequence within another module stays out: its forward may call a layer of it elsewhere too.

    Args:
        model: that is not run.

    Returns:
        By name of the site.
    """
    names, sites = names_of(model), sites_of(model)
    places = Counter(child for module in model.modules() for child in module._modules.values() if child is not None)
    decisions = {name: Decision(kept="no example_input tells what stands before it") for name in sites}
    for sequence in _sequences(model):
        before: list[nn.Module] = []
        for module in sequence:
            if (name := names[module]) in sites:
                around = frozenset({names[sequence]})
                try:
                    layer, of_each = _taker(before, module, sites[name].slope.detach(), places, names)
                    decisions[name] = Decision(names[layer], of_each, around=around)
                except Stays as reason:
                    decisions[name] = Decision(kept=str(reason), around=around)
            before.append(module)
    return decisions


def _sequences(module: nn.Module) -> Iterator[nn.Sequential]:
    """Find the sequences around which there are sequences only."""
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        yield module
        for child in module:
            yield from _sequences(child)


def _taker(
    before: list[nn.Module], site: nn.Module, slope: Tensor, places: Counter[nn.Module], names: dict[nn.Module, str]
) -> tuple[nn.Module, Tensor]:
    between: list[nn.Module] = []
    layer = None
    for module in reversed(before):
        if is_layer(module):
            layer = module
            break
        if type(module) not in {*_NOTHING_IN_EVALUATION, *_LARGEST, *_MEANS, nn.Flatten}:
            raise Stays(f"stands behind {names[module]}, a {type(module).__name__}")
        between.append(module)
    if layer is None:
        raise Stays("no example_input tells what stands before it")
    if reason := why_not(layer):
        raise Stays(f"{names[layer]} before it {reason}")
    for module in (site, layer, *between):
        if places[module] > 1 and module not in between:
            raise Stays(f"{names[module]} stands at several places, and no example_input tells how it is called")
        if module._forward_pre_hooks or (module is not site and module._forward_hooks):
            raise Stays(f"a hook of {names[module]} sees a value before it")
    of_each = _slopes(layer, between, slope)
    check_sign(slope, of_each, any(isinstance(module, _LARGEST) for module in between))
    return layer, of_each


def _slopes(layer: nn.Module, between: list[nn.Module], slope: Tensor) -> Tensor:
    """Say which slope acts on each feature, where the shapes alone tell."""
    count = channels(layer)
    if slope.numel() == 1:
        return torch.zeros(count, dtype=torch.long)
    last = type(layer) in _LAST and slope.shape[-1:] == (count,)
    keeps_features = all(isinstance(module, _NOTHING_IN_EVALUATION) for module in between)
    spatial = _SPATIAL.get(type(layer))
    keeps_channels = not any(isinstance(module, nn.Flatten) for module in between)
    channelwise = spatial is not None and tuple(slope.shape) == (count, *[1] * spatial)
    if slope.numel() == count and ((last and keeps_features) or (channelwise and keeps_channels)):
        return torch.arange(count)
    raise Stays("no example_input tells which features its slopes belong to")
