"""One native function for the derivatives of a whole network: built on first use, on the CPU."""

from laaf_lightning.derivatives.engines.fused.build import KernelUnavailableError as KernelUnavailableError
from laaf_lightning.derivatives.engines.fused.build import is_built as is_built
from laaf_lightning.derivatives.engines.fused.build import load_kernel as load_kernel
from laaf_lightning.derivatives.engines.fused.build import why_not_buildable as why_not_buildable
from laaf_lightning.derivatives.engines.fused.engine import Fused as Fused
from laaf_lightning.derivatives.engines.fused.field import FusedField as FusedField
from laaf_lightning.derivatives.engines.fused.plan import FusedPlan as FusedPlan
