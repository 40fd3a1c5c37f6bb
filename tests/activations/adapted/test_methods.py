"""Methods whose calls have slopes within forward are not called elsewhere, where these would be plain in silence."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import adapt, fold, named_slopes
from laaf_lightning.activations.replay.noted import notes_of
from laaf_lightning.activations.replay.repeated import adapt_as_noted
from laaf_lightning.errors import ConfigurationError

X = torch.linspace(-2, 2, 24).reshape(6, 4)


class Autoencoder(nn.Module):
    """Two methods with functions, and one without."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 2), nn.Linear(2, 4)

    def encode(self, x: Tensor) -> Tensor:
        return torch.tanh(self.a(x))

    def decode(self, z: Tensor) -> Tensor:
        return self._bounded(self.scaled(self.b(z)))

    def scaled(self, y: Tensor) -> Tensor:
        return 2 * y

    @staticmethod
    def _bounded(y: Tensor) -> Tensor:
        return nn.functional.hardtanh(y)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


@pytest.mark.parametrize("how", ["adapted", "copied", "pickled", "as noted"])
def test_method_that_has_slopes_in_forward_alone_is_refused_elsewhere(how: str) -> None:
    model = Autoencoder()
    adapted = adapt(model, example_input=X)
    if how == "copied":
        adapted = copy.deepcopy(adapted)
    if how == "pickled":
        adapted = pickle.loads(pickle.dumps(adapted))
    if how == "as noted":
        again = copy.deepcopy(model)
        adapt_as_noted(again, notes_of(adapted) or {})
        adapted = again
    assert torch.equal(adapted(X), model(X))
    assert len([*named_slopes(adapted)]) == 2
    for method, argument in ((adapted.encode, X), (adapted.decode, X[:, :2])):
        with pytest.raises(ConfigurationError, match=rf"Autoencoder\.{method.__name__} is called outside of forward"):
            method(argument)
    assert torch.equal(adapted.scaled(X), 2 * X)


def test_methods_are_free_again_in_the_folded_model_and_where_their_calls_are_left_out() -> None:
    model = Autoencoder()
    chosen = adapt(model, example_input=X, where="hardtanh")
    assert torch.equal(chosen.encode(X), model.encode(X))
    folded = fold(adapt(model, example_input=X), X)
    assert type(folded) is Autoencoder
    assert torch.equal(folded.encode(X), model.encode(X))


@pytest.mark.slow
def test_method_within_forward_may_be_compiled() -> None:
    adapted = adapt(Autoencoder(), example_input=X)
    compiled = torch.compile(adapted, backend="eager", fullgraph=True)
    assert torch.equal(compiled(X), adapted(X))
