from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

import laaf_lightning as laaf
from laaf_lightning.callbacks.loss_weights.relobralo import looks_no_further, relative_weights
from tests.callbacks.loss_weights.test_adaptive import Linear, fit
from tests.solutions.equations import Coupled, pinn_of, points_of
from tests.trainers import quiet_trainer


class Squares(Linear):
    """Terms that are sums of squares, whose values and traces follow from a, which is (1, 2) at the start."""

    def __init__(self, optimizer: str = "sgd") -> None:
        super().__init__(optimizer)
        self.a.data.copy_(torch.tensor([1.0, 2.0]))
        self.weight_none = 0.0

    def residuals(self, batch: Tensor) -> dict[str, Tensor]:
        return {"residual": torch.stack([3 * self.a[0], self.a[0] * self.a[1]]) * batch, "data": 2 * self.a[1:]}

    def loss_terms(self, batch: Tensor) -> dict[str, Tensor]:
        terms = {name: values.square().sum() for name, values in self.residuals(batch).items()}
        return {**terms, "none": torch.zeros(())}


class SaysResiduals(Squares):
    def loss_residuals(self, batch: Tensor, most: int, seed: int) -> dict[str, Tensor]:
        return self.residuals(batch)


def test_the_tangent_kernels_traces_balance_the_terms() -> None:
    module = SaysResiduals()
    fit(module, laaf.AdaptiveLossWeights(1, momentum=0.0, scheme="ntk"), 2.0)
    # Jacobians of the residuals at a = (1, 2): 2·(3, 0), 2·(2, 1) and (0, 2).
    traces = np.array([4 * 9 + 4 * (4 + 1), 4.0])
    np.testing.assert_allclose([module.weight_residual, module.weight_data], traces.sum() / traces, rtol=1e-12)


def test_a_term_without_residuals_counts_as_its_root() -> None:
    class OnlyOne(SaysResiduals):
        def loss_residuals(self, batch: Tensor, most: int, seed: int) -> dict[str, Tensor]:
            return {"residual": self.residuals(batch)["residual"]}

    module = OnlyOne()
    fit(module, laaf.AdaptiveLossWeights(1, momentum=0.5, scheme="ntk"), 2.0)
    traces = np.array([56.0, 4.0])  # of √(4·a²), as of 2·a
    np.testing.assert_allclose([module.weight_residual, module.weight_data], 0.5 + 30 / traces, rtol=1e-12)


def test_the_tangent_kernel_needs_residuals() -> None:
    with pytest.raises(laaf.ConfigurationError, match=r"needs a method loss_residuals\(batch, most, seed\)"):
        fit(Squares(), laaf.AdaptiveLossWeights(scheme="ntk"), 1.0)


@pytest.mark.parametrize("by_name", [False, True])
def test_residuals_of_a_pinn_are_the_roots_of_its_terms_and_exact_where_all_points_are_taken(by_name: bool) -> None:
    model, batch = pinn_of(Coupled()), points_of(Coupled())
    terms = model.named_loss_terms(batch) if by_name else model.loss_terms(batch)
    residuals = model.loss_residuals(batch, 1000, 0, by_name=by_name)
    assert list(residuals) == list(terms)
    for name, term in terms.items():
        assert residuals[name].square().sum().item() == pytest.approx(term.item(), rel=1e-12)


def test_residuals_at_some_points_estimate_the_terms_without_bias() -> None:
    model, batch = pinn_of(Coupled()), points_of(Coupled())
    term = model.loss_terms(batch)["residual"].item()
    with torch.no_grad():
        draws = [model.loss_residuals(batch, 3, seed)["residual"] for seed in range(400)]
    assert {draw.shape for draw in draws} == {(3, 2)}
    sums = np.array([draw.square().sum().item() for draw in draws])
    assert abs(sums.mean() - term) < 4 * sums.std() / np.sqrt(len(sums))


def test_a_pinns_traces_are_those_of_its_jacobian() -> None:
    model, data = pinn_of(Coupled()), laaf.CollocationDataModule(Coupled(), 6, 3)
    callback = laaf.AdaptiveLossWeights(momentum=0.0, scheme="ntk", by_name=True)
    settings: dict[str, Any] = {"precision": "64-true", "limit_val_batches": 0}
    trainer = quiet_trainer(callback, max_steps=1, **settings)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    trainer.fit(model, datamodule=data)
    found = dict(model.weights)
    model.load_state_dict(start)
    batch = data.train_dataloader().batch
    traces = {}
    for name, rows in model.loss_residuals(batch, 1000, 0, by_name=True).items():
        jacobian = [
            torch.cat(
                [
                    gradient.flatten()
                    for gradient in torch.autograd.grad(
                        row,
                        list(model.network.parameters()),
                        retain_graph=True,
                        materialize_grads=True,
                        allow_unused=True,
                    )
                ]
            )
            for row in rows.flatten()
        ]
        kernel = torch.stack(jacobian) @ torch.stack(jacobian).T
        traces[name] = kernel.trace().item()
    total = sum(traces.values())
    assert found == pytest.approx({name: total / trace for name, trace in traces.items()}, rel=1e-9)


def by_hand(losses: list[dict[str, float]], rhos: list[int], momentum: float, temperature: float) -> list[Any]:
    """ReLoBRaLo in plain NumPy, from the second update on."""

    def shares(now: Any, then: Any) -> Any:
        powers = np.exp(now / (temperature * then))
        return len(now) * powers / powers.sum()

    values = np.array([list(each.values()) for each in losses])
    weights = [np.ones(values.shape[1])]
    for t in range(1, len(values)):
        back = rhos[t] * weights[-1] + (1 - rhos[t]) * shares(values[t], values[0])
        weights.append(momentum * back + (1 - momentum) * shares(values[t], values[t - 1]))
    return weights


def test_relobralo_follows_its_formula_step_by_step() -> None:
    class Notes(Squares):
        def training_step(self, batch: Tensor) -> Tensor:
            terms = self.loss_terms(batch)
            losses.append({name: terms[name].item() for name in ("residual", "data")})
            return super().training_step(batch)

    losses: list[dict[str, float]] = []
    module = Notes()
    settings: dict[str, Any] = {"momentum": 0.7, "temperature": 0.8, "lookback": 0.5, "seed": 3}
    fit(module, laaf.AdaptiveLossWeights(1, scheme="relobralo", **settings), 0.1, 0.2, 0.1, 0.3, 0.1, 0.1, 0.2)
    rhos = [int(looks_no_further(0.5, 3, step)) for step in range(7)]
    assert {0, 1} <= set(rhos[1:])
    np.testing.assert_allclose(module.seen, by_hand(losses, rhos, 0.7, 0.8), rtol=1e-12)


def test_relobralo_looks_back_as_often_as_it_says() -> None:
    share = np.mean([looks_no_further(0.9, 0, step) for step in range(4000)])
    assert abs(share - 0.9) < 4 * np.sqrt(0.09 / 4000)


@pytest.mark.parametrize(("now", "then"), [(0.0, 0.0), (1.0, 0.0), (1e300, 1e-300)])
def test_relobralo_takes_losses_of_zero_and_huge_ratios(now: float, then: float) -> None:
    losses = {"a": now, "b": 1.0}, {"a": then, "b": 1.0}
    weights = relative_weights(losses[0], losses[1], losses[1], {"a": 1.0, "b": 1.0}, 0.0, 0.5, 0.1)
    assert sum(weights.values()) == pytest.approx(2.0)


@pytest.mark.parametrize("scheme", ["gradient_norms", "ntk", "relobralo"])
def test_weights_stay_through_a_line_search(scheme: Any) -> None:
    class Lbfgs(SaysResiduals):
        def __init__(self) -> None:
            super().__init__("lbfgs")

    module = Lbfgs()
    fit(module, laaf.AdaptiveLossWeights(1, momentum=0.3, scheme=scheme), 1.0, 4.0, 2.0)
    assert len(module.seen) > 3
    changes = sum(one != other for one, other in zip(module.seen, module.seen[1:], strict=False))
    assert changes <= 2


class Named(Coupled):
    equations: ClassVar[tuple[str, ...]] = ("first", "second")


def trained(scheme: Any, *callbacks: Any, checkpoint: Any = None, **settings: Any) -> dict[str, Any]:
    model, data = pinn_of(Named(), weights={"start": laaf.OffAfter(2.0, steps=3)}).float(), None
    data = laaf.CollocationDataModule(Named(), 12, 4, steps_per_epoch=3, batch_size=8)
    weights = laaf.AdaptiveLossWeights(2, momentum=0.5, scheme=scheme, lookback=0.5, points=4, seed=1)
    trainer = quiet_trainer(weights, *callbacks, max_steps=7, limit_val_batches=0, **settings)
    trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    return {**model.state_dict(), **{f"weight {name}": torch.tensor(model.weights[name]) for name in model.weights}}


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks used to create the checkpoint")
@pytest.mark.parametrize("scheme", ["gradient_norms", "ntk", "relobralo"])
def test_a_run_resumed_at_any_step_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Any, scheme: Any) -> None:
    saving = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1, monitor=None)
    unbroken = trained(scheme, laaf.ExactResume(), saving, enable_checkpointing=True)
    assert unbroken["weight first"] != unbroken["weight second"]
    for file in sorted(tmp_path.glob("*.ckpt"))[1:6:2]:
        resumed = trained(scheme, laaf.ExactResume(), checkpoint=file)
        assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken), file


def test_names_are_balanced_where_terms_have_names_and_not_before() -> None:
    logs: dict[str, set[str]] = {}
    for key, problem, by_name in [("pooled", Coupled(), None), ("named", Named(), None), ("asked", Coupled(), True)]:
        model = pinn_of(problem)
        trainer = quiet_trainer(
            laaf.AdaptiveLossWeights(by_name=by_name), max_steps=1, limit_val_batches=0, precision="64-true"
        )
        trainer.fit(model, datamodule=laaf.CollocationDataModule(problem, 12, 4))
        logs[key] = {name for name in trainer.callback_metrics if name.startswith("loss_weight/")}
        assert (model.weight_data.item() == 1.0) == (key != "pooled")
    conditions = {f"loss_weight/{name}" for name in ("start", "around", "measured", "slope", "mixed", "around_jerk")}
    assert logs["pooled"] == {"loss_weight/residual", "loss_weight/data"}
    assert logs["named"] == {"loss_weight/first", "loss_weight/second", *conditions}
    assert logs["asked"] == {"loss_weight/residual", *conditions}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"scheme": "nkt"},
            "unknown scheme of AdaptiveLossWeights 'nkt': valid are gradient_norms, ntk, relobralo; did",
        ),
        ({"temperature": 0.0}, "temperature=0.0 of AdaptiveLossWeights must be finite and > 0"),
        ({"lookback": 1.5}, "lookback=1.5 a probability"),
        ({"points": 0}, "points=0 of AdaptiveLossWeights must be >= 1"),
    ],
)
def test_settings_that_are_none_are_refused(settings: Any, text: str) -> None:
    with pytest.raises(laaf.ConfigurationError, match=text):
        laaf.AdaptiveLossWeights(**settings)


def test_a_module_without_names_cannot_be_balanced_by_name() -> None:
    with pytest.raises(laaf.ConfigurationError, match=r"by_name=True\) needs named_loss_terms\(batch\) and weights"):
        fit(Linear(), laaf.AdaptiveLossWeights(by_name=True), 1.0)
