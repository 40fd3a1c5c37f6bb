"""Two processes that train together on CPU, started as ``torchrun`` would; one group serves many cases."""

from __future__ import annotations

import importlib
import os
import socket
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.strategies import DDPStrategy
from torch.multiprocessing.spawn import spawn

from tests.trainers import quiet_trainer

WORLD_SIZE = 2


def run_on_two_ranks(cases: Sequence[str]) -> list[dict[str, Any]]:
    """Call functions in the same two processes, one after the other.

    Args:
        cases: functions without arguments as ``"package.module:function"``; each returns tensors or plain values.

    Returns:
        For each rank, what each case returned, by its name.
    """
    with tempfile.TemporaryDirectory() as folder:
        spawn(_work, (list(cases), folder, _free_port()), WORLD_SIZE)
        return [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(WORLD_SIZE)]


def two_rank_trainer(**settings: Any) -> Trainer:
    """Make a quiet CPU Trainer for code that `run_on_two_ranks` calls."""
    # Unused processes must not wait for half an hour where one rank has failed.
    strategy = DDPStrategy(timeout=timedelta(seconds=60))
    return quiet_trainer(**{"use_distributed_sampler": False, **settings, "devices": WORLD_SIZE, "strategy": strategy})


def _work(rank: int, cases: list[str], folder: str, port: int) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(WORLD_SIZE), "NODE_RANK": "0"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_WORLD_SIZE": str(WORLD_SIZE)}
    results = {}
    for case in cases:
        module, _, function = case.partition(":")
        results[case] = getattr(importlib.import_module(module), function)()
    torch.save(results, Path(folder) / f"{rank}.pt")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
