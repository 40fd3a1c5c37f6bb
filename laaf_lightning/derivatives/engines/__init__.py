"""Ways of differentiating a network at many points: one contract, `Engine`, and what keeps it."""

from laaf_lightning.derivatives.engines.autograd import Autograd as Autograd
from laaf_lightning.derivatives.engines.autograd import AutogradField as AutogradField
from laaf_lightning.derivatives.engines.choice import ENGINES as ENGINES
from laaf_lightning.derivatives.engines.choice import EngineName as EngineName
from laaf_lightning.derivatives.engines.choice import check_engine as check_engine
from laaf_lightning.derivatives.engines.choice import choose as choose
from laaf_lightning.derivatives.engines.engine import Engine as Engine
from laaf_lightning.derivatives.engines.engine import Names as Names
from laaf_lightning.derivatives.engines.engine import NotBuilt as NotBuilt
from laaf_lightning.derivatives.engines.engine import Unsuitable as Unsuitable
from laaf_lightning.derivatives.engines.fused import Fused as Fused
from laaf_lightning.derivatives.engines.fused import FusedField as FusedField
from laaf_lightning.derivatives.engines.taylor import Taylor as Taylor
from laaf_lightning.derivatives.engines.taylor import TaylorField as TaylorField
from laaf_lightning.derivatives.engines.taylor_plan import TaylorPlan as TaylorPlan
