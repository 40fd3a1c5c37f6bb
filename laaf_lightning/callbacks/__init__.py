"""Lightning callbacks; each works on any LightningModule."""

from laaf_lightning.callbacks.assumption import TheoremAssumption as TheoremAssumption
from laaf_lightning.callbacks.epoch_train_loss import EpochTrainLoss as EpochTrainLoss
from laaf_lightning.callbacks.figures import FigureCallback as FigureCallback
from laaf_lightning.callbacks.loss_weights import AdaptiveLossWeights as AdaptiveLossWeights
from laaf_lightning.callbacks.resample_collocation import ResampleCollocation as ResampleCollocation
from laaf_lightning.callbacks.schedules import ConstantWeight as ConstantWeight
from laaf_lightning.callbacks.schedules import CosineDecay as CosineDecay
from laaf_lightning.callbacks.schedules import LinearDecay as LinearDecay
from laaf_lightning.callbacks.schedules import OffAfter as OffAfter
from laaf_lightning.callbacks.schedules import WeightSchedule as WeightSchedule
from laaf_lightning.callbacks.slope_recovery import SlopeRecovery as SlopeRecovery
