"""Small networks in which a slope may, or may not, go into a layer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation, adapt, fold, fold_report
from laaf_lightning.activations.folding.report import FoldReport


class Net(nn.Module):
    """A forward of the test's own over two linear layers and an activation."""

    def __init__(self, forward: Callable[[Any, Tensor], Any], **parts: nn.Module) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.act = nn.ReLU()
        for name, part in parts.items():
            self.add_module(name, part)
        self.computes = forward

    def forward(self, x: Tensor) -> Any:
        return self.computes(self, x)


def moved(model: nn.Module, *, lowest: float = 0.5, largest: float = 1.5) -> Any:
    """Move all slopes n·a, all parameters and running statistics anywhere; all in float64 and evaluation mode."""
    model.double().eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    for module in model.modules():
        if isinstance(module, AdaptiveActivation) and module.a is not None:
            share = torch.rand(module.a.shape, generator=generator, dtype=torch.float64)
            module.a.data = (lowest + (largest - lowest) * share) / module.n
    return model


def adapted(model: nn.Module, x: Tensor, scope: Any = "layer", **options: Any) -> Any:
    lowest, largest = options.pop("lowest", 0.5), options.pop("largest", 1.5)
    return moved(adapt(model, scope, 2, x, **options), lowest=lowest, largest=largest)


def folded(model: nn.Module, example: Any = None, **options: Any) -> tuple[Any, FoldReport]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        result = fold(model, example, **options)
    return result, fold_report(result)


def check(model: nn.Module, x: Tensor, *others: Tensor) -> dict[str, str | None]:
    """Fold; compare in both modes on other inputs than the example; return why each slope stays."""
    result, report = folded(model, x)
    assert not [site for site in result.modules() if isinstance(site, AdaptiveActivation) and site.a is not None]
    for training in (False, True):
        for inputs in (x, 3 * x - 1, *others):
            outputs = []
            for each in (model, result):
                torch.manual_seed(0)
                outputs.append(each.train(training)(inputs))
            torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-12, atol=1e-12)
    result.eval(), model.eval()
    return {site.name: site.kept for site in report}
