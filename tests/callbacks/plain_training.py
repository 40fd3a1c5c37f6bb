"""A LightningModule that knows nothing of the package, and its training with S(a) as a plain PyTorch loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

import pytorch_lightning
import torch
from pytorch_lightning import Trainer
from torch import Tensor, nn
from torch.optim import Optimizer

import laaf_lightning as laaf
from tests.trainers import quiet_trainer

Batch = tuple[Tensor, Tensor]
Objective = Callable[[Tensor, int], Tensor]
M = TypeVar("M", bound=nn.Module)


class Batches:
    """A training loader of given batches; a list would be several loaders."""

    def __init__(self, batches: Sequence[Any]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class Regression:
    """What the module does, for either package's LightningModule."""

    net: nn.Module
    optimizer: str = "adam"

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.net(x)
        return outputs

    def loss(self, batch: Batch) -> Tensor:
        x, y = batch
        return nn.functional.mse_loss(self.forward(x), y)

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        return self.loss(batch)

    def configure_optimizers(self) -> Optimizer:
        parameters = self.net.parameters()
        if self.optimizer.startswith("lbfgs"):
            search = "strong_wolfe" if self.optimizer == "lbfgs" else None
            return torch.optim.LBFGS(parameters, max_iter=5, line_search_fn=search)
        return torch.optim.Adam(parameters, lr=0.02)


class PlainModule(Regression, pytorch_lightning.LightningModule):
    """Two hidden layers with plain tanh modules, in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()


def network() -> nn.Module:
    torch.manual_seed(1)
    layers = nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1)
    return nn.Sequential(*layers).double()


def adapted(module: M, scope: Any = "layer", n: float = 2.0) -> M:
    return laaf.adapt(module, scope, n, torch.zeros(1, 2, dtype=next(module.parameters()).dtype))


def regression_batches(count: int = 6, size: int = 8) -> list[Batch]:
    random = torch.Generator().manual_seed(2)
    x = torch.rand(count, size, 2, generator=random, dtype=torch.float64) * 4 - 2
    y = torch.sin(2 * x).sum(dim=2, keepdim=True)
    return list(zip(x, y, strict=True))


def one_epoch_trainer(*callbacks: Any, namespace: Any = pytorch_lightning, **settings: Any) -> Trainer:
    return quiet_trainer(*callbacks, namespace=namespace, **{"max_epochs": 1, **settings})


def slopes_of(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for name, parameter in module.named_parameters() if name.rpartition(".")[2] == "a"]


OPERATORS: dict[str, Callable[[Tensor], Tensor]] = {
    "exp": torch.exp,
    "identity": lambda a: a,
    "softplus": lambda a: torch.log(1 + torch.exp(a)),
}


def oracle_recovery(module: nn.Module, operator: str = "exp", reduction: str = "mean") -> Tensor:
    """S(a) as the paper writes it."""
    terms = [OPERATORS[operator](a.mean()) for a in slopes_of(module)]
    total = torch.stack(terms).sum()
    return 1 / (total / len(terms) if reduction == "mean" else total)


def plain_loop(
    module: Any,
    batches: Sequence[Batch | None],
    objective: Objective,
    *,
    after_backward: Callable[[], object] = lambda: None,
    autocast: Callable[[], Any] = nullcontext,
) -> None:
    """Train with objective(loss, step); a batch of None is a step that is skipped."""
    optimizer = module.configure_optimizers()
    for step, batch in enumerate(batches):
        if batch is None:
            continue

        def closure(batch: Batch = batch, step: int = step) -> float:
            optimizer.zero_grad()
            with autocast():
                value = objective(module.loss(batch), step)
            value.backward()
            after_backward()
            return value.item()

        optimizer.step(closure)


def assert_equal_parameters(module: nn.Module, twin: nn.Module, rtol: float = 1e-10) -> None:
    expected = dict(twin.named_parameters())
    assert len(slopes_of(module)) == len(slopes_of(twin)) > 0
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter, expected[name], rtol=rtol, atol=rtol)
