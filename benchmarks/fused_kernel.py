"""How near the fused kernel comes to what the processor can do, how it grows, and many seeds at once.

    python benchmarks/fused_kernel.py limit      # FLOP/s beside a large matrix product's, over widths, dtypes, threads
    python benchmarks/fused_kernel.py points     # 1e3 … 1e6 points in one call
    python benchmarks/fused_kernel.py seeds      # k = 1 … 32 networks at once against one after the other
    python benchmarks/fused_kernel.py accurate   # an evaluation of burgers_accurate.yaml beside Taylor mode's

The network is the Burgers PINN's, 6 x 20 tanh with u, u_x, u_t and u_xx, unless said. Only the matrix products are
counted as FLOP, once forwards and three times backwards (the pass backwards computes the network again); activations
come on top. Sides alternate; a figure is the median over rounds with the range.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from report import circumstances, print_json, spread, table
from torch import Tensor

from laaf_lightning import MLP, PINN, Burgers, CollocationBatch, CollocationDataModule
from laaf_lightning.derivatives import Field, FusedField, FusedPlan

ORDERS = [(0,), (0, 0), (1,)]
JETS = 4
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def seconds(function: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def alternate(sides: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Call the sides in turn, after one call of each; return milliseconds."""
    for side in sides.values():
        side()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            times[name].append(1000 * seconds(side))
    return times


def passes(width: int, points: int, dtype: torch.dtype, depth: int = 6) -> tuple[dict[str, Callable[[], Any]], float]:
    """Return the two passes of the kernel, and the FLOP of the products forwards."""
    torch.manual_seed(0)
    network = MLP(2, 1, width=width, depth=depth).to(dtype)
    plan = FusedPlan.of(network, ORDERS)
    at = torch.rand(points, 2, dtype=dtype)
    parameters = [p.detach() for p in plan.parameters()]
    gradients = [torch.randn(points, 1, dtype=dtype) for _ in range(JETS)]
    settings = plan.codes, plan.columns, [JETS - 1]
    ops = torch.ops.laaf_lightning
    flop = 2.0 * JETS * points * (2 * width + (depth - 1) * width * width + width)
    return {
        "forward": lambda: ops.jets([at], parameters, *settings),
        "backward": lambda: ops.jets_backward(gradients, [at], parameters, *settings),
    }, flop


def limit(rounds: int) -> dict[str, Any]:
    rows, result = [], {}
    for name, dtype in DTYPES.items():
        for threads in sorted({1, torch.get_num_threads()}):
            before = torch.get_num_threads()
            torch.set_num_threads(threads)
            large = torch.randn(2048, 2048, dtype=dtype)
            for width in (10, 20, 50, 100, 200):
                sides, flop = passes(width, 10_000, dtype)
                times = alternate({**sides, "gemm": partial(torch.mm, large, large)}, rounds)
                rates = {
                    "forward": [flop / t / 1e6 for t in times["forward"]],
                    "backward": [3 * flop / t / 1e6 for t in times["backward"]],
                    "gemm": [2 * 2048**3 / t / 1e6 for t in times["gemm"]],
                }
                both = [4 * flop / (f + b) / 1e6 for f, b in zip(times["forward"], times["backward"], strict=True)]
                share = [rate / peak for rate, peak in zip(both, rates["gemm"], strict=True)]
                result[f"{name}, {threads} threads, width {width}"] = {"ms": times, "gflops": rates}
                shown = [spread(rates[key], "{:.0f}") for key in ("forward", "backward", "gemm")]
                milliseconds = [spread(times[key]) for key in ("forward", "backward")]
                rows.append([name, str(threads), str(width), *milliseconds, *shown, spread(share)])
            torch.set_num_threads(before)
    heads = ["dtype", "threads", "width", "forward, ms", "backward, ms", "GFLOP/s", "GFLOP/s", "2048³ product", "share"]
    print(table(heads, rows))
    return result


def points(rounds: int) -> dict[str, Any]:
    rows, result = [], {}
    for name, dtype in DTYPES.items():
        for count in (1000, 10_000, 100_000, 1_000_000):
            sides, _ = passes(20, count, dtype)
            times = alternate(sides, max(3, rounds * 10_000 // max(count, 10_000)))
            each = [1e6 * (f + b) / count for f, b in zip(times["forward"], times["backward"], strict=True)]
            result[f"{name}, {count}"] = times
            rows.append(
                [name, f"{count:,}", *(spread(times[key]) for key in ("forward", "backward")), spread(each, "{:.0f}")]
            )
    print(table(["dtype", "points", "forward, ms", "backward, ms", "ns a point"], rows))
    return result


def residual(u: Field) -> Tensor:
    return u.d("t") + u * u.d("x") - 0.01 * u.d("x", "x")


def seeds(rounds: int) -> dict[str, Any]:
    rows, result = [], {}
    for count in (1000, 10_000):
        for k in (1, 2, 4, 8, 16, 32):
            networks = [MLP(2, 1, width=20, depth=6, n=10) for _ in range(k)]
            plans = [FusedPlan.of(network, ORDERS) for network in networks]
            adams = [torch.optim.Adam(network.parameters(), fused=True) for network in networks]
            adam = torch.optim.Adam([p for network in networks for p in network.parameters()], fused=True)
            at = torch.rand(count, 2)

            def together(networks: Any = networks, plans: Any = plans, adam: Any = adam, at: Tensor = at) -> None:
                fields = FusedField.of_networks(networks, at, ["x", "t"], plans)
                torch.stack([residual(u).square().mean() for u in fields]).sum().backward()
                adam.step()
                adam.zero_grad()

            def apart(networks: Any = networks, plans: Any = plans, adams: Any = adams, at: Tensor = at) -> None:
                for network, plan, own in zip(networks, plans, adams, strict=True):
                    residual(FusedField(network, at, ["x", "t"], plan)).square().mean().backward()
                    own.step()
                    own.zero_grad()

            times = alternate({"together": together, "apart": apart}, max(5, rounds * 4 // k))
            gain = [b / a for a, b in zip(times["together"], times["apart"], strict=True)]
            result[f"{count} points, {k}"] = times
            rows.append([f"{count:,}", str(k), *(spread(times[key]) for key in ("together", "apart")), spread(gain)])
    print(table(["points", "networks", "at once, ms a step", "one after the other", "gain"], rows))
    return result


def evaluate(pinn: PINN, batch: CollocationBatch) -> None:
    torch.autograd.grad(pinn.loss(batch), list(pinn.parameters()))


def accurate(rounds: int) -> dict[str, Any]:
    """Time what an iteration of the quasi-Newton method evaluates: the loss and its gradients, float64."""
    problem = Burgers(hard_conditions=True)
    data = CollocationDataModule(problem, 8000, {})
    batch = next(iter(data.train_dataloader()))
    batch = batch._replace(residual_points=batch.residual_points.double())
    sides: dict[str, Callable[[], Any]] = {}
    for name, engine, compiled in (
        ("fused kernel", "fused", False),
        ("fused kernel, compiled", "fused", True),
        ("Taylor mode", "taylor", False),
        ("Taylor mode, compiled", "taylor", True),
    ):
        torch.manual_seed(0)
        settings: Any = {"engine": engine, "compile": compiled}
        pinn = PINN(problem, width=20, depth=4, scope="layer", n=1, **settings).double()
        sides[name] = partial(evaluate, pinn, batch)
    times = alternate(sides, 4 * rounds)
    ratios = {name: [t / k for t, k in zip(own, times["fused kernel"], strict=True)] for name, own in times.items()}
    rows = [[name, spread(own), spread(ratios[name])] for name, own in times.items()]
    print(table(["burgers_accurate.yaml", "ms an evaluation", "this / fused kernel"], rows))
    return times


PARTS = {"limit": limit, "points": points, "seeds": seeds, "accurate": accurate}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="2 rounds")
    arguments = parser.parse_args()
    numbers = PARTS[arguments.part](2 if arguments.quick else arguments.rounds)
    print_json({arguments.part: numbers} | circumstances())
