"""Augmented images a second against torchvision's transforms in a DataLoader, and the pipeline's share of a step.

    python benchmarks/image_pipeline.py
    python benchmarks/image_pipeline.py --quick

First table: augmented, normalised CIFAR-10 batches of 64, one process with all cores here, two worker processes there
(as the paper's code has it: PIL image, RandomCrop(32, 4), RandomHorizontalFlip, ToTensor, Normalize); workers are
running before the clock starts. Second table: what one training step (SGD with momentum, batch 64) spends on its
batch. Contents are random bytes of the sets' shapes and sizes. Rounds alternate between the sides.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from PIL import Image
from report import circumstances, print_json, spread, table
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import laaf_lightning as laaf
from laaf_lightning.data import Augmentation, LabeledImages, Normalization
from laaf_lightning.data.images.loader import ImageLoader

BATCH = 64
CIFAR: Any = laaf.CIFAR10DataModule


def images(count: int, channels: int, size: int) -> LabeledImages:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8, generator=generator)
    return LabeledImages(pixels, torch.randint(0, 10, (count,), generator=generator), "random")


class PILImages(Dataset[tuple[Tensor, int]]):
    """What torchvision's CIFAR10 does for an image."""

    def __init__(self, data: LabeledImages, transform: Callable[[Image.Image], Tensor]) -> None:
        self.pixels = data.images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = data.labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def theirs(data: LabeledImages) -> DataLoader[tuple[Tensor, int]]:
    steps = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    transform = transforms.Compose([*steps, transforms.Normalize(*CIFAR.normalization)])
    return DataLoader(PILImages(data, transform), batch_size=BATCH, shuffle=True, num_workers=2)


def ours(data: LabeledImages, augmentation: Augmentation, normalization: Normalization | None) -> ImageLoader:
    return ImageLoader(data, BATCH, seed=0, augmentation=augmentation, normalization=normalization)


def images_a_second(batches: Iterator[Any], count: int, warm_up: int) -> float:
    """Time `count` batches after `warm_up` others."""
    for _ in islice(batches, warm_up):
        pass
    start = time.perf_counter()
    for _ in islice(batches, count):
        pass
    return count * BATCH / (time.perf_counter() - start)


def compare(rounds: int, count: int) -> dict[str, list[float]]:
    data = images(50_000, 3, 32)
    loaders: dict[str, Any] = {
        "torchvision, DataLoader(num_workers=2)": theirs(data),
        "laaf_lightning": ours(data, CIFAR.augmentation, CIFAR.normalization),
    }
    speeds: dict[str, list[float]] = {name: [] for name in loaders}
    for _ in range(rounds):
        for name, loader in loaders.items():
            speeds[name].append(images_a_second(iter(loader), count, warm_up=20))
    return speeds


def share_of_step(network: nn.Module, loader: ImageLoader, steps: int) -> float:
    """Return the share of the training step's time that the batch takes."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    batches, in_pipeline, in_all = iter(loader), [], []
    for _ in range(steps):
        start = time.perf_counter()
        pixels, labels = next(batches)
        have_batch = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(pixels), labels).backward()
        optimizer.step()
        in_pipeline.append(have_batch - start)
        in_all.append(time.perf_counter() - start)
    return statistics.median(in_pipeline[2:]) / statistics.median(in_all[2:])


def shares(rounds: int, steps: int) -> dict[str, list[float]]:
    fashion, cifar = images(60_000, 1, 28), images(50_000, 3, 32)
    jobs: dict[str, tuple[nn.Module, ImageLoader, int]] = {
        "LeNet, Fashion-MNIST, augmented": (
            laaf.LeNet(scope="layer"),
            ours(fashion, laaf.FashionMNISTDataModule.augmentation, None),
            steps,
        ),
        "LeNet, MNIST, augmented (rotated, scaled)": (
            laaf.LeNet(scope="layer"),
            ours(fashion, laaf.MNISTDataModule.augmentation, None),
            steps,
        ),
        "PreActResNet18, CIFAR-10, augmented": (
            laaf.PreActResNet18(scope="layer"),
            ours(cifar, CIFAR.augmentation, CIFAR.normalization),
            max(5, steps // 10),
        ),
    }
    result: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, (network, loader, count) in jobs.items():
            result[name].append(share_of_step(network, loader, count))
    return result


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds and batches")
    quick = parser.parse_args().quick
    rounds, count, steps = (3, 60, 20) if quick else (10, 300, 50)
    speeds = compare(rounds, count)
    base, mine = speeds.values()
    ratios = [b / a for a, b in zip(base, mine, strict=True)]
    rows = [[name, spread(values, "{:,.0f}")] for name, values in speeds.items()]
    print(
        table(
            ["augmented CIFAR-10, batch 64", "images/s, median (range)"], [*rows, ["ratio", spread(ratios, "{:.1f}")]]
        )
    )
    parts = shares(2 if quick else 5, steps)
    print()
    print(
        table(["training step", "pipeline's share, %"], [[n, spread([100 * v for v in s])] for n, s in parts.items()])
    )
    numbers = {"ratio": statistics.median(ratios), "ratio_range": [min(ratios), max(ratios)], "rounds": rounds}
    print_json(numbers | {"images_a_second": speeds, "shares": parts} | circumstances("torchvision"))


if __name__ == "__main__":
    run()
