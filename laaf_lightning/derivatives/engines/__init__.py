"""Ways of differentiating a network at many points."""

from laaf_lightning.derivatives.engines.autograd import AutogradField as AutogradField
from laaf_lightning.derivatives.engines.taylor import TaylorField as TaylorField
from laaf_lightning.derivatives.engines.taylor import TaylorPlan as TaylorPlan
