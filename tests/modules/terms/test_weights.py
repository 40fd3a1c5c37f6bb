from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

import laaf_lightning as laaf
from laaf_lightning.derivatives.engines import EngineName
from laaf_lightning.modules.terms.weights import TermWeights
from tests.modules.small import burgers_data
from tests.solutions.equations import Coupled, assert_same, loss_and_gradients, pinn_of, points_of
from tests.trainers import quiet_trainer


class Named(Coupled):
    equations: ClassVar[tuple[str, ...]] = ("first", "second")


WEIGHTS: dict[str, Any] = {"first": 3.0, "mixed": 0.25, "start": 0}
PLAIN = {"start": 0.0, "around": 1.0, "measured": 1.0, "slope": 1.0, "mixed": 0.25, "around_jerk": 1.0}


def weighted(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    return torch.stack([weights.get(name, 1.0) * term for name, term in terms.items()]).sum()


@pytest.mark.parametrize("chunk_size", [None, 5])
@pytest.mark.parametrize("engine", ["taylor", "autograd"])
def test_the_loss_is_the_sum_of_the_terms_by_name_times_both_weights(
    engine: EngineName, chunk_size: int | None
) -> None:
    settings: dict[str, Any] = {"engine": engine, "chunk_size": chunk_size}
    model = pinn_of(Named(), weights=WEIGHTS, weight_residual=2.0, weight_data=0.5, **settings)
    batch = points_of(Named())
    terms = model.named_loss_terms(batch)
    assert list(terms) == ["first", "second", *PLAIN]
    expected = 2.0 * (3.0 * terms["first"] + terms["second"])
    expected = expected + 0.5 * weighted({name: terms[name] for name in PLAIN}, PLAIN)
    names, parameters = zip(*model.named_parameters(), strict=True)
    by_hand = dict(zip(names, torch.autograd.grad(expected, parameters), strict=True))
    assert_same(loss_and_gradients(model, batch), {"loss": expected.detach(), **by_hand})


def test_terms_of_equations_are_the_mean_squares_of_the_columns_and_add_up_to_the_pooled_one() -> None:
    model, batch = pinn_of(Named()), points_of(Named())
    columns = model.residual(batch.residual_points).square().mean(dim=0)
    terms = model.named_loss_terms(batch)
    assert_same(torch.stack([terms["first"], terms["second"]]), columns)
    assert_same(columns.sum(), model.loss_terms(batch)["residual"])
    assert list(model.loss_terms(batch)) == ["residual", "data"]


@pytest.mark.parametrize("problem", [Named(), Coupled()], ids=["named", "unnamed"])
def test_weights_of_one_and_names_change_no_bit(problem: Any) -> None:
    batch = points_of(problem)
    plain = loss_and_gradients(pinn_of(Coupled()), batch)
    ones = dict.fromkeys(["start", "around"], 1.0)
    for model in (pinn_of(problem), pinn_of(problem, weights={}), pinn_of(problem, weights=ones)):
        found = loss_and_gradients(model, batch)
        assert all(torch.equal(found[name], plain[name]) for name in plain)


def test_a_step_without_weights_by_name_computes_what_it_did_before() -> None:
    """Counted: operations of the loss, with names and without, where nothing is logged."""
    counts = []
    for problem in (Coupled(), Named()):
        model, batch = pinn_of(problem), points_of(problem)
        model.loss(batch)
        with torch.profiler.profile() as profile:
            model.loss(batch)
        counts.append({event.key: event.count for event in profile.key_averages()})
    assert counts[0] == counts[1]


def test_a_schedule_is_asked_for_the_optimiser_step_and_stays_through_a_line_search() -> None:
    class Asked(laaf.WeightSchedule):
        def __call__(self, step: int) -> float:
            return 1.0 + step

    class Sees(laaf.PINN):
        def loss(self, batch: laaf.CollocationBatch) -> Tensor:
            loss = super().loss(batch)
            if self.trainer.training:
                seen.append((self.trainer.global_step, self.weights.now("initial")))
            return loss

    seen: list[tuple[int, float]] = []
    torch.manual_seed(0)
    model = Sees(
        laaf.Burgers(),
        width=4,
        depth=1,
        weights={"initial": Asked()},
        optimizer=lambda parameters: torch.optim.LBFGS(parameters, max_iter=3, line_search_fn="strong_wolfe"),
    )
    quiet_trainer(max_steps=3, limit_val_batches=0).fit(model, datamodule=burgers_data())
    assert {step for step, _ in seen} == {0, 1, 2}
    assert len(seen) > 3
    assert all(weight == 1.0 + step for step, weight in seen)


@pytest.mark.parametrize("weights", [None, {"initial": 7.0, "residual": 0.5}])
def test_every_term_is_logged_by_its_name_without_weights(weights: Any) -> None:
    torch.manual_seed(0)
    model = laaf.PINN(laaf.Burgers(), width=4, depth=1, weights=weights, weight_data=2.0)
    batch = burgers_data().train_dataloader().batch
    expected = {name: value.item() for name, value in model.named_loss_terms(batch).items()}
    expected["data"] = sum(expected[name] for name in ("initial", "left", "right"))
    trainer = quiet_trainer(max_steps=1, limit_val_batches=0)
    trainer.fit(model, datamodule=burgers_data())
    logged = {name: value.item() for name, value in trainer.callback_metrics.items()}
    found = {name.removeprefix("train/mse_"): value for name, value in logged.items() if "mse" in name}
    assert found == pytest.approx(expected, rel=1e-5)
    given = weights or {}
    conditions = sum(given.get(name, 1.0) * expected[name] for name in ("initial", "left", "right"))
    total = given.get("residual", 1.0) * expected["residual"] + 2.0 * conditions
    assert logged["train/loss"] == pytest.approx(total, rel=1e-5)


def test_named_equations_are_logged_and_logging_changes_no_bit() -> None:
    states = []
    for every in (1, 100):
        model, data = pinn_of(Named()), laaf.CollocationDataModule(Named(), 12, 4)
        settings: dict[str, Any] = {"log_every_n_steps": every, "precision": "64-true", "limit_val_batches": 0}
        trainer = quiet_trainer(max_steps=4, **settings)
        trainer.fit(model, datamodule=data)
        assert {"train/mse_first", "train/mse_second", "train/mse_around"} <= set(trainer.callback_metrics)
        states.append(model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_the_best_constant_minimises_the_weighted_loss() -> None:
    from tests.modules.small import Reaction

    model = laaf.PINN(Reaction(), width=4, depth=1, weights={"residual": 0.5, "initial": 3.0}).double()
    plain = laaf.PINN(Reaction(), width=4, depth=1, weight_residual=0.5, weight_data=3.0).double()
    batch = points_of(Reaction())
    found, expected = model.constant_network_loss(batch), plain.constant_network_loss(batch)
    assert found is not None
    assert expected is not None
    assert_same(found, expected)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_have_weights_of_their_own(copied: Callable[[Any], Any]) -> None:
    model, batch = pinn_of(Named(), weights={"first": 2.0}), points_of(Named())
    before = model.loss(batch)
    twin = copied(model)
    assert_same(twin.loss(batch), before)
    twin.weights["first"] = 5.0
    assert model.weights["first"] == 2.0
    assert torch.equal(model.loss(batch), before)


def test_weights_that_are_numbers_come_back_with_a_checkpoint(tmp_path: Any) -> None:
    model = laaf.BurgersPINN(width=4, depth=1, weights={"initial": 10.0})
    trainer = quiet_trainer(max_steps=1, limit_val_batches=0)
    trainer.fit(model, datamodule=burgers_data())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    again = laaf.BurgersPINN.load_from_checkpoint(tmp_path / "last.ckpt", weights_only=True)
    assert dict(again.weights) == {"residual": 1.0, "initial": 10.0, "left": 1.0, "right": 1.0}


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (
            {"intial": 1.0},
            r"unknown term of PINN's loss 'intial': valid are residual, initial, left, right; did you mean",
        ),
        ({"data": 1.0}, "unknown term .*all of its conditions together have weight_data"),
        (
            {"initial": -1.0},
            "the weight of the term 'initial' is -1.0: it must be a finite number >= 0, or a WeightSch",
        ),
        ({"initial": float("nan")}, "'initial' is nan: it must be a finite"),
        ({"initial": "10"}, "'initial' is '10': it must be"),
        ({"initial": True}, "'initial' is True: it must be"),
        ({"initial": laaf.OffAfter}, r"is the class OffAfter: give an instance, OffAfter\(…\)"),
        ([1.0, 2.0], r"weights=\[1.0, 2.0\] must map names of terms to weights"),
    ],
)
def test_weights_that_are_none_are_refused(weights: Any, text: str) -> None:
    with pytest.raises(laaf.ConfigurationError, match=text):
        laaf.PINN(laaf.Burgers(), width=4, depth=1, weights=weights)


def test_a_refused_weight_changes_nothing() -> None:
    weights = TermWeights("PINN", ["a", "b"], {"a": 2.0})
    with pytest.raises(laaf.ConfigurationError, match="unknown term of PINN's loss 'c': valid are a, b"):
        weights["c"] = 1.0
    with pytest.raises(laaf.ConfigurationError, match="cannot be taken away"):
        del weights["a"]
    assert dict(weights) == {"a": 2.0, "b": 1.0}


def test_a_tensor_of_weights_stays_where_it_is() -> None:
    weights = TermWeights("PINN", ["a", "b"], {"a": 2.0})
    tensor = weights.of(["b", "a"], torch.zeros(()), [1, 2])
    assert tensor.tolist() == [1.0, 2.0, 2.0]
    weights["b"] = torch.tensor(4.0)  # type: ignore[assignment]
    assert weights.of(["b", "a"], torch.zeros(()), [1, 2]) is tensor
    assert tensor.tolist() == [4.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("first",), "Coupled.equations names 1 equations, first, and Coupled.residual gives 2 columns: name each"),
        (("a", "b", "c"), "names 3 equations, a, b, c, and"),
        ("ab", "equations='ab' must be a tuple of names"),
        (("a", "a"), "must be a tuple of names, no two alike"),
        (("a", "start"), "the equation 'start' of Coupled has the name of another term of the loss"),
        (("a", "data"), "the equation 'data' of Coupled has the name of all conditions together"),
        (("a", "residual"), "the equation 'residual' of Coupled has the name of all equations together"),
    ],
)
def test_names_of_equations_that_do_not_fit_are_refused(names: Any, text: str) -> None:
    problem = type("Coupled", (Coupled,), {"equations": names})()
    with pytest.raises(laaf.ConfigurationError, match=text):
        laaf.PINN(problem, width=4, depth=1)
