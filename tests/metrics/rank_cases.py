"""What two ranks do with the metric; called in both processes."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import MetricCollection

from laaf_lightning.metrics import RelativeL2Error

SIZES = (7, 4)


def points() -> tuple[Tensor, Tensor]:
    """Make prediction and target of all ranks."""
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randn(2, sum(SIZES), 1, generator=generator)
    return prediction, target


def unequal_shards() -> list[float]:
    """Compute over shards of 7 and 4 points, alone and in a collection, and again after more points."""
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    prediction, target = (part.split(SIZES)[rank] for part in points())
    metric, collection = RelativeL2Error(), MetricCollection({"relative_l2": RelativeL2Error()})
    metric.update(prediction[:3], target[:3])
    metric.update(prediction[3:], target[3:])
    collection.update(prediction, target)
    values = [metric.compute().item(), collection.compute()["relative_l2"].item()]
    metric.update(2 * prediction, target)
    return [*values, metric.compute().item()]
