"""Metrics beyond those of torchmetrics."""

from laaf_lightning.metrics.errors_by_column import ErrorsByColumn as ErrorsByColumn
from laaf_lightning.metrics.relative_l2 import RelativeL2Error as RelativeL2Error
