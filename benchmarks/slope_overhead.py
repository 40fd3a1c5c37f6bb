"""What slopes cost in training: bytes kept for the backward pass, peak memory and time, against scope "fixed".

    python benchmarks/slope_overhead.py                          # PreActResNet-18 and LeNet, three scopes
    python benchmarks/slope_overhead.py --quick
    python benchmarks/slope_overhead.py --network resnet50 vit_b_16 --batch 8
    python benchmarks/slope_overhead.py --plain                  # the plain product σ(s·z) beside the fused one
    python benchmarks/slope_overhead.py --compile --threads 2 --device cuda

A step is forward, cross-entropy, backward and SGD on one random batch. The bytes kept are exact: every storage that the
graph holds after the forward pass, once each, without parameters, buffers and the batch. Peak memory is the largest sum
of live tensors that a step makes, by the allocator's own count. A figure of time is the median of a round; rounds go
through all instances in turn, with several instances a side, since networks of one kind differ among themselves: the
spread of the sides without slopes is printed, and a ratio that lies within it of its goal is not decided. Networks of
torchvision go through `adapt`; what it refuses is said, and left out.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torchvision
from report import circumstances, print_json, spread, table
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

import laaf_lightning as laaf
from laaf_lightning.activations.product.scaled import plain_products

SCOPES = ("layer", "channel", "neuron")
GOALS = {"layer": (1.02, 1.01), "channel": (1.02, 1.01), "neuron": (1.10, 1.05)}  # time, memory


def adapted(make: Callable[..., nn.Module], size: int) -> Callable[[str, int], nn.Module]:
    """Return how a foreign network is made with slopes of a scope."""

    def build(scope: str, classes: int) -> nn.Module:
        network = make(num_classes=classes)
        return network if scope == "fixed" else laaf.adapt(network, scope, example_input=torch.zeros(2, 3, size, size))  # type: ignore[arg-type]

    return build


NETWORKS: dict[str, tuple[tuple[int, int], int, Callable[[str, int], nn.Module]]] = {  # channels, side; batch
    "preact_resnet18": ((3, 32), 64, lambda scope, classes: laaf.PreActResNet18(classes, scope=scope)),  # type: ignore[arg-type]
    "lenet": ((1, 28), 128, lambda scope, classes: laaf.LeNet(classes, scope=scope)),  # type: ignore[arg-type]
    "resnet50": ((3, 224), 8, adapted(torchvision.models.resnet50, 224)),
    "vit_b_16": ((3, 224), 8, adapted(torchvision.models.vit_b_16, 224)),
}


@dataclass
class Instance:
    """One network of one side, with its optimiser."""

    side: str
    network: nn.Module
    forward: Callable[[Tensor], Tensor]
    optimizer: torch.optim.Optimizer
    times: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def product(self) -> Iterator[None]:
        with plain_products() if self.side.endswith("plain") else contextlib.nullcontext():
            yield

    def step(self, x: Tensor, y: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with self.product():
            loss = nn.functional.cross_entropy(self.forward(x), y)
        loss.backward()
        self.optimizer.step()

    def kept(self, x: Tensor) -> int:
        """Count the bytes that the graph holds after a forward pass."""
        own = {t.untyped_storage().data_ptr() for t in (*self.network.parameters(), *self.network.buffers(), x)}
        kept: dict[int, int] = {}
        held: list[Tensor] = []  # else a storage that is freed could give its address to another

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                kept[storage.data_ptr()] = storage.nbytes()
                held.append(tensor.detach())
            return tensor

        with saved_tensors_hooks(pack, lambda tensor: tensor), self.product():
            self.forward(x)
        return sum(kept.values())

    def peak(self, x: Tensor, y: Tensor) -> int:
        """Return the largest number of bytes that a step holds above what was there before it."""
        if x.is_cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            self.step(x, y)
            return torch.cuda.max_memory_allocated() - before
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
            self.step(x, y)
        # The public events of a profile have memory by operation alone, not in the order of time.
        events: Any = profile.profiler.kineto_results.events()
        changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
        now = most = 0
        for _, change in changes:
            now += change
            most = max(most, now)
        return most


def instances(name: str, build: Callable[[str, int], nn.Module], side: str, args: argparse.Namespace) -> list[Instance]:
    """Make a side's networks; none, and a line, where `adapt` refuses them."""
    try:
        networks = [built(build, side, seed).to(args.device) for seed in range(args.instances)]
    except laaf.ConfigurationError as error:
        print(f"{name}, {side}: {error}")
        return []
    return [
        Instance(side, one, torch.compile(one) if args.compile else one, torch.optim.SGD(one.parameters(), lr=1e-4))
        for one in networks
    ]


def built(build: Callable[[str, int], nn.Module], side: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return build(side.removesuffix(" plain"), 10)


def measure(name: str, args: argparse.Namespace) -> tuple[list[list[str]], dict[str, Any]]:
    (channels, side), usual, build = NETWORKS[name]
    batch = args.batch or (8 if args.quick else usual)
    torch.manual_seed(0)
    x = torch.randn(batch, channels, side, side, device=args.device)
    y = torch.randint(10, (batch,), device=args.device)
    sides: dict[str, list[Instance]] = {}
    for scope in ("fixed", *(one for s in args.scope for one in ((s, f"{s} plain") if args.plain else (s,)))):
        if made := instances(name, build, scope, args):
            sides[scope] = made
    numbers: dict[str, Any] = {"batch": batch}
    every = [instance for made in sides.values() for instance in made]
    for instance in every:  # compiled here
        instance.step(x, y)
    for made in sides.values():
        numbers[made[0].side] = {"kept": made[0].kept(x), "peak": made[0].peak(x, y)}
    for _ in range(args.rounds):
        for instance in every:
            instance.times.append(timed(instance, x, y, args.steps))
    rows = [row(name, scope, made, sides["fixed"], numbers) for scope, made in sides.items()]
    return rows, {name: numbers}


def timed(instance: Instance, x: Tensor, y: Tensor, steps: int) -> float:
    """Return the mean step of a round in milliseconds."""
    start = time.perf_counter()
    for _ in range(steps):
        instance.step(x, y)
    if x.is_cuda:
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - start) / steps


def row(name: str, scope: str, made: list[Instance], fixed: list[Instance], numbers: dict[str, Any]) -> list[str]:
    """Write a side's row, and put its ratios into the numbers."""
    own, base = numbers[scope], numbers["fixed"]
    medians, without = ([statistics.median(i.times) for i in side] for side in (made, fixed))
    level = statistics.median(without)
    ratio, noise = statistics.median(medians) / level, max(abs(m / level - 1) for m in without)
    own |= {"ms": medians, "time_ratio": ratio, "noise": noise}
    own |= {f"{what}_ratio": own[what] / base[what] for what in ("kept", "peak")}
    decided = "–"
    if scope in GOALS:
        goal = GOALS[scope][0]
        decided = "open" if abs(ratio - goal) <= noise else f"{'within' if ratio < goal else 'above'} {goal}"
    kept, peak = (f"{own[what] / 2**20:.2f} ({own[f'{what}_ratio']:.3f})" for what in ("kept", "peak"))
    return [name, scope, kept, peak, spread(medians), f"{ratio:.3f} ± {noise:.3f}", decided]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=["preact_resnet18", "lenet"])
    parser.add_argument("--scope", nargs="+", choices=SCOPES, default=list(SCOPES))
    parser.add_argument("--batch", type=int, help="default: the network's own, 8 with --quick")
    parser.add_argument("--instances", type=int, default=3, help="networks a side")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=2, help="steps a round")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--plain", action="store_true", help="the plain product too")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    if args.quick:
        args.instances, args.rounds, args.steps = 2, 2, 1
    if args.threads:
        torch.set_num_threads(args.threads)
    rows: list[list[str]] = []
    numbers: dict[str, Any] = {}
    for name in args.network:
        of_one, measured = measure(name, args)
        rows += of_one
        numbers |= measured
    heads = ["network", "scope", "kept MiB (ratio)", "peak MiB (ratio)", "ms a step", "time ratio", "goal of time"]
    print(table(heads, rows))
    print_json({**circumstances("torchvision"), "device": args.device, "compile": args.compile, "networks": numbers})


if __name__ == "__main__":
    main()
