from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import SCOPES, Scope, adapt, named_slopes
from tests.activations.cases import CASES, noise, parameter

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _forget_compiled_code() -> Iterator[None]:
    yield
    torch.compiler.reset()


class EverySite(nn.Module):
    """A site of every scope and shape, so that one compilation serves them all."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList(CASES[k].site("tanh", 3) for k in ("layer_of_maps", "channels", "neurons_of_maps"))
        self.features = nn.ModuleList(CASES[k].site("silu", 3) for k in ("fixed", "global", "layer", "features"))
        for p in self.parameters():
            p.data.add_(noise(*p.shape) / 10)

    def forward(self, x: Tensor) -> Tensor:
        for site in self.maps:
            x = site(x)
        x = x.flatten(1)[:, :3]
        for site in self.features:
            x = site(x) + 0.5
        return x


def value_and_gradients(model: nn.Module, forward: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    output = forward(x)
    gradients = torch.autograd.grad(output.square().sum(), [x, *model.parameters()])
    return [output.detach(), *gradients]


@pytest.mark.parametrize(
    ("backend", "batches"),
    # The real code generator takes a C++ compilation for every kernel: one batch size is enough there.
    [("aot_eager", (2, 5, 7)), ("inductor", (2,))],
)
def test_compiled_sites_equal_eager_without_a_graph_break(backend: str, batches: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model = EverySite()
    compiled = torch.compile(model, fullgraph=True, backend=backend)
    for batch in batches:
        x = CASES["channels"].z(batch).float()
        expected = value_and_gradients(model, model, x)
        assert all(value.abs().max() > 0 for value in expected)
        torch.testing.assert_close(value_and_gradients(model, compiled, x), expected)  # type: ignore[arg-type]


def test_compiled_sites_follow_slopes_that_move() -> None:
    torch.manual_seed(0)
    model = EverySite()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    x = CASES["channels"].z(4).float()
    before = compiled(x).detach()
    with torch.no_grad():
        for _, site in model.named_modules():
            if getattr(site, "a", None) is not None:
                parameter(site).mul_(1.5)
    assert not torch.allclose(compiled(x), before)
    torch.testing.assert_close(compiled(x), model(x))


def test_compiled_sites_keep_half_precision() -> None:
    model = EverySite()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    x = CASES["channels"].z(4).bfloat16()
    assert compiled(x).dtype == torch.bfloat16
    assert torch.equal(compiled(x), model(x))


@pytest.mark.parametrize("scope", SCOPES)
def test_compiled_training_of_an_adapted_model_equals_eager(scope: Scope) -> None:
    torch.manual_seed(0)
    x, y = noise(8, 3), noise(8, 1)
    plain = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    eager, compiled = (adapt(plain, scope, 5, example_input=x) for _ in range(2))
    forward = torch.compile(compiled, fullgraph=True, backend="aot_eager")
    for model, call in ((eager, eager), (compiled, forward)):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(call(x), y).backward()
            optimizer.step()
    for p, q in zip(compiled.parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-14)
    assert all((slope != 1).all() for _, slope in named_slopes(compiled))
