from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
import torch
from pytorch_lightning import Trainer
from torch import Tensor, nn

from laaf_lightning import MLP, PDE, PINN, CollocationDataModule, ConfigurationError, Solution
from laaf_lightning.callbacks.pointwise_weights.measured import magnitudes_at
from laaf_lightning.derivatives import Field
from laaf_lightning.modules.refusals import refuse_divided_points
from laaf_lightning.problems import Condition, Dirichlet
from tests.solutions.equations import EQUATIONS
from tests.trainers import quiet_trainer

Residual = Callable[[Mapping[str, Tensor], Field], Tensor]


class Any2D(PDE):
    """Whatever residual it is given."""

    coordinates = ("x", "t")
    domain: ClassVar = {"x": (-1.0, 1.0), "t": (0.0, 1.0)}

    def __init__(self, function: Residual) -> None:
        self.function = function

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return self.function(x, u)

    def conditions(self) -> Sequence[Condition]:
        return [Dirichlet("start", ("t", 0.0), 0.0)]


INNER = nn.Sequential(nn.Linear(1, 50), nn.Tanh(), nn.Linear(50, 1))

COUPLED: dict[str, Residual] = {
    "mean": lambda x, u: u.d("x") - u.value.mean(),
    "small mean": lambda x, u: u.d("x") + 1e-3 * u.value.mean(),
    "mean of a coordinate": lambda x, u: u.d("x") * (x["x"] - x["x"].mean()),
    "largest": lambda x, u: u.d("x") / x["t"].max(),
    "smallest derivative": lambda x, u: u.d("x", "x") - u.d("t").min(),
    "divided by the number": lambda x, u: u.d("x") / len(u.value),
    "neighbours": lambda x, u: u.d("x") - torch.roll(u.value, 1, 0),
    "running sum": lambda x, u: u.d("x") * torch.cumsum(u.value, 0),
    "first point": lambda x, u: u.d("x") - u.value[0],
    "sorted": lambda x, u: u.d("x") - u.value.sort(dim=0).values,
    "threshold": lambda x, u: torch.where(u.value > u.value.mean(), u.d("x"), u.d("t")),
    "normalised": lambda x, u: nn.functional.normalize(u.d("x"), dim=0),
}
APART: dict[str, Residual] = {
    "burgers": lambda x, u: u.d("t") + u * u.d("x") - 0.01 * u.d("x", "x"),
    "nan": lambda x, u: torch.log(x["x"]) * u.d("x"),
    "nan everywhere": lambda x, u: torch.log(-u.value) * u.d("x"),
    "infinite": lambda x, u: u.d("x") / (x["x"] - x["x"]),
    "zero": lambda x, u: 0 * u.d("x"),
    "threshold of its own": lambda x, u: torch.where(x["x"] > 0, u.d("x"), u.d("t")),
    "random": lambda x, u: u.d("x") + torch.randn_like(u.value),
    "large terms that cancel": lambda x, u: (1e8 * u.value.exp() - 1e8 * (u.value + 1e-7).exp()) + u.d("t"),
    "inner network": lambda x, u: 1e3 * (INNER(u.value.float()).to(u.value) - INNER(u.d("x").float()).to(u.value)),
    "equations": lambda x, u: torch.cat([u.d("x"), 1e-9 * u.d("t")], dim=1),
    "products of rows": lambda x, u: torch.einsum("ni,nj->n", x["x"], u.value)[:, None] + u.d("t"),
}


@pytest.mark.parametrize("name", COUPLED)
def test_coupled_points_are_found_before_training(name: str) -> None:
    network = MLP(2, 1, width=4, depth=1)
    with pytest.warns(UserWarning, match="residual of Any2D at one point depends on the others .* another equation"):
        assert Solution(Any2D(COUPLED[name]), network).couples_points
    with pytest.raises(ConfigurationError, match=r"chunk_size=10: the residual of Any2D at one point depends .* out"):
        Solution(Any2D(COUPLED[name]), network, chunk_size=10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", APART)
def test_points_that_stand_alone_give_no_alarm(name: str, dtype: torch.dtype) -> None:
    network = MLP(2, 1, width=4, depth=1).to(dtype)
    assert not Solution(Any2D(APART[name]), network, chunk_size=10).couples_points


@pytest.mark.parametrize("name", EQUATIONS)
def test_no_equation_of_the_other_tests_gives_an_alarm(name: str) -> None:
    problem = EQUATIONS[name]
    network = MLP(len(problem.coordinates), len(problem.unknowns), width=4, depth=1)
    assert not Solution(problem, network).couples_points


def test_no_random_number_is_drawn() -> None:
    before = torch.get_rng_state()
    from_one_seed = []
    for chunk_size in (None, 10):
        torch.set_rng_state(before)
        Solution(Any2D(APART["burgers"]), MLP(2, 1, width=4, depth=1), chunk_size=chunk_size)
        from_one_seed.append(torch.rand(1))
    torch.set_rng_state(before)
    MLP(2, 1, width=4, depth=1)
    assert from_one_seed == [torch.rand(1)] * 2


def coupled_pinn(**settings: Any) -> PINN:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PINN(Any2D(COUPLED["mean"]), width=4, depth=1, **settings)


def data(**settings: Any) -> CollocationDataModule:
    return CollocationDataModule(Any2D(COUPLED["mean"]), num_residual=40, steps_per_epoch=1, **settings)


def test_chunks_that_come_later_are_refused_where_they_cut() -> None:
    pinn, batch = coupled_pinn(), next(iter(data().train_dataloader()))
    whole = pinn.loss_terms(batch)["residual"]
    pinn.chunk_size = 40
    assert pinn.loss_terms(batch)["residual"] == whole
    pinn.chunk_size = 39
    with pytest.raises(ConfigurationError, match="chunk_size=39: the residual of Any2D at one point depends"):
        pinn.loss_terms(batch)


def test_minibatches_are_refused_before_the_first_step() -> None:
    pinn = coupled_pinn()
    with pytest.raises(ConfigurationError, match=r"batch_size=10: the residual .* leave batch_size out"):
        quiet_trainer(max_steps=1, limit_val_batches=0).fit(pinn, data(batch_size=10))
    quiet_trainer(max_steps=1, limit_val_batches=0).fit(pinn, data(batch_size=40))


def test_several_processes_are_refused() -> None:
    alone, several = (SimpleNamespace(world_size=count) for count in (1, 2))
    refuse_divided_points(coupled_pinn().solution, cast("Trainer", alone))
    with pytest.raises(ConfigurationError, match=r"each of 2 processes has a share of them: train on one device"):
        refuse_divided_points(coupled_pinn().solution, cast("Trainer", several))


def test_a_residual_of_the_modules_own_is_looked_at_when_a_fit_starts() -> None:
    class Own(PINN):
        def residual(self, points: Tensor, known: Any = None) -> Tensor:
            coupled: Tensor = super().residual(points, known) - self(points).mean()
            return coupled

    pinn = Own(Any2D(APART["burgers"]), width=4, depth=1)
    samples = CollocationDataModule(pinn.problem, num_residual=40, batch_size=10)
    with pytest.warns(UserWarning, match="depends on the others"), pytest.raises(ConfigurationError, match="batch_siz"):
        quiet_trainer(max_steps=1, limit_val_batches=0).fit(pinn, samples)


def test_what_is_logged_and_what_weighs_points_see_them_all_at_once() -> None:
    batch = next(iter(data().train_dataloader()))
    pinn = coupled_pinn()
    big = batch._replace(residual_points=torch.cat([batch.residual_points * k / 300 for k in range(300)]))
    whole = pinn.loss_terms(big)["residual"]
    assert pinn.solution.values_by_name(big)["residual"].item() == pytest.approx(whole.item(), rel=1e-5)
    trainer = quiet_trainer(max_steps=1, limit_val_batches=0)
    trainer.strategy.connect(pinn)
    points = batch.residual_points
    expected = pinn.residual(points).detach().abs()[:, 0].double()
    assert torch.allclose(magnitudes_at(trainer, pinn, points, 7), expected, rtol=1e-4)
