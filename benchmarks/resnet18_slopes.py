"""torchvision's ResNet-18 with slopes, on Semeion and Fashion-MNIST: from the start, and carried to the other set.

    python benchmarks/resnet18_slopes.py --root DATA --seeds 0 1 2 3 4 --steps 1000 --workers 2 --output resnet18.jsonl
    python benchmarks/resnet18_slopes.py --root DATA --accelerator gpu --workers 12

From the start: without slopes, and with a slope a channel (no slope recovery). From a network that was trained on the
other set without slopes, with a new last layer: only that layer, that layer and the slopes, that layer and the
BatchNorms' weights, all weights. Test accuracy after the last step. Each method's learning rate is chosen on each set
among a quarter of, once and four times a usual one (with slopes from a fixed body: the slopes' one), by the accuracy on
a fifth of the training images that 300 steps do not see, with a seed of its own. Every finished run is a line of the
file, and a run that is there is not repeated, so that the study can be stopped and goes on. `--workers` runs are made
at once, each in a process of its own with one thread. Images are of one channel, repeated to three.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import time
import warnings
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
import torchvision
from report import circumstances, print_json, spread, table
from torch import Tensor, nn

import laaf_lightning as laaf

SETS = {"semeion": laaf.SemeionDataModule, "fashion_mnist": laaf.FashionMNISTDataModule}
OTHER = {"semeion": "fashion_mnist", "fashion_mnist": "semeion"}
METHODS = {"scratch": ("no slopes", "slopes"), "carried": ("last layer", "slopes", "BatchNorm", "all")}
LEARNING_RATES = {"scratch": 0.05, "all": 0.01, "few": 0.05, "slopes": 0.05}
FACTORS = (0.25, 1.0, 4.0)
TUNING_SEED, TUNING_STEPS = 100, 300
X = torch.zeros(2, 3, 28, 28)


class Run(NamedTuple):
    """Which run: a factor of the usual learning rate is of those that choose it."""

    start: str
    set: str
    method: str
    seed: int
    steps: int
    factor: float | None


class Classifier(pl.LightningModule):
    """A network, trained by SGD with momentum and a cosine to zero."""

    def __init__(self, network: nn.Module, learning_rate: float, slope_lr: float, steps: int) -> None:
        super().__init__()
        self.network, self.learning_rate, self.slope_lr, self.steps = network, learning_rate, slope_lr, steps
        self.hits, self.seen = 0, 0

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images.expand(-1, 3, -1, -1))
        return logits

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        images, labels = batch
        return nn.functional.cross_entropy(self(images), labels)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.test_step(batch, batch_idx)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        images, labels = batch
        self.hits += int((self(images).argmax(1) == labels).sum())
        self.seen += len(labels)

    def configure_optimizers(self) -> Any:
        groups = laaf.slope_parameter_groups(self.network, slope_lr=self.slope_lr)
        groups = [{**group, "params": [p for p in group["params"] if p.requires_grad]} for group in groups]
        groups = [group for group in groups if group["params"]]
        optimizer = torch.optim.SGD(groups, lr=self.learning_rate, momentum=0.9, weight_decay=5e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def fit(network: nn.Module, run: Run, rates: tuple[float, float], options: Any) -> dict[str, Any]:
    """Train and test one network; one that is tried for its learning rate on training images set apart."""
    tuning = run.factor is not None
    split = 0.2 if tuning else 0
    data = SETS[run.set](root=options.root, batch_size=options.batch_size, seed=run.seed, val_split=split)
    module = Classifier(network, *rates, run.steps)
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    limits: dict[str, Any] = {"max_steps": run.steps, "max_epochs": -1, "limit_val_batches": 0}
    quiet |= {"accelerator": options.accelerator, "devices": 1}
    trainer = pl.Trainer(**limits, enable_model_summary=False, **quiet)
    begun = time.perf_counter()
    trainer.fit(module, data)
    trained = time.perf_counter() - begun
    if tuning:
        pl.Trainer(**quiet).validate(module, data, verbose=False)
    else:
        trainer.test(module, data, verbose=False)
    slopes = [slope.detach().flatten() for _, slope in laaf.named_slopes(network)]
    return {
        "accuracy": module.hits / module.seen,
        "seconds": trained,
        "trained": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "slopes": [float(torch.cat(slopes).min()), float(torch.cat(slopes).max())] if slopes else None,
        "rates": rates,
    }


def network_of(run: Run, factor: float, options: Any) -> tuple[nn.Module, tuple[float, float]]:
    """Make what a run begins with, and the learning rates of its weights and slopes."""
    pl.seed_everything(run.seed, verbose=False)
    network: nn.Module = torchvision.models.resnet18(num_classes=10)
    if run.start == "scratch":
        if run.method == "slopes":
            network = laaf.adapt(network, "channel", example_input=X)
        return network, (factor * LEARNING_RATES["scratch"], factor * LEARNING_RATES["slopes"])
    before = Run("scratch", OTHER[run.set], "no slopes", run.seed, run.steps, 1.0 if run.factor else None)
    network.load_state_dict(torch.load(weights_of(before, options), weights_only=True))
    network.fc = nn.Linear(512, 10)
    if run.method == "slopes":
        network = laaf.adapt(network, "channel", example_input=X)
    everything = run.method == "all"
    for module in network.modules():
        norm = isinstance(module, nn.BatchNorm2d) and run.method == "BatchNorm"
        for p in module.parameters(recurse=False):
            p.requires_grad_(everything or norm or module is network.fc or isinstance(module, laaf.AdaptiveActivation))
    rate = LEARNING_RATES["all" if everything else "few"]
    if run.method == "slopes":
        return network, (rate, factor * LEARNING_RATES["slopes"])
    return network, (factor * rate, LEARNING_RATES["slopes"])


def weights_of(run: Run, options: Any) -> Path:
    """Name the file of the weights that a run from the start ends with."""
    kind = "tuning" if run.factor else run.steps
    return Path(options.output).with_name(f"resnet18-{run.set}-{run.seed}-{kind}.pt")


def stages(options: Any) -> Iterable[list[Run]]:
    """List the runs: those that choose learning rates first, and networks before what they are carried to."""
    tuning = TUNING_SEED, TUNING_STEPS
    for start, methods in METHODS.items():
        yield [Run(start, name, m, *tuning, f) for m in methods for f in FACTORS for name in options.sets]
    for start, methods in METHODS.items():
        yield [
            Run(start, name, m, seed, options.steps, None)
            for seed in options.seeds
            for m in methods
            for name in options.sets
        ]


def read(file: Path) -> dict[Run, dict[str, Any]]:
    """Read the runs that are there."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {Run(**{field: line[field] for field in Run._fields}): line for line in lines}


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="folder of the data sets")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--output", type=Path, default=Path("resnet18_slopes.jsonl"))
    parser.add_argument("--accelerator", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--workers", type=int, default=1, help="runs at once")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        for stage in stages(options):
            done = read(options.output)
            asked = [pool.submit(one, run, best_factor(run, done), options) for run in stage if run not in done]
            for result in as_completed(asked):
                with options.output.open("a") as file:
                    file.write(json.dumps(result.result()) + "\n")
                print(result.result(), flush=True)
    report(list(read(options.output).values()), options)


def best_factor(run: Run, done: dict[Run, dict[str, Any]]) -> float:
    """Return the run's own factor, or the one that gave the best accuracy on images set apart."""
    if run.factor:
        return run.factor
    tried = {f: done[run._replace(seed=TUNING_SEED, steps=TUNING_STEPS, factor=f)]["accuracy"] for f in FACTORS}
    return max(tried, key=tried.__getitem__)


def one(run: Run, factor: float, options: Any) -> dict[str, Any]:
    """Train and test one network, in a process of the pool, and keep weights that are carried on."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning", "lightning.pytorch"):  # the second speaks where both are installed
        logging.getLogger(name).setLevel(logging.ERROR)
    network, rates = network_of(run, factor, options)
    result = run._asdict() | fit(network, run, rates, options)
    if run.start == "scratch" and run.method == "no slopes" and run.factor in {None, 1.0}:
        part = weights_of(run, options).with_suffix(".part")
        torch.save(network.state_dict(), part)
        part.replace(weights_of(run, options))
    return result


def report(results: list[dict[str, Any]], options: Any) -> None:
    """Print medians and ranges, and paired differences to the first method with a 95 % interval of the bootstrap."""
    final = [r for r in results if r["factor"] is None and r["steps"] == options.steps]
    rows = []
    for start, methods in METHODS.items():
        for name in SETS:
            of = {
                m: {r["seed"]: r for r in final if (r["start"], r["set"], r["method"]) == (start, name, m)}
                for m in methods
            }
            for method in filter(of.get, methods):
                runs_of, first = of[method], of[methods[0]]
                accuracy = [100 * r["accuracy"] for r in runs_of.values()]
                differences = [100 * (r["accuracy"] - first[s]["accuracy"]) for s, r in runs_of.items() if s in first]
                one = next(iter(runs_of.values()))
                rates = f"{one['rates'][0]:g}" + (f", {one['rates'][1]:g}" if one["slopes"] else "")
                versus = "" if method == methods[0] else interval(differences)
                seconds = spread([r["seconds"] for r in runs_of.values()], "{:.0f}")
                rows.append([start, name, method, str(one["trained"]), rates, spread(accuracy), versus, seconds])
    heads = [
        "start",
        "set",
        "method",
        "trained numbers",
        "learning rates",
        "test accuracy, %",
        "difference",
        "training, s",
    ]
    print(table(heads, rows))
    print_json({"results": results, "steps": options.steps} | circumstances("torchvision"))


def interval(differences: list[float]) -> str:
    """Write the mean and its bootstrap interval."""
    if len(differences) < 2:
        return ""
    draws = np.random.default_rng(0).choice(differences, (10_000, len(differences))).mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{np.mean(differences):+.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    main()
