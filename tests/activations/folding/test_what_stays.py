"""Where a value before a slope is read, changed or shared, the slope stays and the function is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from laaf_lightning.activations import AdaptiveActivation
from tests.activations.folding.models import Net, adapted, check, folded, moved

X = torch.linspace(-2, 2, 24, dtype=torch.float64).reshape(6, 4)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return 2 * grads[0]


def in_place(net: Any, x: Tensor) -> Tensor:
    h = net.a(x)
    h += x
    return net.act(h)  # type: ignore[no-any-return]


def added_to_afterwards(net: Any, x: Tensor) -> Tensor:
    h = net.a(x)
    y = net.act(h)
    h += 1
    return y + net.b(h)  # type: ignore[no-any-return]


def part_overwritten(net: Any, x: Tensor) -> Tensor:
    h = net.a(x)
    h[:, 0] = 1.0
    return net.act(h)  # type: ignore[no-any-return]


def view_written(net: Any, x: Tensor) -> Tensor:
    h = net.a(x)
    h.view(-1)[3:5].add_(1)
    return net.act(h)  # type: ignore[no-any-return]


def view_read(net: Any, x: Tensor) -> Tensor:
    h = net.a(x)
    return net.act(h) + h.view(4, 6).sum()  # type: ignore[no-any-return]


def kept_on_the_module(net: Any, x: Tensor) -> Tensor:
    net.last = [net.a(x)]
    return net.act(net.last[0])  # type: ignore[no-any-return]


def weight_read(net: Any, x: Tensor) -> Tensor:
    return net.act(net.a(x)) + F.linear(x, net.a.weight.t())  # type: ignore[no-any-return]


def cat_of_two(net: Any, x: Tensor) -> Tensor:
    return net.act(torch.cat([net.a(x), net.b(x)], 1))  # type: ignore[no-any-return]


def read_in_training(net: Any, x: Tensor) -> Tensor:
    h = net.a(x)
    return net.act(h) + net.b(h) if net.training else net.act(h)  # type: ignore[no-any-return]


def other_layer_in_training(net: Any, x: Tensor) -> Tensor:
    return net.act((net.b if net.training else net.a)(x))  # type: ignore[no-any-return]


def gated(net: Any, x: Tensor) -> Tensor:
    h = net.a(x)
    return net.act(h * torch.exp(h))  # type: ignore[no-any-return]


STAYING: dict[str, tuple[Callable[[Any, Tensor], Any], str]] = {
    "behind an addition": (lambda net, x: net.act(net.a(x) + x), "stands behind an addition"),
    "behind an addition in place": (in_place, "stands behind an addition in place"),
    "behind a constant that is added": (lambda net, x: net.act(net.a(x) + 1), "stands behind an addition"),
    "added to afterwards": (added_to_afterwards, ""),
    "a part overwritten": (part_overwritten, ""),
    "a view overwritten": (view_written, ""),
    "a view read": (view_read, "read twice"),
    "behind a concatenation": (cat_of_two, "stands behind a concatenation"),
    "residual": (lambda net, x: net.b(net.act(h := net.a(x))) + h, "read twice, by an addition too"),
    "read by a layer": (lambda net, x: net.act(h := net.a(x)) + net.b(h), "read by b too"),
    "kept": (kept_on_the_module, "is kept by Net"),
    "read by a function of one's own": (lambda net, x: net.act(h := net.a(x)) + Doubled.apply(h), "read twice"),
    "its square": (lambda net, x: net.act((h := net.a(x)) * h), "stands behind mul"),
    "gated": (gated, "read twice"),
    "a quotient that is rounded": (lambda net, x: net.act(net.a(x).div(0.3, rounding_mode="floor")), "behind div"),
    "softmax": (lambda net, x: net.act(net.a(x).softmax(-1)), "stands behind _softmax"),
    "the weight read": (weight_read, "the weights of a before it are read elsewhere"),
    "called twice": (lambda net, x: net.act(net.a(net.a(x))), "called 2 times"),
    "no layer": (lambda net, x: net.act(x * 2), "no affine layer before it"),
    "read in training": (read_in_training, "read by b too"),
    "another layer in training": (other_layer_in_training, "stands behind another layer in training mode"),
    "a layer's weights alone": (lambda net, x: net.act(F.linear(x, net.a.weight, net.a.bias)), ""),
    "a forward called by itself": (lambda net, x: net.act(net.a.forward(x)), ""),
}


@pytest.mark.parametrize("name", STAYING)
def test_a_slope_stays_and_the_function_is_the_same(name: str) -> None:
    forward, reason = STAYING[name]
    model = adapted(Net(forward).double(), X)
    (kept,) = check(model, X).values()
    assert kept is not None
    assert reason in kept


def test_a_value_that_is_returned_beside() -> None:
    model = adapted(Net(lambda net, x: {"h": (h := net.a(x)), "y": [net.act(h)]}).double(), X)
    result, (site,) = folded(model, X)
    assert site.kept == "a value before it is returned"
    torch.testing.assert_close(result(X), model(X))


class Outputs:
    """What a project of its own returns."""

    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden


def kept_in_an_object(net: Any, x: Tensor) -> Tensor:
    net.last = [Outputs(net.a(x))]
    return net.act(net.last[0].hidden)  # type: ignore[no-any-return]


def test_a_value_that_an_object_holds() -> None:
    model = adapted(Net(lambda net, x: (net.act(h := net.a(x)), Outputs(h))).double(), X)
    result, (site,) = folded(model, X)
    assert site.kept == "a value before it is returned"
    torch.testing.assert_close(result(X)[1].hidden, model(X)[1].hidden)
    assert check(adapted(Net(kept_in_an_object).double(), X), X) == {"act": "a value before it is kept by Net"}


def test_two_activations_of_one_value() -> None:
    model = adapted(Net(lambda net, x: net.act(h := net.a(x)) + net.other(h), other=nn.Tanh()).double(), X)
    kept = check(model, X)
    assert kept == {"act": "a value before it is read by other too", "other": "a value before it is read by act too"}


def test_a_shared_branch_and_a_shared_activation() -> None:
    branch = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    net = Net(lambda net, x: net.act(net.branch(x) - net.branch(2 * x)), act=branch[1], branch=branch)
    model = adapted(net.double(), X)
    kept = check(model, X)
    assert kept["branch.1"] == "is called 2 times in a forward"
    shared = nn.Sequential(nn.Linear(4, 4), site := AdaptiveActivation("relu"), nn.Linear(4, 4), site)
    assert check(moved(shared), X) == {"1": "is called 2 times in a forward"}
    assert "several places" in str(folded(shared)[1][0].kept)


def test_tied_weights_whether_by_parameter_or_by_memory() -> None:
    tied = Net(lambda net, x: net.b(net.act(net.a(x))))
    tied.b.weight = tied.a.weight
    assert check(adapted(tied.double(), X), X) == {"act": "the weights of a before it are read elsewhere too"}
    unread = Net(lambda net, x: net.act(net.a(x)))
    unread.b.weight = unread.a.weight
    assert check(adapted(unread.double(), X), X) == {"act": "a before it shares its weights"}
    viewed: Any = Net(lambda net, x: net.act(net.a(x)) + x @ net.turned).double()
    viewed.turned = torch.eye(4).double()
    viewed = adapted(viewed, X)
    viewed.turned = viewed.a.weight.detach().t()
    expected = viewed(X)
    assert folded(viewed, X, inplace=True)[1][0].kept == "a before it shares its weights"
    assert torch.equal(viewed(X), expected)
    sequence = nn.Sequential(nn.Linear(4, 4), AdaptiveActivation("tanh"), nn.Linear(4, 4))
    sequence[2].weight = sequence[0].weight
    assert "shares its weights" in str(folded(moved(sequence))[1][0].kept)


def old_weight_norm(layer: nn.Module) -> nn.Module:
    weight: Any = layer._parameters.pop("weight")
    layer.weight = weight.detach().double()
    return layer


class Standardised(nn.Conv1d):
    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = self.weight / self.weight.square().sum()
        return F.conv1d(x, weight, self.bias)


class OwnConvolution(nn.Conv1d):
    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(input, weight.tanh(), bias)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (parametrizations.weight_norm(nn.Linear(4, 4)), "weights that are computed"),
        (parametrizations.spectral_norm(nn.Linear(4, 4)), "weights that are computed"),
        (old_weight_norm(nn.Linear(4, 4)), "weights that are computed"),
        (Standardised(6, 6, 3), "a forward of its own"),
        (OwnConvolution(6, 6, 3), "a forward of its own"),
        (nn.LayerNorm(4, elementwise_affine=False), "has no weight"),
        (nn.BatchNorm1d(4, affine=False), "has no weight"),
    ],
)
def test_weights_that_are_not_the_layers_own(layer: nn.Module, reason: str) -> None:
    model = moved(nn.Sequential(layer, AdaptiveActivation("tanh")))
    for example in (X, None):
        result, (site,) = folded(model, example)
        assert reason in str(site.kept)
        torch.testing.assert_close(result(X), model(X))


def test_hooks_that_see_or_change_a_value_before() -> None:
    seen: list[Tensor] = []
    model = moved(nn.Sequential(nn.Linear(4, 4), nn.Dropout(), AdaptiveActivation("tanh")))
    handle = model[0].register_forward_hook(lambda _m, _i, output: seen.append(output))
    assert check(model, X) == {"2": "a hook of 0 sees a value before it"}
    assert "a hook of 0" in str(folded(model)[1][0].kept)
    handle.remove()
    assert check(model, X) == {"2": None}
    model[1].register_forward_pre_hook(lambda _m, _i: None)
    assert check(model, X) == {"2": "a hook of 1 sees a value before it"}
    changed = moved(nn.Sequential(nn.Linear(4, 4), AdaptiveActivation("tanh")))
    changed[1].register_forward_pre_hook(lambda _m, inputs: inputs[0] + 1)
    assert check(changed, X) == {"1": "stands behind an addition"}


def test_a_site_that_is_not_called_stays() -> None:
    other = nn.Sequential(nn.Linear(4, 4), AdaptiveActivation("tanh"))
    model = Net(lambda net, x: net.act(net.a(x)), other=other, act=AdaptiveActivation("tanh")).double()
    assert check(moved(model), X) == {"act": None, "other.1": "is not called on the example"}
