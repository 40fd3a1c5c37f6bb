from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

import laaf_lightning as laaf
from laaf_lightning.callbacks.pointwise_weights.known_points import KnownPoints
from tests.callbacks.resampling.collocation_cases import SETTINGS, LineWork, fit_line, interval_data, small_pinn
from tests.trainers import quiet_trainer

KINDS: list[Any] = ["rba", "vrba"]


class WeighedLine(laaf.AdaptiveModule):
    """r(x) = a·x, each squared residual times the weight of its point."""

    point_weights: Tensor | None = None

    def __init__(self, search: bool = False) -> None:
        super().__init__()
        self.search = search
        self.seen: list[tuple[int, Tensor, Tensor]] = []

    def build_network(self) -> torch.nn.Module:
        return torch.nn.Linear(1, 1, bias=False).double()

    def residual(self, points: Tensor) -> Tensor:
        residual: Tensor = self.network(points)
        return residual

    def loss(self, batch: laaf.CollocationBatch) -> Tensor:
        assert self.point_weights is not None
        self.seen.append((self.trainer.global_step, batch.residual_points.clone(), self.point_weights.clone()))
        return (self.point_weights * (self.residual(batch.residual_points) - 1).square()).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        if self.search:
            return torch.optim.LBFGS(self.parameters(), max_iter=4, line_search_fn="strong_wolfe")
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(module: WeighedLine, callback: Any, *callbacks: Any, steps: int = 4, **data: Any) -> Any:
    settings: dict[str, Any] = {**SETTINGS, "accumulate_grad_batches": data.pop("accumulate", 1)}
    trainer = quiet_trainer(callback, *callbacks, max_steps=steps, **settings)
    points = interval_data(**data)
    trainer.fit(module, datamodule=points)
    return points


def by_hand(kind: str, x: Any, coefficients: list[float], eta: float, gamma: float, c: float) -> list[Any]:
    weights, history = np.ones(len(x)), []
    for step, a in enumerate(coefficients):
        r = np.abs(a * x)
        q = r / r.max() if kind == "rba" else np.exp(r * np.log(step + 2) / (c * r.max()))
        weights = gamma * weights + eta * q / q.max()
        history.append(weights**2)
    return history


@pytest.mark.parametrize("kind", KINDS)
def test_weights_follow_the_formula_step_by_step(kind: Any) -> None:
    class Notes(WeighedLine):
        def loss(self, batch: laaf.CollocationBatch) -> Tensor:
            coefficients.append(next(self.network.parameters()).item())
            return super().loss(batch)

    coefficients: list[float] = []
    module = Notes()
    fit(module, laaf.PointwiseWeights(kind, learning_rate=0.2, decay=0.7, sharpness=0.5))
    x = module.seen[0][1].flatten().numpy()
    found = [weights.flatten().numpy() for _, _, weights in module.seen]
    np.testing.assert_allclose(found, by_hand(kind, x, coefficients, 0.2, 0.7, 0.5), rtol=1e-12)
    assert module.point_weights is None, "after the fit"


def test_weights_stay_through_a_line_search_and_through_accumulated_batches() -> None:
    searching = WeighedLine(search=True)
    fit(searching, laaf.PointwiseWeights(learning_rate=0.3, decay=0.5), steps=3)
    assert len(searching.seen) > 3
    accumulating = WeighedLine()
    fit(accumulating, laaf.PointwiseWeights(learning_rate=0.3, decay=0.5), steps=3, accumulate=2)
    assert len(accumulating.seen) == 6
    for module in (searching, accumulating):
        of_step = {step: weights for step, _, weights in module.seen}
        assert all(torch.equal(weights, of_step[step]) for step, _, weights in module.seen)
        assert not torch.equal(of_step[0], of_step[1])


def test_updates_come_every_k_steps() -> None:
    module = WeighedLine()
    fit(module, laaf.PointwiseWeights(every_n_steps=3, decay=0.5), steps=7)
    same = [torch.equal(one[2], two[2]) for one, two in zip(module.seen, module.seen[1:], strict=False)]
    assert same == [True, True, False, True, True, False]


def test_minibatches_update_the_weights_of_their_own_points() -> None:
    module = WeighedLine()
    fit(module, laaf.PointwiseWeights(learning_rate=0.25, decay=0.5), steps=6, num_residual=12, batch_size=5)
    expected: dict[float, float] = {}
    for (_, points, weights), x in [(seen, seen[1].flatten().tolist()) for seen in module.seen]:
        assert len(points) == 5
        largest = max(x)  # r = a·x with x > 0
        for point, weight in zip(x, weights.flatten().tolist(), strict=True):
            expected[point] = 0.5 * expected.get(point, 1.0) + 0.25 * point / largest
            assert weight == pytest.approx(expected[point] ** 2, rel=1e-10)
    assert len(expected) == 12


@pytest.mark.parametrize(("method", "kept"), [("rad", 0), ("rar", 12)])
def test_points_of_a_redraw_start_anew_and_those_that_stay_keep_their_weights(method: Any, kept: int) -> None:
    module = WeighedLine()
    redraw = laaf.ResampleCollocation(2, method, num_added=3)
    fit(module, laaf.PointwiseWeights(learning_rate=0.25, decay=0.5), redraw, steps=3)
    before = dict(zip(module.seen[1][1].flatten().tolist(), module.seen[1][2].sqrt().flatten().tolist(), strict=True))
    _, points, weights = module.seen[2]
    x = points.flatten().tolist()
    assert sum(point in before for point in x) == kept
    expected = [0.5 * before.get(point, 1.0) + 0.25 * point / max(x) for point in x]
    np.testing.assert_allclose(weights.sqrt().flatten().tolist(), expected, rtol=1e-10)


def adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.01)


def trained(*callbacks: Any, checkpoint: Path | None = None, **settings: Any) -> dict[str, Tensor]:
    module, data = small_pinn(optimizer=adam), interval_data(batch_size=5)
    pointwise = laaf.PointwiseWeights("vrba", learning_rate=0.2, decay=0.8)
    redraw = laaf.ResampleCollocation(3, "rar", num_added=2)
    trainer = quiet_trainer(
        redraw, pointwise, *callbacks, max_steps=7, max_epochs=-1, limit_val_batches=0, precision="64-true", **settings
    )
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    return dict(module.state_dict())


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks used to create the checkpoint")
def test_a_run_resumed_at_any_step_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path) -> None:
    saving = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1, monitor=None)
    unbroken = trained(laaf.ExactResume(), saving, enable_checkpointing=True)
    files = sorted(tmp_path.glob("*.ckpt"))
    assert len(files) == 7
    for file in files[::2]:
        resumed = trained(laaf.ExactResume(), checkpoint=file)
        assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken), file


@pytest.mark.parametrize("settings", [{"engine": "taylor"}, {"engine": "autograd"}, {"chunk_size": 5}], ids=str)
def test_a_pinns_residual_is_weighed_with_every_engine_and_in_chunks(settings: dict[str, Any]) -> None:
    module, data = small_pinn(**settings).double(), interval_data()
    (batch, *_) = data.train_dataloader()
    batch = batch._replace(**{name: getattr(batch, name).double() for name in batch._fields[:3]})
    module.point_weights = torch.linspace(0, 2, 12, dtype=torch.float64)[:, None]
    residual = module.residual(batch.residual_points)
    expected = (module.point_weights * residual.square()).mean()
    found = module.loss(batch) - module.loss_terms(batch)["data"]
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    parameters = list(module.network.parameters())
    by_hand, ours = (
        torch.autograd.grad(value, parameters) for value in (expected, module.loss_terms(batch)["residual"])
    )
    for one, other in zip(ours, by_hand, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_what_is_logged_is_the_loss_without_the_weights_of_points(tmp_path: Path) -> None:
    module, data = small_pinn().double(), interval_data()
    batch = data.train_dataloader().batch
    batch = batch._replace(**{name: getattr(batch, name).double() for name in batch._fields[:3]})
    expected = module.loss_terms(batch)["residual"].item()
    trainer = quiet_trainer(laaf.PointwiseWeights(start=3.0), **SETTINGS, max_steps=1)
    trainer.fit(module, datamodule=data)
    assert trainer.callback_metrics["train/mse_residual"].item() == pytest.approx(expected, rel=1e-4)
    assert trainer.callback_metrics["train/loss"].item() > 5 * expected


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"kind": "rbaa"}, "unknown kind of PointwiseWeights 'rbaa': valid are rba, vrba; did you mean 'rba'"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 of PointwiseWeights must be finite and > 0"),
        ({"decay": 1.0}, "decay=1.0 of PointwiseWeights must be >= 0 and < 1"),
        ({"start": -1.0}, "start=-1.0 of PointwiseWeights must be finite and >= 0"),
        ({"sharpness": float("nan")}, "sharpness=nan of"),
        ({"every_n_steps": 0}, "every_n_steps=0 of PointwiseWeights must be >= 1"),
        ({"chunk_size": 0}, "chunk_size=0 of PointwiseWeights must be >= 1"),
    ],
)
def test_settings_outside_their_range_are_refused_by_name(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(laaf.ConfigurationError, match=text):
        laaf.PointwiseWeights(**settings)


def test_a_module_that_knows_no_weights_of_points_and_a_second_callback_are_refused() -> None:
    with pytest.raises(
        laaf.ConfigurationError, match=r"needs residual\(points\) and an attribute point_weights of Line"
    ):
        fit_line(laaf.PointwiseWeights())
    with pytest.raises(laaf.ConfigurationError, match=r"several PointwiseWeights .* keep one"):
        fit(WeighedLine(), laaf.PointwiseWeights(), laaf.PointwiseWeights("vrba"))
    assert not hasattr(LineWork, "point_weights")


def test_without_a_datamodule_it_is_refused_and_switched_off_it_does_nothing() -> None:
    loader = interval_data().train_dataloader()
    with pytest.raises(laaf.ConfigurationError, match="and this fit has only loaders: take"):
        quiet_trainer(laaf.PointwiseWeights(), **SETTINGS, max_steps=1).fit(small_pinn(), loader, loader)
    fit_line(laaf.PointwiseWeights(enabled=False))


def test_a_residual_that_is_not_finite_ends_the_run() -> None:
    class Diverges(WeighedLine):
        def residual(self, points: Tensor) -> Tensor:
            return super().residual(points) / 0

    with pytest.raises(laaf.ConfigurationError, match="the residual of Diverges is not finite at 12 of 12 points"):
        fit(Diverges(), laaf.PointwiseWeights())


def test_points_of_any_dtype_are_known_again() -> None:
    points = torch.tensor([[0.0, 1.0], [0.5, 1.0], [0.0, 1.0]])
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
        known = KnownPoints(1.0, lambda: points)
        assert known.rows(points.to(dtype)).tolist() == [0, 1, 0]
