"""Lightning callbacks; each works on any LightningModule."""

from laaf_lightning.callbacks.adapt_activations import AdaptActivations as AdaptActivations
from laaf_lightning.callbacks.epoch_train_loss import EpochTrainLoss as EpochTrainLoss
from laaf_lightning.callbacks.exact_resume.callback import ExactResume as ExactResume
from laaf_lightning.callbacks.figures import FigureCallback as FigureCallback
from laaf_lightning.callbacks.finite_guard import FiniteGuard as FiniteGuard
from laaf_lightning.callbacks.freeze_slopes import FreezeSlopes as FreezeSlopes
from laaf_lightning.callbacks.loss_weights.adaptive import AdaptiveLossWeights as AdaptiveLossWeights
from laaf_lightning.callbacks.resampling.resample_collocation import ResampleCollocation as ResampleCollocation
from laaf_lightning.callbacks.slope_recovery.assumption import TheoremAssumption as TheoremAssumption
from laaf_lightning.callbacks.slope_recovery.callback import SlopeRecovery as SlopeRecovery
from laaf_lightning.callbacks.slope_recovery.weight_schedules import ConstantWeight as ConstantWeight
from laaf_lightning.callbacks.slope_recovery.weight_schedules import CosineDecay as CosineDecay
from laaf_lightning.callbacks.slope_recovery.weight_schedules import LinearDecay as LinearDecay
from laaf_lightning.callbacks.slope_recovery.weight_schedules import OffAfter as OffAfter
from laaf_lightning.callbacks.slope_recovery.weight_schedules import WeightSchedule as WeightSchedule
