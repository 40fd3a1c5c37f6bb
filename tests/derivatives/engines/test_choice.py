from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import Field, TaylorPlan, layers
from laaf_lightning.derivatives.engines import (
    ENGINES,
    Autograd,
    Engine,
    EngineName,
    Fused,
    Names,
    NotBuilt,
    Taylor,
    Unsuitable,
    check_engine,
    choice,
    choose,
)
from laaf_lightning.derivatives.engines.fused import KernelUnavailableError
from laaf_lightning.derivatives.module_state import NetworkState
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP

NAMES = Names(("x", "t"), ("p", "q"))
ORDERS = {"residual": frozenset({(0,), (0, 0)}), "conditions": frozenset({(1,)})}
POINTS = torch.rand(5, 2, dtype=torch.float64)


def network() -> nn.Module:
    return MLP(2, 2, width=4, depth=2, scope="neuron").double()


def chosen(name: EngineName = "auto", of: nn.Module | None = None, **settings: Any) -> Engine:
    return choose(name, of or network(), ORDERS, NAMES, POINTS, **settings)


def test_the_better_engine_stands_first() -> None:
    assert (Fused, Taylor, Autograd) == ENGINES
    assert [engine.name for engine in ENGINES] == ["fused", "taylor", "autograd"]


def test_an_unknown_engine_is_refused_with_all_that_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"engine 'tailor'.*auto, autograd, taylor, fused"):
        check_engine("tailor")


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("kind", ENGINES)
def test_every_engine_gives_each_set_its_own_derivatives(kind: type[Engine]) -> None:
    net = network()
    engine = kind.of(net, ORDERS, NAMES, build=print)
    sets = {"conditions": POINTS[:2], "residual": POINTS}
    fields = engine.fields(net, sets)
    oracle = Autograd.of(net, ORDERS, NAMES).fields(net, sets)
    assert {name: field.value.shape for name, field in fields.items()} == {"conditions": (2, 2), "residual": (5, 2)}
    for name, by in (("residual", ("x", "x")), ("residual", ("x",)), ("conditions", ("t",))):
        torch.testing.assert_close(fields[name].d(*by), oracle[name].d(*by), rtol=1e-10, atol=1e-10)
    assert [*engine.fields(net, {"conditions": POINTS})] == ["conditions"]


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("kind", ENGINES)
def test_an_engine_survives_pickling_and_names_the_unknowns_of_the_equation(kind: type[Engine]) -> None:
    net = network()
    engine, twin = pickle.loads(pickle.dumps((kind.of(net, ORDERS, NAMES, build=print), net)))
    assert engine.serves(twin)
    assert not engine.serves(net)
    assert str(engine) == f"p, p_x, p_xx, q, q_x, q_xx by {kind.title}"


@pytest.mark.usefixtures("kernel")
def test_a_network_is_planned_once_for_all_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[nn.Module] = []
    taken_apart = layers.layers_of

    def counted(net: nn.Module) -> Any:
        looked_at.append(net)
        return taken_apart(net)

    monkeypatch.setattr("laaf_lightning.derivatives.engines.taylor_plan.layers_of", counted)
    for name in ("fused", "taylor"):
        looked_at.clear()
        net = network()
        assert chosen(name, net).name == name
        assert looked_at == [net]


def test_auto_takes_the_first_that_serves_and_says_why_not_a_better_one() -> None:
    mish = nn.Sequential(nn.Linear(2, 3), nn.Mish(), nn.Linear(3, 2)).double()
    assert "since no rule for the derivatives of Mish()" in str(chosen(of=mish))
    third = choose("auto", network(), {"residual": frozenset({(0, 0, 0)})}, NAMES, POINTS)
    assert str(third) == "p, p_xxx, q, q_xxx by Taylor mode"
    assert third.hint == (
        "Not by the fused kernel, since a derivative of order 3 is asked for, and the kernel goes up to order 2"
    )


def test_auto_builds_nothing_unless_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[object] = []

    def load(say: object) -> None:
        built.append(say)
        raise KernelUnavailableError("the fused kernel cannot be built: no room")

    monkeypatch.setattr("laaf_lightning.derivatives.engines.fused.engine.load_kernel", load)
    engine = chosen()
    assert (engine.name, built) == ("taylor", [])
    assert engine.hint is not None
    assert "--model.engine fused is faster" in engine.hint
    engine = chosen(builds=True, say=print)
    assert built == [print]
    assert str(engine).endswith("by Taylor mode, since the fused kernel cannot be built: no room")


class Bare(Engine):
    """A new engine: one class, one entry."""

    name: ClassVar[str] = "taylor"
    title: ClassVar[str] = "bare hands"

    @classmethod
    def of(cls, network: nn.Module, orders: Any, names: Names, *, build: Any = None) -> Bare:
        if not isinstance(network, MLP):
            raise Unsuitable("it is no MLP")
        return cls(names, orders, NetworkState(network))

    def fields(self, network: nn.Module, sets: Mapping[str, Tensor]) -> dict[str, Field]:
        return Autograd(self.names, self.orders, self.state).fields(network, sets)


def test_a_new_engine_is_one_class_and_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "ENGINES", (Bare, Autograd))
    assert isinstance(chosen(), Bare)
    assert isinstance(chosen("taylor"), Bare)
    other = chosen(of=nn.Sequential(nn.Linear(2, 2)).double())
    assert str(other) == "p, p_x, p_xx, q, q_x, q_xx by nested autograd, since it is no MLP"


def test_an_engine_whose_u_is_not_the_networks_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(Bare):
        def fields(self, network: nn.Module, sets: Mapping[str, Tensor]) -> dict[str, Field]:
            return super().fields(network, {name: points + 0.1 for name, points in sets.items()})

    monkeypatch.setattr(choice, "ENGINES", (Wrong, Autograd))
    assert "does more than its layers one after the other" in str(chosen())


def test_what_is_asked_for_and_does_not_serve_is_an_error_that_says_what_auto_takes() -> None:
    with pytest.raises(
        ConfigurationError, match=r"engine='taylor' does not serve here: no rule .*; engine='auto' takes n"
    ):
        chosen("taylor", nn.Sequential(nn.Linear(2, 2), nn.Mish()).double())


def test_reasons_are_errors_that_name_the_way_and_can_be_pickled() -> None:
    for error in (Unsuitable("it is bent", "Taylor mode"), NotBuilt("build it"), KernelUnavailableError("no room")):
        twin = pickle.loads(pickle.dumps(error))
        assert (type(twin), str(twin), twin.reason) == (type(error), str(error), error.reason)
    with pytest.raises(ConfigurationError, match=r"^Taylor mode cannot differentiate this network: no rule"):
        TaylorPlan.of(nn.Mish(), [(0,)])


def test_engines_cannot_be_changed() -> None:
    engine = chosen("autograd")
    with pytest.raises(AttributeError, match="cannot assign"):
        engine.hint = "faster"  # type: ignore[misc]
    assert replace(engine, hint="faster").hint == "faster"
