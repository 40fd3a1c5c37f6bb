"""The term W_a·S(a) in the loss of any LightningModule, and the log of its slopes."""

from laaf_lightning.callbacks.slope_recovery.assumption import TheoremAssumption as TheoremAssumption
from laaf_lightning.callbacks.slope_recovery.callback import SlopeRecovery as SlopeRecovery
from laaf_lightning.callbacks.slope_recovery.weight_schedules import ConstantWeight as ConstantWeight
from laaf_lightning.callbacks.slope_recovery.weight_schedules import CosineDecay as CosineDecay
from laaf_lightning.callbacks.slope_recovery.weight_schedules import LinearDecay as LinearDecay
from laaf_lightning.callbacks.slope_recovery.weight_schedules import OffAfter as OffAfter
from laaf_lightning.callbacks.slope_recovery.weight_schedules import WeightSchedule as WeightSchedule
