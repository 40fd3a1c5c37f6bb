from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from laaf_lightning import MLP, PDE, PINN, ConfigurationError, Solution
from laaf_lightning.derivatives import Field
from laaf_lightning.problems import Ansatz, Condition


class Two(PDE):
    """Asks for one derivative of one of two unknowns."""

    coordinates = ("x", "t")
    domain: ClassVar = {"x": (0.0, 1.0), "t": (0.0, 1.0)}
    unknowns = ("v", "p")

    def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
        return u["v"].d("x")

    def conditions(self) -> Sequence[Condition]:
        return ()


class Built(Two):
    def ansatz(self) -> Ansatz:
        return Ansatz(lambda p: p[:, :1].square(), lambda p: p[:, 1:] * p[:, :1])


class Waves(nn.Module):
    """v = sin(2x)·cos(t), p = x³t with weights that train: a network that only autograd can differentiate."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.dropout = nn.Dropout(0.5)

    def forward(self, points: Tensor) -> Tensor:
        x, t = points.split(1, dim=1)
        values: Tensor = self.dropout(self.factor * torch.cat([(2 * x).sin() * t.cos(), x**3 * t], dim=1))
        return values


NAMES = ["v", "v_x", "v_xt", "v_xxt", "p", "p_xxx", "p_t"]


def exact(points: Any) -> dict[str, Any]:
    x, t = np.asarray(points)[:, 0], np.asarray(points)[:, 1]
    return {
        "v": np.sin(2 * x) * np.cos(t),
        "v_x": 2 * np.cos(2 * x) * np.cos(t),
        "v_xt": -2 * np.cos(2 * x) * np.sin(t),
        "v_xxt": 4 * np.sin(2 * x) * np.sin(t),
        "p": x**3 * t,
        "p_xxx": 6 * t,
        "p_t": x**3,
    }


POINTS = np.random.default_rng(0).random((9, 2))


def test_derivatives_of_a_known_function_whatever_the_residual_asks_for() -> None:
    network = Waves()
    values = Solution(Two(), network).at(POINTS, NAMES)
    assert [*values] == NAMES
    for name, expected in exact(POINTS).items():
        np.testing.assert_allclose(values[name], expected, rtol=1e-12, atol=1e-14)
    assert network.training
    assert network.factor.requires_grad


@pytest.mark.parametrize("engine", ["auto", "taylor", "autograd", "fused"])
@pytest.mark.parametrize("problem", [Two(), Built()], ids=["network", "hard conditions"])
def test_every_engine_gives_what_nested_autograd_gives(engine: Any, problem: PDE, request: Any) -> None:
    if engine == "fused":
        request.getfixturevalue("kernel")
    torch.manual_seed(0)
    network = MLP(2, 2, width=5, depth=2, scope="neuron", n=3).double()
    solution, points = Solution(problem, network, engine=engine), torch.from_numpy(POINTS)
    values = solution.at(points, ["p", "p_xxt", "v_tt"])
    leaf = points.clone().requires_grad_()
    u = solution(leaf)
    torch.testing.assert_close(values["p"], u[:, 1].detach())
    for name, column, by in (("p_xxt", 1, (0, 0, 1)), ("v_tt", 0, (1, 1))):
        value = u[:, column]
        for coordinate in by:
            value = torch.autograd.grad(value.sum(), leaf, create_graph=True)[0][:, coordinate]
        torch.testing.assert_close(values[name], value.detach(), rtol=1e-10, atol=1e-12)


def test_numbers_come_back_in_the_kind_in_which_the_points_are_given() -> None:
    solution = Solution(Two(), MLP(2, 2, width=4, depth=1))
    array, tensor, rows = (solution.at(p, ["v_x"])["v_x"] for p in (POINTS, torch.from_numpy(POINTS), POINTS.tolist()))
    assert isinstance(array, np.ndarray)
    assert (array.dtype, array.shape) == (np.float32, (9,))
    assert isinstance(tensor, Tensor)
    assert (tensor.dtype, tensor.requires_grad) == (torch.float32, False)
    assert isinstance(rows, list)
    np.testing.assert_array_equal(array, tensor.numpy())
    np.testing.assert_array_equal(array, np.array(rows, np.float32))
    assert solution.at(POINTS.reshape(3, 3, 2), "v_x")["v_x"].shape == (3, 3)
    assert solution.at(POINTS[0], "v_x,p")["p"].shape == ()
    assert solution.at(np.zeros((0, 2)), "v_x,p")["p"].shape == (0,)


def test_one_coordinate_needs_no_columns() -> None:
    class Decay(PDE):
        coordinates = ("t",)
        domain: ClassVar = {"t": (0.0, 1.0)}

        def residual(self, x: Mapping[str, Tensor], u: Field) -> Tensor:
            return u.d("t") + u

        def conditions(self) -> Sequence[Condition]:
            return ()

    solution = Solution(Decay(), MLP(1, 1, width=4, depth=1))
    assert solution.at([0.0, 0.5, 1.0], "u_ttt")["u_ttt"] == solution.at([[0.0], [0.5], [1.0]], "u_ttt")["u_ttt"]
    assert isinstance(solution.at(0.5, "u_t")["u_t"], float)


def test_no_graph_and_no_random_number_is_made_and_weights_train_on() -> None:
    pinn = PINN(Two(), width=4, depth=1)
    points = torch.rand(5, 2, requires_grad=True)
    before = torch.get_rng_state()
    with torch.inference_mode():
        inside = pinn.solution.at(torch.rand(5, 2), "v_x")["v_x"]
    torch.set_rng_state(before)
    values = pinn.solution.at(points, ["v", "p_xx"])
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(value.requires_grad for value in (*values.values(), inside))
    assert all(parameter.requires_grad for parameter in pinn.parameters())


def test_a_network_that_was_moved_or_replaced_is_asked_as_it_is() -> None:
    solution = Solution(Two(), MLP(2, 2, width=4, depth=1))
    assert solution.at(POINTS, "v_x")["v_x"].dtype == np.float32
    solution.network.double()
    assert solution.at(POINTS, "v_x")["v_x"].dtype == np.float64
    solution.network = Waves()
    np.testing.assert_allclose(solution.at(POINTS, "v_x")["v_x"], exact(POINTS)["v_x"])


def test_a_residual_of_ones_own_leaves_the_field_as_it_is() -> None:
    class Own(PINN):
        def residual(self, points: Tensor, known: Any = None) -> Tensor:
            return 2 * super().residual(points, known)

    torch.manual_seed(0)
    own = Own(Two(), width=4, depth=1)
    plain = Solution(Two(), own.network)
    np.testing.assert_array_equal(own.solution.at(POINTS, "p_xt")["p_xt"], plain.at(POINTS, "p_xt")["p_xt"])


@pytest.mark.parametrize(
    ("points", "names", "sentence"),
    [
        (np.zeros((3, 3)), ["v"], r"points of shape \(3, 3\): expected \(N, 2\), columns x, t of Two"),
        (0.5, ["v"], r"points of shape \(\): expected \(N, 2\)"),
        (["a", "b"], ["v"], "points is .* it must be real numbers"),
        (np.zeros((3, 2)), [], r"names=\[\] names nothing"),
        (np.zeros((3, 2)), ["u"], "unknown names 'u': of Two there are v_x, p_x, v_t"),
    ],
)
def test_plain_mistakes_are_one_sentence(points: Any, names: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Solution(Two(), MLP(2, 2, width=4, depth=1)).at(points, names)


MILLION = """
import resource, sys, torch
from laaf_lightning import Burgers, MLP, Solution
solution = Solution(Burgers(), MLP(2, 1, width=20, depth=6), engine=sys.argv[1])
points = torch.rand(1_000_000 if sys.argv[1] == "taylor" else 300_000, 2)
solution.at(points[:30_000], ["u", "u_x", "u_xx"])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
solution.at(points, ["u", "u_x", "u_xx"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["taylor", "autograd"])
def test_a_million_points_take_little_more_memory_than_some(engine: str) -> None:
    run = subprocess.run([sys.executable, "-c", MILLION, engine], capture_output=True, text=True, check=True)
    # The values and points of a million take 16 megabytes; the jets of one layer alone would take 240.
    assert int(run.stdout) < 100_000
