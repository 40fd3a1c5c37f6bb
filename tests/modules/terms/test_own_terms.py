from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

import laaf_lightning as laaf
from laaf_lightning.derivatives import AutogradField
from tests.modules.small import Reaction
from tests.solutions.equations import Coupled, Fixed, assert_same, loss_and_gradients, pinn_of, points_of
from tests.trainers import quiet_trainer

AT = torch.linspace(0.1, 0.9, 6, dtype=torch.float64)[:, None]


class WithMass(Coupled):
    def own_terms(self, u: Any, batch: laaf.CollocationBatch) -> Mapping[str, Tensor]:
        points = torch.cat([AT, AT.flip(0)], dim=1)
        third = u.field(points)["v"].d("x", "x", "x")
        return {"mass": (u(points)[:, 0].mean() - 1).square(), "jerk": third.square().mean()}


class WithPenalty(laaf.PINN):
    def own_terms(self, u: Any, batch: laaf.CollocationBatch) -> Mapping[str, Tensor]:
        weight = next(self.network.parameters())
        return {**super().own_terms(u, batch), "size": weight.square().sum()}


@pytest.mark.parametrize(
    "settings", [{"engine": "taylor"}, {"engine": "autograd"}, {"chunk_size": 5}, {"compile": True}], ids=str
)
@pytest.mark.slow
def test_own_terms_are_added_with_their_weights_with_every_engine(settings: dict[str, Any]) -> None:
    model, batch = pinn_of(WithMass(), WithPenalty, weights={"mass": 3.0}, **settings), points_of(WithMass())
    u = AutogradField(model.forward, torch.cat([AT, AT.flip(0)], dim=1), ("x", "t"), ("v", "w"))
    mass = (u.value[:, 0].mean() - 1).square()
    jerk = u.d("x", "x", "x")[:, 0].square().mean()
    size = next(model.network.parameters()).square().sum()
    residual, data = pinn_of(Coupled()).loss_terms(batch).values()
    terms = model.named_loss_terms(batch)
    assert list(terms)[-3:] == ["mass", "jerk", "size"]
    assert list(model.loss_terms(batch)) == ["residual", "data", "mass", "jerk", "size"]
    assert_same({name: terms[name] for name in ("mass", "jerk", "size")}, {"mass": mass, "jerk": jerk, "size": size})
    own = torch.autograd.grad(3 * mass + jerk + size, list(model.network.parameters()), retain_graph=True)
    plain = loss_and_gradients(pinn_of(Coupled()), batch)
    found = loss_and_gradients(model, batch)
    assert_same(found["loss"], (residual + data + 3 * mass + jerk + size).detach())
    for (name, _), gradient in zip(model.network.named_parameters(), own, strict=True):
        assert_same(found[f"network.{name}"], plain[f"network.{name}"] + gradient)


def test_a_bare_solution_has_them_too_and_hard_conditions_are_built_in() -> None:
    class Held(Fixed):
        def own_terms(self, u: Any, batch: laaf.CollocationBatch) -> Mapping[str, Tensor]:
            points = torch.zeros(3, 3, dtype=torch.float64)
            return {
                "start": (u(points) - self.ansatz().offset_at(points)).abs().sum(),
                "x": u.field(points).d("x").sum(),
            }

    held = type("Held", (Held,), {"conditions": lambda self: ()})()
    model = pinn_of(held)
    terms = model.solution.loss_terms(points_of(held))
    assert list(terms) == ["residual", "start", "x"]
    assert terms["start"].item() == 0
    assert terms["x"].requires_grad


def test_they_are_logged_balanced_and_seen_by_the_schemes() -> None:
    schemes: list[Any] = ["gradient_norms", "ntk", "relobralo"]
    for scheme in schemes:
        model: Any = pinn_of(WithMass(), weights={"jerk": 1e-3})
        weights = laaf.AdaptiveLossWeights(1, scheme=scheme)
        trainer = quiet_trainer(weights, max_steps=2, limit_val_batches=0, precision="64-true")
        trainer.fit(model, datamodule=laaf.CollocationDataModule(WithMass(), 12, 4))
        assert {"train/mse_mass", "loss_weight/mass", "loss_weight/jerk"} <= set(trainer.callback_metrics)
        assert model.weights["jerk"] != 1e-3
        assert model.weight_data.item() == 1.0


def test_the_best_constant_counts_them() -> None:
    class Massive(Reaction):
        def own_terms(self, u: Any, batch: laaf.CollocationBatch) -> Mapping[str, Tensor]:
            points = torch.rand(5, 2, dtype=torch.float64)
            return {"mass": (u(points).mean() - 2).square(), "slope": u.field(points).d("x").square().sum()}

    problem = Massive(0.0)
    model = laaf.PINN(problem, width=4, depth=1, weight_residual=0.0, weights={"mass": 3.0}).double()
    found = model.constant_network_loss(points_of(problem))
    assert found is not None
    # min over c of c² + 3·(c − 2)²
    assert found.item() == pytest.approx(3.0, rel=1e-9)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([torch.zeros(())], r"Own.own_terms gives \[tensor\(0.\)\]: it must give a mapping from names"),
        (None, "Own.own_terms gives None: it must give a mapping"),
        (
            {"mass": torch.zeros(1)},
            r"the own term 'mass' of Own is a tensor of shape \(1,\) and torch.float32: it must be",
        ),
        ({"mass": 1.0}, "the own term 'mass' of Own is 1.0: it must be a 0-dim tensor of real numbers"),
        ({"mass": torch.tensor(1)}, r"shape \(\) and torch.int64: it must be a 0-dim tensor of real numbers"),
        ({"start": torch.zeros(())}, "the own term 'start' of Own has the name of another term"),
        ({"data": torch.zeros(())}, "the own term 'data' of Own has the name of all conditions together"),
        ({"residual": torch.zeros(())}, "the own term 'residual' of Own has the name of all equations together"),
        ({3: torch.zeros(())}, "Own.own_terms has a term called 3: its name must be a string"),
    ],
)
def test_own_terms_that_are_none_are_refused(given: Any, text: str) -> None:
    class Own(Coupled):
        def own_terms(self, u: Any, batch: laaf.CollocationBatch) -> Any:
            return given

    with pytest.raises(laaf.ConfigurationError, match=text):
        pinn_of(Own()).loss(points_of(Own()))


def test_the_weight_of_an_own_term_that_does_not_exist_is_refused_with_the_first_loss() -> None:
    model = pinn_of(WithMass(), weights={"mas": 1.0})
    with pytest.raises(laaf.ConfigurationError, match=r"unknown term of PINN's loss 'mas': valid are .* mass, jerk"):
        model.loss(points_of(WithMass()))


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (lambda u: u(AT.repeat(1, 2)).mean().detach(), "the own term 'mass' of Odd has no gradient, so that it would"),
        (
            lambda u: torch.tensor(u(AT.repeat(1, 2)).mean().item()),
            "has no gradient, .* by torch alone, without detach",
        ),
        (
            lambda u: u.d("x").mean(),
            r"Odd.own_terms fails, AttributeError: .* u.field\(points\) u there with u.d\('x'\)",
        ),
        (lambda u: u["v"].mean(), "Odd.own_terms fails, TypeError"),
    ],
)
def test_terms_that_would_train_nothing_and_what_u_has_not_are_refused(own: Any, said: str) -> None:
    class Odd(Coupled):
        def own_terms(self, u: Any, batch: laaf.CollocationBatch) -> Mapping[str, Tensor]:
            return {"mass": own(u), "later": torch.zeros(())}

    with pytest.raises(laaf.errors.ConfigurationError, match=said):
        pinn_of(Odd()).loss_terms(points_of(Odd()))
