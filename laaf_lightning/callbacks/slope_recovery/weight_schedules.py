"""The schedules of the slope recovery term under the path that configurations of earlier runs name."""

from laaf_lightning.weight_schedules import (
    ConstantWeight,
    CosineDecay,
    LinearDecay,
    OffAfter,
    WeightSchedule,
    weight_at,
)

__all__ = ["ConstantWeight", "CosineDecay", "LinearDecay", "OffAfter", "WeightSchedule", "weight_at"]
