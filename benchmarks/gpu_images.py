"""Training images a second on a GPU: scopes of the slopes, precisions, memory layouts, through a Lightning Trainer.

    python benchmarks/gpu_images.py                  # PreActResNet-18 on random images of CIFAR-10's shape, batch 64
    python benchmarks/gpu_images.py --batch 512
    python benchmarks/gpu_images.py --device cpu --quick

Images lie on the device and are augmented there, as CIFAR10DataModule does it. A round is a number of steps after
others that warm up; rounds alternate between the sides. "ReLU" has no slope.
"""

from __future__ import annotations

import argparse
import logging
import sys
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
SIDES: dict[str, tuple[dict[str, Any], str]] = {
    "ReLU": ({"scope": "fixed"}, "32-true"),
    "slope per layer": ({"scope": "layer"}, "32-true"),
    "slope per channel": ({"scope": "channel"}, "32-true"),
    "slope per neuron": ({"scope": "neuron"}, "32-true"),
    "ReLU, 16-mixed": ({"scope": "fixed"}, "16-mixed"),
    "slope per layer, 16-mixed": ({"scope": "layer"}, "16-mixed"),
    "ReLU, bf16-mixed": ({"scope": "fixed"}, "bf16-mixed"),
    "slope per layer, bf16-mixed": ({"scope": "layer"}, "bf16-mixed"),
    "slope per layer, bf16-mixed, channels_last": ({"scope": "layer", "channels_last": True}, "bf16-mixed"),
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


def images_a_second(side: str, batch: int, device: str, warm_up: int, steps: int) -> float:
    settings, precision = SIDES[side]
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (50_000, 3, 32, 32), dtype=torch.uint8, generator=generator).to(device)
    labels = torch.randint(0, 10, (50_000,), generator=generator).to(device)
    loader = ImageLoader(
        LabeledImages(pixels, labels, "random"),
        batch,
        seed=0,
        augmentation=CIFAR.augmentation,
        normalization=CIFAR.normalization,
    )
    torch.manual_seed(0)
    model = laaf.ImageClassifier(
        "preact_resnet18",
        num_classes=10,
        in_channels=3,
        image_size=32,
        optimizer=lambda groups: torch.optim.SGD(groups, lr=0.01, momentum=0.9),
        **settings,
    )
    clock = Clock({warm_up, warm_up + steps})
    trainer = Trainer(
        max_steps=warm_up + steps,
        accelerator="gpu" if device == "cuda" else "cpu",
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
    return steps * batch / seconds


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of 5 steps")
    parser.add_argument("--batch", type=int, default=64, help="images in a step")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), default=list(SIDES), help="which to time")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    rounds, warm_up, steps = (1, 2, 5) if arguments.quick else (3, 20, 60)
    speeds: dict[str, list[float]] = {name: [] for name in arguments.sides}
    for _ in range(rounds):
        for name, values in speeds.items():
            values.append(images_a_second(name, arguments.batch, arguments.device, warm_up, steps))
            print(f"{name}: {values[-1]:,.0f} images/s", file=sys.stderr, flush=True)
    rows = [[name, spread(values, "{:,.0f}")] for name, values in speeds.items()]
    print(table([f"batch {arguments.batch}", "images/s, median (range)"], rows))
    card = torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu"
    print_json({"images_a_second": speeds, "batch": arguments.batch, "device": card} | circumstances())


if __name__ == "__main__":
    run()
