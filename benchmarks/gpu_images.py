"""Training images a second on a GPU: scopes of the slopes, precisions, memory layouts, through a Lightning Trainer.

    python benchmarks/gpu_images.py                  # PreActResNet-18 on random images of CIFAR-10's shape, batch 64
    python benchmarks/gpu_images.py --batch 512
    python benchmarks/gpu_images.py --device cpu --quick

Images lie on the device and are augmented there, as CIFAR10DataModule does it. A round is a number of steps after
others that warm up; rounds alternate between the sides, each of which keeps its module, so that it compiles once.
"ReLU" has no slope; "fast" is bf16-mixed, channels_last and compiled.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import warnings
from typing import Any

import torch
from lightning_overhead import StepClock
from pytorch_lightning import LightningModule, Trainer
from report import circumstances, print_json, spread, table

import laaf_lightning as laaf
from laaf_lightning.data import LabeledImages
from laaf_lightning.data.images.loader import ImageLoader

CIFAR: Any = laaf.CIFAR10DataModule
FAST: dict[str, Any] = {"channels_last": True, "compile": True}
SIDES: dict[str, tuple[dict[str, Any], str]] = {
    "ReLU": ({"scope": "fixed"}, "32-true"),
    "slope per layer": ({"scope": "layer"}, "32-true"),
    "slope per channel": ({"scope": "channel"}, "32-true"),
    "slope per neuron": ({"scope": "neuron"}, "32-true"),
    "ReLU, bf16-mixed": ({"scope": "fixed"}, "bf16-mixed"),
    "slope per layer, bf16-mixed": ({"scope": "layer"}, "bf16-mixed"),
    "slope per layer, bf16-mixed, channels_last": ({"scope": "layer", "channels_last": True}, "bf16-mixed"),
    "ReLU, compiled": ({"scope": "fixed", "compile": True}, "32-true"),
    "slope per layer, compiled": ({"scope": "layer", "compile": True}, "32-true"),
    "ReLU, fast": ({"scope": "fixed", **FAST}, "bf16-mixed"),
    "slope per layer, fast": ({"scope": "layer", **FAST}, "bf16-mixed"),
    "slope per channel, fast": ({"scope": "channel", **FAST}, "bf16-mixed"),
    "slope per neuron, fast": ({"scope": "neuron", **FAST}, "bf16-mixed"),
    "slope per layer, 16-mixed": ({"scope": "layer"}, "16-mixed"),
}


class Clock(StepClock):
    """The time at the end of every step, waited for at the last of the warm-up and at the last of all."""

    def __init__(self, waits: set[int]) -> None:
        super().__init__()
        self.waits = waits

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        if trainer.global_step in self.waits and pl_module.device.type == "cuda":
            torch.cuda.synchronize()
        super().on_train_batch_end(trainer, pl_module, *rest)


def images_on(device: str, batch: int) -> ImageLoader:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (50_000, 3, 32, 32), dtype=torch.uint8, generator=generator).to(device)
    labels = torch.randint(0, 10, (50_000,), generator=generator).to(device)
    images = LabeledImages(pixels, labels, "random")
    return ImageLoader(images, batch, seed=0, augmentation=CIFAR.augmentation, normalization=CIFAR.normalization)


def classifier(**settings: Any) -> laaf.ImageClassifier:
    torch.manual_seed(0)
    return laaf.ImageClassifier(
        "preact_resnet18",
        num_classes=10,
        in_channels=3,
        image_size=32,
        optimizer=lambda groups: torch.optim.SGD(groups, lr=0.01, momentum=0.9),
        **settings,
    )


def images_a_second(model: LightningModule, precision: str, loader: ImageLoader, warm_up: int, steps: int) -> float:
    clock = Clock({warm_up, warm_up + steps})
    on_gpu = loader.data.images.is_cuda
    trainer = Trainer(
        max_steps=warm_up + steps,
        accelerator="gpu" if on_gpu else "cpu",
        devices=1,
        precision=precision,  # type: ignore[arg-type]  # a plain str
        logger=False,
        callbacks=[clock],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, loader)
    seconds = clock.times[-1] - clock.times[warm_up - 1]
    assert len(clock.times) == warm_up + steps
    return steps * loader.batch_size / seconds


def measure(arguments: argparse.Namespace) -> dict[str, list[float]]:
    rounds, warm_up, steps = (1, 2, 5) if arguments.quick else (3, 20, 60)
    loader, begin = images_on(arguments.device, arguments.batch), time.perf_counter()
    models = {name: classifier(**SIDES[name][0]) for name in arguments.sides}
    speeds: dict[str, list[float]] = {name: [] for name in arguments.sides}
    for _ in range(rounds):
        for name, values in speeds.items():
            if values and time.perf_counter() - begin > arguments.seconds:
                return speeds
            values.append(images_a_second(models[name], SIDES[name][1], loader, warm_up, steps))
            told = f"{name}: {values[-1]:,.0f} images/s ({time.perf_counter() - begin:.0f} s)"
            print(told, file=sys.stderr, flush=True)
    return speeds


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of 5 steps")
    parser.add_argument("--batch", type=int, default=64, help="images in a step")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), default=list(SIDES), help="which to time")
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="begin no second or third round after these"
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    speeds = measure(arguments)
    plain, fast = (speeds.get(name, []) for name in ("ReLU", "ReLU, fast"))
    rows = []
    for name, values in speeds.items():
        same = fast if name.endswith("fast") else plain if SIDES[name][1] == "32-true" and "comp" not in name else []
        slopes = spread([of / own for of, own in zip(same, values, strict=False)], "{:.3f}") if same else ""
        over = spread([own / of for of, own in zip(plain, values, strict=False)], "{:.2f}") if plain else ""
        rows.append([name, str(len(values)), spread(values, "{:,.0f}"), over, slopes])
    head = [
        f"batch {arguments.batch}",
        "rounds",
        "images/s, median (range)",
        "over ReLU",
        "time over ReLU's, same setting",
    ]
    print(table(head, rows))
    card = torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu"
    print_json({"images_a_second": speeds, "batch": arguments.batch, "device": card} | circumstances())


if __name__ == "__main__":
    run()
