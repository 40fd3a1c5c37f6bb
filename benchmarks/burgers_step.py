"""One optimiser step of the Burgers PINN by each engine, beside DeepXDE, PINA and jitted JAX.

    python benchmarks/burgers_step.py                     # 10 000 points, 6 x 20 tanh, Adam; bare and in a loop
    python benchmarks/burgers_step.py --quick
    python benchmarks/burgers_step.py --dtype float64
    python benchmarks/burgers_step.py --grow points       # 1e3 … 1e6 points; also: width, depth, threads
    python benchmarks/burgers_step.py --device cuda       # on a GPU, with the sides that run there
    pip install deepxde pina-mathlab jax optax            # the peers; without them their rows are left out

All sides have the same points, initial weights, optimiser and loss, which is checked before anything is timed. "bare"
is loss, backward and optimiser step; "loop" is each library's own training loop: a Lightning Trainer with TensorBoard
and logging every 50 steps, PINA's Trainer, DeepXDE's `Model.train`; JAX has none, and a plain loop stands there. Rounds
alternate between the sides; a round's figure is the median step, in loops and on a GPU the mean step, which is waited
for at the end of the round alone. The first step of compiled sides, in which they compile, is reported apart.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import logging
import math
import os
import statistics
import tempfile
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from lightning_overhead import StepClock
from peer_jax import JAX
from peers import PINA, DeepXDE, Job
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from report import circumstances, print_json, spread, table

from laaf_lightning import MLP, PINN, Burgers, CollocationBatch, CollocationDataModule

ADAM: dict[str, Any] = {"lr": 8e-4, "fused": True}  # torch's, as one function for all parameters: 0.1 ms, not 0.4
PEERS: dict[str, tuple[str, Any]] = {
    "DeepXDE": ("deepxde", DeepXDE),
    "PINA": ("pina-mathlab", PINA),
    "JAX": ("jax", JAX),
}
OURS: dict[str, dict[str, Any]] = {
    "nested autograd": {"engine": "autograd"},
    "nested autograd, compiled": {"engine": "autograd", "compile": True},
    "Taylor mode": {"engine": "taylor"},
    "Taylor mode, compiled": {"engine": "taylor", "compile": True},
}
ON_CPU: dict[str, dict[str, Any]] = {
    "fused kernel": {"engine": "fused"},
    "fused kernel, compiled": {"engine": "fused", "compile": True},
}
ON_GPU: dict[str, dict[str, Any]] = {
    "Taylor mode, CUDA graph": {"engine": "taylor", "cuda_graphs": True},
    "Taylor mode, compiled, CUDA graph": {"engine": "taylor", "compile": True, "cuda_graphs": True},
}
GROWTH = {
    "points": [1000, 10_000, 100_000, 1_000_000],
    "width": [10, 20, 50, 100, 200],
    "depth": [2, 4, 6, 10],
    "threads": [1, 2, 4, 8, 16],
}
PEERS_UP_TO = 100_000  # beyond, only Taylor mode and the kernel are timed, in chunks
CHUNK = 20_000


class Laaf:
    """Ours: `PINN.loss` bare, a Lightning Trainer with `CollocationDataModule` and TensorBoard as the loop."""

    def __init__(
        self,
        data: CollocationDataModule,
        batch: CollocationBatch,
        model: MLP,
        device: str,
        **settings: Any,
    ) -> None:
        points, at, values = (part.to(device) for part in batch[:3])
        self._data, self._batch = data, CollocationBatch(points, at, values, batch.condition_counts)
        self._device = device
        linears: list[Any] = list(model.linears)
        self._pinn = PINN(
            data.problem,
            width=linears[0].out_features,
            depth=len(linears) - 1,
            n=10,
            optimizer=lambda groups: torch.optim.Adam(groups, **ADAM),
            chunk_size=CHUNK if data.num_residual > PEERS_UP_TO and device == "cpu" else None,
            **settings,
        ).to(device, points.dtype)
        self._pinn.network.load_state_dict(model.state_dict(), strict=False)
        self._adam = torch.optim.Adam(self._pinn.parameters(), **ADAM)

    def step(self) -> None:
        self._adam.zero_grad()
        loss = self._pinn.loss(self._batch)
        loss.backward()
        self._adam.step()

    def wait(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()

    def first_loss(self) -> float:
        return self._pinn.loss(self._batch).item()

    def loop(self, steps: int) -> list[float]:
        clock = StepClock()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            trainer = Trainer(
                max_steps=steps,
                max_epochs=-1,
                accelerator="gpu" if self._device == "cuda" else "cpu",
                devices=1,
                logger=TensorBoardLogger(folder),
                callbacks=[clock],
                enable_progress_bar=False,
                enable_model_summary=False,
                limit_val_batches=0,
            )
            trainer.fit(self._pinn, self._data)
        return clock.times


def jobs(
    points: int, width: int, depth: int, names: list[str], dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> dict[str, Job]:
    """Build the sides, all with the same points and initial weights, and check that their losses agree."""
    torch.manual_seed(0)
    problem = Burgers()
    data = CollocationDataModule(problem, points, {"initial": 200, "left": 100, "right": 100})
    batch: CollocationBatch = next(iter(data.train_dataloader()))
    batch = batch._replace(
        **{name: getattr(batch, name).to(dtype) for name in ("residual_points", "condition_points", "condition_values")}
    )
    model = MLP(2, 1, width=width, depth=depth, scope="fixed").to(dtype)
    linears: list[Any] = list(model.linears)
    sides: dict[str, Any] = {}
    for name in names:
        if name in PEERS:
            sides[name] = PEERS[name][1](batch, linears, problem.viscosity, ADAM, device)
        else:
            settings = (OURS | ON_CPU | ON_GPU)[name.removesuffix(", layer slopes")]
            sides[name] = Laaf(
                data, batch, model, device, scope="layer" if name.endswith("slopes") else "fixed", **settings
            )
    losses = {name: side.first_loss() for name, side in sides.items() if "compiled" not in name}
    reference = next(iter(losses.values()))
    for name, loss in losses.items():
        assert math.isclose(loss, reference, rel_tol=1e-4), f"{name} starts at {loss}, not at {reference}"
    return sides


def time_bare(
    sides: dict[str, Job], rounds: int, steps: int, device: str = "cpu"
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Time steps outside of loops; return the rounds' medians, on a GPU means, and the first steps, milliseconds."""
    first = {}
    for name, side in sides.items():
        begin = time.perf_counter()
        side.step()
        side.wait()
        first[name] = 1000 * (time.perf_counter() - begin)
    medians: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            times = [time.perf_counter()]
            for _ in range(steps):
                side.step()
                if device == "cpu":
                    side.wait()
                times.append(time.perf_counter())
            side.wait()
            mean = 1000 * (time.perf_counter() - times[0]) / steps
            medians[name].append(_median_step(times) if device == "cpu" else mean)
    return medians, first


def time_loops(sides: dict[str, Job], rounds: int, steps: int) -> dict[str, list[float]]:
    """Time steps inside each library's own loop; return the means of the rounds, milliseconds."""
    medians: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            times = side.loop(steps)[5:]
            medians[name].append(1000 * (times[-1] - times[0]) / (len(times) - 1))
    return medians


def available() -> list[str]:
    """Return all sides whose libraries are installed."""
    found = []
    for name, (package, _) in PEERS.items():
        with contextlib.suppress(PackageNotFoundError):
            version(package)
            found.append(name)
    slopes = ("Taylor mode, compiled", "fused kernel, compiled", "Taylor mode, compiled, CUDA graph")
    return [*found, *OURS, *ON_CPU, *ON_GPU, *(f"{way}, layer slopes" for way in slopes)]


def print_table(title: str, sides: dict[str, list[float]]) -> None:
    """Print milliseconds a step, and ratios to the peers of the same round."""
    peers = [name for name in sides if name in PEERS]
    rows = []
    for name, values in sides.items():
        ratios = [spread([p / v for p, v in zip(sides[peer], values, strict=True)]) for peer in peers]
        rows.append([name, spread(values), *ratios])
    print(table([title, "ms a step", *(f"{peer} / this" for peer in peers)], rows), end="\n\n")


def grow(
    what: str, names: list[str], rounds: int, steps: int, largest: int, dtype: torch.dtype, device: str
) -> dict[str, Any]:
    """Time bare steps over sizes; print one table."""
    result: dict[str, Any] = {}
    rows = []
    for size in [size for size in GROWTH[what] if size <= largest]:
        shape = {"points": 10_000, "width": 20, "depth": 6, "threads": torch.get_num_threads(), what: size}
        torch.set_num_threads(shape["threads"])
        chosen = [name for name in names if size <= PEERS_UP_TO or "Taylor" in name or "fused" in name]
        sides = jobs(shape["points"], shape["width"], shape["depth"], chosen, dtype, device)
        fewer = max(3, steps * 10_000 // max(shape["points"], 10_000)) if device == "cpu" else steps
        medians, _ = time_bare(sides, rounds, fewer, device)
        result[str(size)] = medians
        rows.append([f"{size:,}", *(spread(medians.get(name, [])) for name in names)])
    print(table([what, *names], rows), end="\n\n")
    return result


def _median_step(times: list[float]) -> float:
    return 1000 * statistics.median(b - a for a, b in itertools.pairwise(times))


def run() -> None:
    # Compiled code of earlier runs would be found again, and the first step look shorter than it is.
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        measure()


def measure() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 rounds of 10 steps, without growth")
    parser.add_argument("--grow", choices=list(GROWTH), help="time bare steps over sizes instead")
    parser.add_argument("--largest", type=int, default=1_000_000, help="largest size of --grow")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32", help="of bare steps")
    parser.add_argument("--sides", nargs="+", choices=available(), default=available(), help="which to time")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where all sides run")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    elsewhere = ON_CPU if arguments.device == "cuda" else ON_GPU
    arguments.sides = [name for name in arguments.sides if name.removesuffix(", layer slopes") not in elsewhere]
    where = {"device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu"}
    rounds, steps = (2, 10) if arguments.quick else (10, 40)
    dtype: torch.dtype = getattr(torch, arguments.dtype)
    packages = [package for package, _ in (PEERS[name] for name in arguments.sides if name in PEERS)]
    if arguments.grow:
        # JAX keeps the threads that it began with.
        fixed = {"JAX"} if arguments.grow == "threads" else set()
        names = [name for name in arguments.sides if not name.endswith("slopes") and name not in fixed]
        numbers = grow(arguments.grow, names, 5, steps, arguments.largest, dtype, arguments.device)
        print_json({arguments.grow: numbers, "dtype": arguments.dtype} | where | circumstances(*packages))
        return
    sides = jobs(10_000, 20, 6, arguments.sides, dtype, arguments.device)
    bare, first = time_bare(sides, rounds, steps, arguments.device)
    print_table("bare", bare)
    if dtype != torch.float32:
        print_json({"bare_ms": bare, "dtype": arguments.dtype} | where | circumstances(*packages))
        return
    loops = time_loops(
        {name: side for name, side in sides.items() if name != "nested autograd, compiled"}, rounds, 2 * steps + 5
    )
    print_table("loop", loops)
    print(table(["first step", "s"], [[name, f"{ms / 1000:.1f}"] for name, ms in first.items() if "compiled" in name]))
    print_json({"bare_ms": bare, "loop_ms": loops, "first_ms": first} | where | circumstances(*packages))


if __name__ == "__main__":
    run()
