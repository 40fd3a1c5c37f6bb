"""Every call of an activation gets a slope of its own, and the adapted model is the plain one with z scaled there."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from laaf_lightning.activations import AdaptiveActivation, adapt, named_slopes
from laaf_lightning.errors import ConfigurationError
from tests.activations.adapting.models import Auxiliary, Functions, Loop, Outside, Quick, Repeated, Siamese

X = torch.linspace(-2, 2, 24).reshape(6, 4)


def with_slopes(model: nn.Module, *values: float, example: Any = X, **options: Any) -> Any:
    torch.manual_seed(0)
    adapted = adapt(model, example_input=example, **options)
    sites = [site for site in adapted.modules() if isinstance(site, AdaptiveActivation)]
    assert len(sites) == len(values)
    for site, value in zip(sites, values, strict=True):
        assert site.a is not None
        site.a.data.fill_(value)
    return adapted


def test_functions_methods_and_in_place_forms() -> None:
    model = Functions()
    adapted = adapt(model, example_input=X)
    names = [name for name, _ in named_slopes(adapted)]
    kinds = ["leaky_relu_1", "gelu_1", "relu_1", "sigmoid_1", "tanh_1"]
    assert names == ["act", *(f"adaptive_calls.{kind}" for kind in kinds)]
    assert torch.equal(adapted(X), model(X))
    scaled = with_slopes(model, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)
    h = F.leaky_relu(1.2 * model.b(torch.tanh(1.1 * model.a(X))), 0.2)
    h = torch.relu(1.4 * F.gelu(1.3 * model.b(h), approximate="tanh"))
    torch.testing.assert_close(scaled(X), torch.tanh(1.6 * torch.sigmoid(1.5 * model.c(h))))


@pytest.mark.parametrize("outside", [False, True])
def test_each_call_of_one_module_and_of_one_that_torch_does_not_see(outside: bool) -> None:
    model: Any = Outside() if outside else Repeated()
    adapted = with_slopes(model, 2.0, 3.0)
    second = torch.tanh if outside else torch.relu
    torch.testing.assert_close(adapted(X), second(3 * model.b(torch.relu(2 * model.a(X)))))
    adapted(X).sum().backward()
    assert all(slope.a.grad is not None for slope in adapted.adaptive_calls.children())


@pytest.mark.parametrize("training", [True, False])
def test_a_head_that_runs_in_training_mode_only(training: bool) -> None:
    model = Auxiliary().train(training)
    adapted = with_slopes(model, 2.0, 3.0, 4.0)
    names = [name.rpartition(".")[2] for name, _ in named_slopes(adapted)]
    assert names == ["relu_1", "tanh_1", "relu_2"]
    output = adapted(X)
    h = torch.relu(2 * model.a(X))
    torch.testing.assert_close(output[0] if training else output, torch.relu(4 * model.b(h)))
    if training:
        torch.testing.assert_close(output[1], torch.tanh(3 * model.head(h)))


def test_a_network_that_is_called_twice_shares_its_slopes() -> None:
    model = Siamese()
    adapted = with_slopes(model, *[2.0] * 7, example=(X, X + 1))
    torch.testing.assert_close(adapted(X, X), torch.zeros(6, 2))
    one = adapted.branch
    torch.testing.assert_close(adapted(X, X + 1), one(X) - one(X + 1))


def test_a_slope_for_each_turn_of_a_loop_or_one_for_all() -> None:
    model, x = Loop(), torch.linspace(-1, 1, 24).reshape(2, 3, 4)
    each = adapt(model, example_input=x)
    assert len(dict(named_slopes(each))) == 6
    with pytest.raises(ConfigurationError, match="calls tanh after 6 activations: adapt recorded other calls"):
        each(torch.ones(2, 4, 4))
    with pytest.raises(ConfigurationError, match="has called 4 activations in one forward, not 6"):
        each(torch.ones(2, 2, 4))
    shared = with_slopes(model, 2.0, 0.5, example=x, share_loops=True)
    for length in (1, 3, 5):
        h = torch.zeros(2, 4)
        steps = torch.linspace(-1, 1, 8 * length).reshape(2, length, 4)
        for step in steps.unbind(1):
            h = torch.tanh(2 * model.inner(h + step)) * torch.sigmoid(0.5 * model.gate(step))
        torch.testing.assert_close(shared(steps), h)


class Branch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor, way: int = 0) -> Tensor:
        z = self.layer(x)
        if way < 2:
            return torch.tanh(z) if way else torch.relu(z)
        return F.leaky_relu(z, 0.1 * (way - 1))


def test_another_way_through_the_forward_is_an_error() -> None:
    adapted = adapt(Branch(), example_input=(X, 2))
    assert adapted(X, 2).shape == X.shape
    for way, text in [(0, r"relu\(\)"), (1, r"tanh\(\)"), (3, r"leaky_relu\(negative_slope=0.2\)")]:
        instead = r"not leaky_relu\(negative_slope=0.1\), as number 1"
        with pytest.raises(ConfigurationError, match=f"calls {text}, {instead}"):
            adapted(X, way)


class Block(nn.Module):
    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.whole, self.inner, self.a = whole, Functions(), nn.Linear(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        def function(x: Tensor) -> Tensor:
            return torch.tanh(self.a(self.inner(x)))

        if self.whole:
            output: Tensor = torch.tanh(self.a(checkpoint(self.inner, x, use_reentrant=False)))
            return output
        result: Tensor = checkpoint(function, x, use_reentrant=False)
        return result


def test_checkpointing_of_modules_is_right_and_of_functions_within_a_forward_said() -> None:
    x = X.clone().requires_grad_()
    model = Block(whole=True)
    adapted = with_slopes(model, *[1.2] * 7)
    adapted(x).sum().backward()
    gradients = [p.grad.clone() for p in adapted.parameters()]
    adapted.zero_grad()
    torch.tanh(1.2 * adapted.a(adapted.inner(x))).sum().backward()
    calls = {id(p) for p in adapted.adaptive_calls.parameters()}
    for p, gradient in zip(adapted.parameters(), gradients, strict=True):
        if id(p) not in calls:
            torch.testing.assert_close(p.grad, gradient)
    with pytest.warns(UserWarning, match=r"tanh_1 \(tanh\): called again in the backward pass by torch\.utils"):
        partly = adapt(Block(whole=False), example_input=X)
    assert len(dict(named_slopes(partly))) == 6


def test_checkpointing_that_is_switched_on_later_is_an_error() -> None:
    class Later(Block):
        def forward(self, x: Tensor) -> Tensor:
            if self.whole:
                return torch.tanh(self.a(x[:, :2]))
            result: Tensor = checkpoint(lambda x: torch.tanh(self.a(x[:, :2])), x, use_reentrant=True)
            return result

    adapted = adapt(Later(whole=True), example_input=X, where="calls")
    adapted.whole = False
    with pytest.raises(ConfigurationError, match=r"tanh_1 is called within torch.utils.checkpoint, .* whole modules"):
        adapted(X.clone().requires_grad_())


def test_an_outer_forward_does_not_see_the_calls_of_an_inner_one() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.own = Functions(), AdaptiveActivation("tanh")
            self.plain = Branch()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = torch.relu(self.own(self.inner(self.plain(x))))
            return y

    model = Outer()
    adapted = adapt(model, example_input=X, where=r"inner|^adaptive_calls")
    names = [name for name, _ in named_slopes(adapted)]
    assert len(names) == 8
    assert "adaptive_calls.relu_1" in names
    assert torch.equal(adapted(X), model(X))
    adapted.get_parameter("adaptive_calls.relu_1.a").data.fill_(2)
    torch.testing.assert_close(adapted(X), 2 * model(X))


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "torch.save", "state"])
@pytest.mark.parametrize("kind", [Functions, Repeated, Auxiliary])
def test_copies_and_pickles_compute_the_same_and_are_their_own(kind: type[nn.Module], how: str) -> None:
    adapted = adapt(kind(), "neuron", 2, X).eval()
    for p in adapted.parameters():
        p.data.mul_(1.1)
    if how == "deepcopy":
        twin = copy.deepcopy(adapted)
    elif how == "pickle":
        twin = pickle.loads(pickle.dumps(adapted))
    elif how == "torch.save":
        torch.save(adapted, buffer := io.BytesIO())
        buffer.seek(0)
        twin = torch.load(buffer, weights_only=False)
    else:
        twin = adapt(kind(), "neuron", 2, X).eval()
        twin.load_state_dict(adapted.state_dict())
    assert isinstance(twin, kind)
    assert type(twin).__name__ == kind.__name__
    expected = adapted(X)
    assert torch.equal(twin(X), expected)
    for p in twin.parameters():
        p.data.zero_()
    assert torch.equal(adapted(X), expected)


def test_a_module_of_several_functions_that_is_called_twice_is_left_out_by_name() -> None:
    with pytest.warns(UserWarning, match=r"adapt: 1 of 2 activations .*0\.act \(Quick\): called 2 times in a forward"):
        adapted = adapt(nn.Sequential(Repeated(Quick()), nn.Tanh()), example_input=X)
    assert [name for name, _ in named_slopes(adapted)] == ["1"]
    with pytest.raises(ConfigurationError, match=r"act \(Quick\): .*; leave them out with where=…, or allow it"):
        adapt(nn.Sequential(Repeated(Quick()), nn.Tanh()), example_input=X, strict=True)


def test_recurrent_kernels_are_named_as_left_out() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(4, 4), nn.Sequential(nn.Linear(4, 4), nn.ReLU())

        def forward(self, x: Tensor) -> Tensor:
            output: Tensor = self.head(self.lstm(x)[0])
            return output

    with pytest.warns(UserWarning, match=r"lstm \(LSTM\): its activations are inside torch's kernel"):
        adapt(Net(), example_input=X)
