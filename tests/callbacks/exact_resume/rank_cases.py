"""What two ranks do with ExactResume; called in both processes."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.strategies import DDPStrategy

from tests.callbacks.exact_resume.runs import Net, differences, loader, run
from tests.callbacks.exact_resume.test_data import classifier, images
from tests.ranks import WORLD_SIZE

HOOKS = ("on_train_batch_end", "on_validation_end", "on_train_epoch_end", "on_train_batch_start")


def wrong_on_two_ranks(name: str, module: Any, data: Any, seeds: Any, **settings: Any) -> dict[str, list[str]]:
    """Name what differs on this rank in runs that are resumed from some hooks of a whole run."""
    first, again = seeds
    folder = Path(tempfile.gettempdir()) / f"{name}-{os.environ['MASTER_PORT']}"
    folder.mkdir(exist_ok=True)
    settings |= {"devices": WORLD_SIZE, "max_epochs": 2, "use_distributed_sampler": True}
    strategy = partial(DDPStrategy, timeout=timedelta(seconds=60))
    whole, _ = run(module, data, folder=folder, seed=first, strategy=strategy(), **settings)
    found = {}
    for hook in HOOKS:
        file = sorted(folder.glob(f"*-{hook}.ckpt"))[1 if "batch" in hook else 0]
        resumed, _ = run(module, data, checkpoint=file, seed=again, strategy=strategy(), **settings)
        found[hook] = [*differences(whole.values, resumed.values)]
    torch.distributed.barrier()
    return found


def samples() -> dict[str, list[str]]:
    """Draws from all generators, and gradients that wait; Lightning's sampler has the seed of everything."""
    return wrong_on_two_ranks("samples", Net, loader, (0, 0), accumulate_grad_batches=2)


def sets_of_images() -> dict[str, list[str]]:
    """Augmentation, and dropout with other random states on each rank."""
    rank = int(os.environ["RANK"])
    return wrong_on_two_ranks("images", classifier, images, (rank, rank + 5))
