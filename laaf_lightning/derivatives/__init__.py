"""u, u_t, u_x, u_xx … of a network at many points."""

from laaf_lightning.derivatives.constrained import ConstrainedField as ConstrainedField
from laaf_lightning.derivatives.constrained import KnownFactors as KnownFactors
from laaf_lightning.derivatives.engines.autograd import AutogradField as AutogradField
from laaf_lightning.derivatives.engines.fused import FusedField as FusedField
from laaf_lightning.derivatives.engines.fused import FusedPlan as FusedPlan
from laaf_lightning.derivatives.engines.fused import KernelUnavailableError as KernelUnavailableError
from laaf_lightning.derivatives.engines.fused import is_built as is_built
from laaf_lightning.derivatives.engines.fused import load_kernel as load_kernel
from laaf_lightning.derivatives.engines.fused import why_not_buildable as why_not_buildable
from laaf_lightning.derivatives.engines.taylor import TaylorField as TaylorField
from laaf_lightning.derivatives.engines.taylor_plan import TaylorPlan as TaylorPlan
from laaf_lightning.derivatives.field import ConstantField as ConstantField
from laaf_lightning.derivatives.field import Field as Field
from laaf_lightning.derivatives.field import RecordingField as RecordingField
from laaf_lightning.derivatives.jet_field import JetField as JetField
from laaf_lightning.derivatives.layers import Layered as Layered
from laaf_lightning.derivatives.layers import layers_of as layers_of
from laaf_lightning.derivatives.orders import Order as Order
from laaf_lightning.derivatives.orders import with_lower_orders as with_lower_orders
from laaf_lightning.derivatives.rules import Differentiable as Differentiable
from laaf_lightning.derivatives.rules import rule_of as rule_of
from laaf_lightning.derivatives.rules import vanishing_order as vanishing_order
from laaf_lightning.derivatives.scales import InputScale as InputScale
from laaf_lightning.derivatives.scales import OutputScale as OutputScale
