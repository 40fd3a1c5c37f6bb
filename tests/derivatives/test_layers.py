from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.derivatives import Layered, Order, TaylorField, TaylorPlan, layers_of
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP
from tests.derivatives.cases import Chain, Steep, points, why_not


def test_layers_come_in_their_order_from_any_nesting() -> None:
    parts = [nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1)]
    chain = Chain(parts[1], nn.Sequential(nn.Sequential(parts[2])), nn.Sequential())
    assert list(layers_of(nn.Sequential(parts[0], chain, Chain(Chain(*parts[3:]))))) == parts
    assert list(layers_of(parts[0])) == parts[:1]
    assert isinstance(chain, Layered)


class Doubled(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


class Constrained(MLP):
    def forward(self, x: Tensor) -> Tensor:
        return x * super().forward(x)


class OwnLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


class OwnSite(AdaptiveActivation):
    def forward(self, z: Tensor) -> Tensor:
        return 2 * super().forward(z)


class HoldsLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 1), nn.Tanh()])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers[1](self.layers[0](x))  # type: ignore[no-any-return]


def hooked(kind: str, where: str = "") -> nn.Module:
    network = nn.Sequential(nn.Linear(2, 4), AdaptiveActivation(nn.Tanh(), "neuron", 5, (4,)), nn.Linear(4, 1))
    getattr(network.get_submodule(where), f"register_{kind}")(lambda *_: None)
    return network


def pruned() -> nn.Module:
    from torch.nn.utils import prune

    return nn.Sequential(prune.l1_unstructured(nn.Linear(2, 4), "weight", amount=0.5), nn.Tanh(), nn.Linear(4, 1))


NOT_A_SEQUENCE = r"^{} is not a sequence of layers: if it is one, give it a method layers\(\), in the class that has"
OWN_FORWARD = r"^{} has a forward of its own, whose derivatives are not known$"
NO_RULE = (
    r"^no rule for the derivatives of {}: only linear layers and activations are passed, and an activation of one's "
    r"own needs a method derivatives\(z, order\)$"
)
HOOK = r"^{} has a hook, which would not run: remove it; for weight_norm and spectral_norm take those of torch.nn.utils"
REASONS: dict[str, tuple[nn.Module, Order, str]] = {
    "order_5": (MLP(2, 1), (0,) * 5, r"^a derivative of order 5 is asked for, and it goes up to order 4$"),
    "mish": (nn.Sequential(nn.Linear(2, 4), nn.Mish()), (0,), NO_RULE.format(r"Mish\(\)")),
    "relu_by_name": (MLP(2, 1, activation="relu"), (0,), NO_RULE.format("relu")),
    "adaptive_mish": (nn.Sequential(AdaptiveActivation(nn.Mish())), (0,), NO_RULE.format(r"Mish\(\)")),
    "gelu_by_tanh": (nn.GELU("tanh"), (0,), NO_RULE.format(r"GELU\(approximate='tanh'\)")),
    "softplus_with_beta": (nn.Softplus(beta=2), (0,), NO_RULE.format(r"Softplus\(beta=2.*\)")),
    "random_relu": (nn.RReLU(), (0,), NO_RULE.format(r"RReLU\(.*\)")),
    "dropout": (nn.Sequential(nn.Linear(2, 4), nn.Dropout()), (0,), NO_RULE.format(r"Dropout\(.*\)")),
    "batch_norm": (nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4)), (0,), NO_RULE.format(r"BatchNorm1d\(.*\)")),
    "convolution": (nn.Conv1d(2, 4, 1), (0,), NO_RULE.format(r"Conv1d\(.*\)")),
    "softmax": (nn.Sequential(nn.Linear(2, 4), nn.Softmax(-1)), (0,), NO_RULE.format(r"Softmax\(dim=-1\)")),
    "few_orders": (
        nn.Sequential(nn.Linear(2, 4), Steep()),
        (0, 0, 0),
        r"^derivatives of Steep\(\) are known up to order 2, and order 3 is asked for$",
    ),
    "few_orders_adaptive": (
        nn.Sequential(nn.Linear(2, 4), AdaptiveActivation(Steep())),
        (0, 1, 1, 1),
        r"^derivatives of Steep\(\) are known up to order 2, and order 4 is asked for$",
    ),
    "slope_of_maps": (
        AdaptiveActivation("tanh", "channel", 5, (3, 1, 1)),
        (0,),
        r"^the slope of shape \(3, 1, 1\) does not belong to single features$",
    ),
    "sequential_with_own_forward": (Doubled(nn.Linear(2, 1)), (0,), NOT_A_SEQUENCE.format("Doubled")),
    "nested": (nn.Sequential(nn.Linear(2, 2), Doubled(nn.Linear(2, 1))), (0,), NOT_A_SEQUENCE.format("Doubled")),
    "mlp_with_own_forward": (Constrained(2, 1), (0,), NOT_A_SEQUENCE.format("Constrained")),
    "attribute_layers": (HoldsLayers(), (0,), NOT_A_SEQUENCE.format("HoldsLayers")),
    "transformer": (nn.TransformerEncoderLayer(2, 1), (0,), NOT_A_SEQUENCE.format("TransformerEncoderLayer")),
    "linear_with_own_forward": (nn.Sequential(OwnLinear(2, 1)), (0,), OWN_FORWARD.format("OwnLinear")),
    "site_with_own_forward": (nn.Sequential(nn.Linear(2, 1), OwnSite("tanh")), (0,), OWN_FORWARD.format("OwnSite")),
    "hook": (hooked("forward_hook"), (0,), HOOK.format("Sequential")),
    "hook_before": (hooked("forward_pre_hook"), (0,), HOOK.format("Sequential")),
    "hook_of_a_layer": (hooked("forward_hook", "0"), (0,), HOOK.format("Linear")),
    "hook_within_a_site": (hooked("forward_hook", "1.activation"), (0,), HOOK.format("Tanh")),
    "hook_backwards": (hooked("full_backward_hook"), (0,), HOOK.format("Sequential")),
    "hook_before_backwards": (hooked("full_backward_pre_hook"), (0,), HOOK.format("Sequential")),
    "pruned": (pruned(), (0,), HOOK.format("Linear")),
}  # fmt: skip


@pytest.mark.parametrize("name", REASONS)
def test_every_reason_names_what_is_in_the_way(name: str) -> None:
    network, order, reason = REASONS[name]
    with pytest.raises(ConfigurationError, match=reason):
        raise ConfigurationError(why_not(TaylorPlan, network, [order]))
    with pytest.raises(ConfigurationError, match=f"cannot differentiate this network: {reason[1:]}"):
        TaylorField(network, points(2, dtype=torch.float32), ["x", "t"], [order])


def test_a_hook_that_was_removed_is_no_hindrance() -> None:
    network = MLP(2, 1)
    network.register_forward_hook(lambda *_: None).remove()
    assert why_not(TaylorPlan, network, [(0,)]) is None


def test_own_activation_serves_up_to_the_order_that_it_knows() -> None:
    assert why_not(TaylorPlan, nn.Sequential(nn.Linear(2, 4), Steep()), [(0, 1)]) is None


def test_own_derivatives_may_hold_parameters_of_any_dtype() -> None:
    class Scaled(Steep):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def derivatives(self, z: Tensor, order: int) -> list[Tensor]:
            assert z.dtype == self.scale.dtype
            return [self.scale * value for value in super().derivatives(z, order)]

        def forward(self, z: Tensor) -> Tensor:
            return self.scale * super().forward(z)

    assert why_not(TaylorPlan, nn.Sequential(nn.Linear(2, 4), Scaled()).double(), [(0,)]) is None


def test_a_slope_for_more_features_than_there_are_is_refused_by_torch() -> None:
    network = nn.Sequential(nn.Linear(2, 3), AdaptiveActivation("tanh", "neuron", 5, (4,)), nn.Linear(3, 1))
    with pytest.raises(RuntimeError, match="must match the size"):
        TaylorField(network, points(2, dtype=torch.float32), ["x", "t"], [(0,)])
