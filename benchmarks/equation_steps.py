"""One optimiser step of Kovasznay flow, and of heat in two dimensions and time, beside DeepXDE and PINA.

    python benchmarks/equation_steps.py kovasznay                  # 10 000 points, 4 x 20 tanh, Adam, float32; bare
    python benchmarks/equation_steps.py heat_plate --dtype float64
    python benchmarks/equation_steps.py kovasznay --quick
    pip install deepxde pina-mathlab                               # the peers; without them their rows are left out

As `burgers_step.py`, bare steps only: the same points, initial weights, optimiser and loss on all sides, which is
checked before anything is timed. Conditions are in the loss, 100 points for each. Rounds alternate between the sides.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from burgers_step import ADAM, ON_CPU, OURS, Laaf, print_table, time_bare
from peer_equations import DeepXDEOfAny, PINAOfAny
from peers import Job
from report import circumstances, print_json

from laaf_lightning import MLP, PDE, CollocationBatch, CollocationDataModule, HeatPlate, Kovasznay

PROBLEMS: dict[str, PDE] = {"kovasznay": Kovasznay(), "heat_plate": HeatPlate()}
PEERS: dict[str, tuple[str, Any]] = {"DeepXDE": ("deepxde", DeepXDEOfAny), "PINA": ("pina-mathlab", PINAOfAny)}
SIDES = OURS | ON_CPU
POINTS, WIDTH, DEPTH = 10_000, 20, 4


def jobs(problem: PDE, names: list[str], dtype: torch.dtype) -> dict[str, Job]:
    """Build the sides, all with the same points and initial weights, and check that their losses agree."""
    torch.manual_seed(0)
    data = CollocationDataModule(problem, POINTS, 100)
    batch: CollocationBatch = next(iter(data.train_dataloader()))
    points, at, values = (part.to(dtype) for part in batch[:3])
    batch = batch._replace(residual_points=points, condition_points=at, condition_values=values)
    ends = len(problem.coordinates), len(problem.unknowns)
    model = MLP(*ends, width=WIDTH, depth=DEPTH, scope="fixed").to(dtype)
    linears: list[Any] = list(model.linears)
    sides: dict[str, Any] = {}
    for name in names:
        if name in PEERS:
            sides[name] = PEERS[name][1](batch, linears, problem, ADAM, "cpu")
        else:
            sides[name] = Laaf(data, batch, model, "cpu", scope="fixed", **SIDES[name])
    losses = {name: side.first_loss() for name, side in sides.items() if "compiled" not in name}
    reference = next(iter(losses.values()))
    for name, loss in losses.items():
        assert math.isclose(loss, reference, rel_tol=1e-4), f"{name} starts at {loss}, not at {reference}"
    return sides


def available() -> list[str]:
    """Return all sides whose libraries are installed."""
    found = []
    for name, (package, _) in PEERS.items():
        try:
            version(package)
        except PackageNotFoundError:
            continue
        found.append(name)
    return [*found, *SIDES]


def measure() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problem", choices=PROBLEMS)
    parser.add_argument("--quick", action="store_true", help="2 rounds of 10 steps")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--sides", nargs="+", choices=available(), default=available(), help="which to time")
    parser.add_argument("--check", action="store_true", help="compare the losses; time nothing")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    sides = jobs(PROBLEMS[arguments.problem], arguments.sides, getattr(torch, arguments.dtype))
    if arguments.check:
        print_json({name: side.first_loss() for name, side in sides.items() if "compiled" not in name})  # type: ignore[attr-defined]
        return
    rounds, steps = (2, 10) if arguments.quick else (10, 40)
    bare, _ = time_bare(sides, rounds, steps)
    print_table(arguments.problem, bare)
    packages = [PEERS[name][0] for name in arguments.sides if name in PEERS]
    facts = {"problem": arguments.problem, "dtype": arguments.dtype, "date": time.strftime("%Y-%m-%d")}
    print_json({"bare_ms": bare} | facts | circumstances(*packages))


if __name__ == "__main__":
    measure()
