"""torchvision's ResNet-18 with slopes, on Semeion and Fashion-MNIST: from the start, and carried to the other set.

    python benchmarks/resnet18_slopes.py --root DATA --seeds 0 1 2 3 4 --steps 1500 --output resnet18.jsonl

From the start: without slopes, and with a slope a layer or a channel (no slope recovery). From a network that was
trained on the other set without slopes, with a new last layer: only that layer, that layer and the slopes (a layer, a
channel), that layer and the BatchNorms' weights, all weights, all weights and the slopes. Test accuracy after the last
step. Every finished run is a line of the file, and a run that is there is not repeated, so that the study can be
stopped and goes on. Images are of one channel, repeated to three.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torchvision
from report import circumstances, print_json, spread, table
from torch import Tensor, nn

import laaf_lightning as laaf

SETS = {"semeion": laaf.SemeionDataModule, "fashion_mnist": laaf.FashionMNISTDataModule}
OTHER = {"semeion": "fashion_mnist", "fashion_mnist": "semeion"}
SCRATCH = {"no slopes": "fixed", "layer": "layer", "channel": "channel"}
TRANSFER = ("last layer", "slopes (layer)", "slopes (channel)", "BatchNorm", "all", "all, slopes (channel)")
LEARNING_RATES = {"scratch": 0.05, "all": 0.01, "few": 0.05, "slopes": 0.05}
X = torch.zeros(2, 3, 28, 28)


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


def fit(network: nn.Module, name: str, rates: tuple[float, float], seed: int, options: Any) -> dict[str, Any]:
    """Train and test one network."""
    data = SETS[name](root=options.root, batch_size=options.batch_size, seed=seed)
    module = Classifier(network, *rates, options.steps)
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_steps=options.steps, max_epochs=-1, enable_model_summary=False, accelerator="cpu", **quiet)
    begun = time.perf_counter()
    trainer.fit(module, data)
    trained = time.perf_counter() - begun
    with torch.no_grad():
        trainer.test(module, data, verbose=False)
    slopes = [slope.detach().flatten() for _, slope in laaf.named_slopes(network)]
    return {
        "accuracy": module.hits / module.seen,
        "seconds": trained,
        "trained": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "slopes": [float(torch.cat(slopes).min()), float(torch.cat(slopes).max())] if slopes else None,
    }


def carried(pretrained: nn.Module, method: str) -> tuple[nn.Module, tuple[float, float]]:
    """Prepare a network that was trained on another set: a new last layer, and what else is trained."""
    network = copy.deepcopy(pretrained)
    network.fc = nn.Linear(512, 10)
    if "slopes" in method:
        network = laaf.adapt(network, "channel" if "channel" in method else "layer", example_input=X)
    everything = method.startswith("all")
    for module in network.modules():
        norm = isinstance(module, nn.BatchNorm2d) and method == "BatchNorm"
        for p in module.parameters(recurse=False):
            p.requires_grad_(everything or norm or module is network.fc or isinstance(module, laaf.AdaptiveActivation))
    rate = LEARNING_RATES["all" if everything else "few"]
    return network, (rate, LEARNING_RATES["slopes"])


def runs(options: Any) -> Iterable[tuple[str, str, str, int]]:
    """List start, set, method and seed of every run; pretrained networks come first."""
    for seed in options.seeds:
        for name in SETS:
            for method in SCRATCH:
                yield "scratch", name, method, seed
        for name in SETS:
            for method in TRANSFER:
                yield "carried", name, method, seed


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="folder of the data sets")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--output", type=Path, default=Path("resnet18_slopes.jsonl"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    lines = options.output.read_text().splitlines() if options.output.exists() else []
    done = {(r["start"], r["set"], r["method"], r["seed"], r["steps"]): r for r in map(json.loads, lines)}
    for start, name, method, seed in runs(options):
        key = (start, name, method, seed, options.steps)
        if key in done:
            continue
        pl.seed_everything(seed, verbose=False)
        weights = options.output.with_name(f"{options.output.stem}-{OTHER[name]}-{seed}-{options.steps}.pt")
        network: nn.Module = torchvision.models.resnet18(num_classes=10)
        if start == "scratch":
            rates = (LEARNING_RATES["scratch"], LEARNING_RATES["slopes"])
            if method != "no slopes":
                network = laaf.adapt(network, SCRATCH[method], example_input=X)  # type: ignore[arg-type]
        else:
            network.load_state_dict(torch.load(weights, weights_only=True))
            network, rates = carried(network, method)
        result = fit(network, name, rates, seed, options)
        if start == "scratch" and method == "no slopes":
            own = weights.with_name(weights.name.replace(OTHER[name], name))
            torch.save(network.state_dict(), own)
        done[key] = {"start": start, "set": name, "method": method, "seed": seed, "steps": options.steps} | result
        with options.output.open("a") as file:
            file.write(json.dumps(done[key]) + "\n")
        print(done[key], flush=True)
    report(list(done.values()), options)


def report(results: list[dict[str, Any]], options: Any) -> None:
    """Print medians and ranges, and paired differences to the first method with a 95 % interval of the bootstrap."""
    rows = []
    for start, methods in (("scratch", [*SCRATCH]), ("carried", [*TRANSFER])):
        for name in SETS:
            for method in methods:
                of = {
                    m: {r["seed"]: r for r in results if (r["start"], r["set"], r["method"]) == (start, name, m)}
                    for m in (methods[0], method)
                }
                accuracy = [100 * r["accuracy"] for r in of[method].values()]
                pairs = of[methods[0]].keys() & of[method].keys()
                differences = [100 * (of[method][s]["accuracy"] - of[methods[0]][s]["accuracy"]) for s in sorted(pairs)]
                trained = str(next((r["trained"] for r in of[method].values()), ""))
                seconds = [r["seconds"] for r in of[method].values()]
                versus = "" if method == methods[0] else interval(differences)
                rows.append([start, name, method, trained, spread(accuracy), versus, spread(seconds, "{:.0f}")])
    heads = ["start", "set", "method", "trained numbers", "test accuracy, %", "difference, points", "training, s"]
    print(table(heads, rows))
    print_json({"results": results} | {"steps": options.steps} | circumstances("torchvision"))


def interval(differences: list[float]) -> str:
    """Write the mean and its bootstrap interval."""
    if len(differences) < 2:
        return ""
    draws = np.random.default_rng(0).choice(differences, (10_000, len(differences))).mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{np.mean(differences):+.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    main()
