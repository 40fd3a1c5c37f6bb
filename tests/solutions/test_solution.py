from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.derivatives import module_state
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP
from laaf_lightning.problems import PDE, Burgers, CollocationBatch, Heat
from laaf_lightning.solutions import Solution
from tests.solutions.equations import EQUATIONS, assert_same, loss_and_gradients, pinn_of, points_of


def solution_of(problem: PDE, **settings: Any) -> Solution:
    torch.manual_seed(0)
    sizes = len(problem.coordinates), len(problem.unknowns)
    network = MLP(*sizes, width=5, depth=2, scope="neuron", n=2.0).double()
    return Solution(problem, network, **settings)


def by_hand(solution: Solution, batch: CollocationBatch) -> dict[str, Tensor]:
    """Go through the conditions one by one, each with a field of its own."""
    problem, start = solution.problem, 0
    terms = {"residual": solution.residual(batch.residual_points).square().sum() / len(batch.residual_points)}
    for name, count in batch.condition_counts.items():
        condition, at = problem.condition(name), batch.condition_points[start : start + count]
        opposite = condition.partners(at, problem.coordinates)
        partner = None if opposite is None else solution.field(opposite, at_conditions=True)
        prescribed = batch.condition_values[start : start + count]
        misfit = condition.operator(solution.field(at, at_conditions=True), partner) - prescribed
        terms[name] = misfit.square().sum() / len(batch.condition_values)
        start += count
    return terms


@pytest.mark.parametrize("chunk_size", [None, 5])
@pytest.mark.parametrize("engine", ["taylor", "autograd"])
@pytest.mark.parametrize("name", EQUATIONS)
def test_terms_are_the_residuals_and_each_conditions_by_name(name: str, engine: Any, chunk_size: int | None) -> None:
    solution, batch = solution_of(EQUATIONS[name], engine=engine, chunk_size=chunk_size), points_of(EQUATIONS[name])
    terms = solution.loss_terms(batch)
    assert list(terms) == ["residual", *batch.condition_counts]
    assert all(term.shape == () for term in terms.values())
    assert_same(terms, by_hand(solution, batch))


@pytest.mark.parametrize("name", EQUATIONS)
def test_terms_of_conditions_add_up_to_the_misfit_of_a_pinn(name: str) -> None:
    model, batch = pinn_of(EQUATIONS[name]), points_of(EQUATIONS[name])
    residual, *conditions = model.solution.loss_terms(batch).values()
    pooled = model.loss_terms(batch)
    assert_same(residual, pooled["residual"])
    assert_same(sum(conditions, torch.zeros(()).double()), pooled["data"])


def test_values_of_no_condition_are_the_term_data() -> None:
    batch = points_of(Burgers())._replace(condition_counts={})
    solution = solution_of(Burgers())
    misfit = (solution(batch.condition_points) - batch.condition_values).square().mean()
    assert_same(solution.loss_terms(batch)["data"], misfit)


@pytest.mark.parametrize("name", ["burgers", "inverse burgers"])
def test_a_bare_loop_trains_as_the_module_does(name: str) -> None:
    problem, batch = EQUATIONS[name], points_of(EQUATIONS[name])
    model, twin = pinn_of(problem), pinn_of(problem)
    solution = Solution(problem, twin.network, coefficients=twin.coefficients)
    expected = loss_and_gradients(model, batch)
    sum(solution.loss_terms(batch).values(), torch.zeros(())).backward()
    assert_same({n: p.grad for n, p in twin.named_parameters()}, {n: g for n, g in expected.items() if n != "loss"})
    assert [*map(id, solution.parameters())] == [*map(id, twin.parameters())]


def test_unknown_coefficients_are_made_at_their_first_guesses() -> None:
    problem = EQUATIONS["inverse burgers"]
    solution = solution_of(problem)
    assert {name: value.item() for name, value in solution.coefficients.items()} == pytest.approx(
        dict(problem.coefficients())
    )
    assert all(parameter.requires_grad for parameter in solution.parameters())


def test_the_network_is_looked_at_once_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[nn.Module] = []
    look = module_state.NetworkState.is_that_of

    def counted(state: module_state.NetworkState, network: nn.Module) -> bool:
        looks.append(network)
        return look(state, network)

    monkeypatch.setattr(module_state.NetworkState, "is_that_of", counted)
    model, batch = pinn_of(Burgers()), points_of(Burgers())
    for settings in ({}, {"chunk_size": 3}, {"engine": "autograd"}):
        model = pinn_of(Burgers(), **settings)
        model.loss(batch)
        looks.clear()
        model.loss(batch)
        assert looks == [model.network]


def test_a_replaced_network_is_differentiated_from_then_on() -> None:
    solution, points = solution_of(Heat()), points_of(Heat()).residual_points
    solution.network = nn.Sequential(nn.Linear(2, 4), nn.Mish(), nn.Linear(4, 1)).double()
    assert solution.engine.name == "autograd"
    other = Solution(Heat(), solution.network, engine="autograd")
    assert_same(solution.residual(points), other.residual(points))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))], ids=["deepcopy", "pickle"])
def test_copies_solve_on_their_own(copied: Callable[[Solution], Solution]) -> None:
    solution, batch = solution_of(Burgers(0.1)), points_of(Burgers(0.1))
    expected = {name: term.detach() for name, term in solution.loss_terms(batch).items()}
    twin = copied(solution)
    with torch.no_grad():
        for parameter in solution.parameters():
            parameter.mul_(1.5)
    assert_same(twin.loss_terms(batch), expected)
    assert not torch.allclose(solution.loss_terms(batch)["residual"], expected["residual"])


def test_points_of_the_domain_are_tried_whatever_it_is() -> None:
    seen: list[Tensor] = []

    class Looks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 1)

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.detach())
            return self.linear(x)  # type: ignore[no-any-return]

    class Far(Heat):
        domain: ClassVar[Mapping[str, tuple[float, float]]] = {"x": (300.0, 400.0), "t": (-5.0, -4.0)}

        def conditions(self) -> tuple[()]:
            return ()

    Solution(Far(), Looks())
    lower, upper = torch.tensor([[300.0, -5.0], [400.0, -4.0]])
    assert seen
    assert all(((points >= lower) & (points <= upper)).all() for points in seen)


def test_a_network_that_mixes_points_is_refused() -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1))
    for engine in ("auto", "autograd"):
        with pytest.raises(ConfigurationError, match=r"mixes points: .* \(BatchNorm1d\)"):
            Solution(Burgers(), network, engine=engine)


def test_a_residual_and_a_field_of_ones_own_take_part() -> None:
    plain, batch = solution_of(Burgers(0.1)), points_of(Burgers(0.1))
    own = Solution(
        Burgers(0.1),
        plain.network,
        residual=lambda points, known: 2 * plain.residual(points, known),
        field=lambda points, known=None, *, at_conditions=False: plain.field(
            points / 2, known, at_conditions=at_conditions
        ),
    )
    halved = batch._replace(condition_points=batch.condition_points / 2)
    expected, found = plain.loss_terms(halved), own.loss_terms(batch)
    assert_same(found["residual"], 4 * expected["residual"])
    assert_same(found["initial"], expected["initial"])


def test_lightning_is_not_needed() -> None:
    program = (
        "import sys, torch\n"
        "from laaf_lightning.models import MLP\n"
        "from laaf_lightning.problems import Burgers\n"
        "from laaf_lightning.solutions import Solution\n"
        "Solution(Burgers(), MLP(2, 1)).residual(torch.rand(3, 2))\n"
        "print([name for name in ('pytorch_lightning', 'lightning', 'torchmetrics') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"engine": "tailor"}, "engine 'tailor'"),
        ({"chunk_size": 0}, "chunk_size=0 must be >= 1, or None for all points at once"),
    ],
)
def test_bad_settings_are_refused(settings: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        solution_of(Burgers(), **settings)


@pytest.mark.parametrize(
    ("problem", "network", "sentence"),
    [
        ("burgers", MLP(2, 1), r"problem='burgers' is no problem: give a PDE, such as Burgers\(\)"),
        (Burgers, MLP(2, 1), r"is no problem: give an instance, Burgers\(\)"),
        (Burgers(), MLP, r"network=<class .*MLP'> is no network: give an instance, from points to the unknowns"),
        (Burgers(), torch.tanh, r"is no network: give a torch.nn.Module"),
        (
            Burgers(),
            MLP(3, 1),
            r"MLP fails at points of shape \(5, 2\), the coordinates x, t of Burgers: mat1",
        ),
        (Burgers(), MLP(2, 2), r"MLP gives outputs of shape \(5, 2\) at 5 points: Burgers needs \(5, 1\)"),
    ],
)
def test_plain_mistakes_get_a_sentence_that_says_what_to_give(problem: Any, network: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Solution(problem, network)
