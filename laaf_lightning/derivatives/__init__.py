"""u, u_t, u_x, u_xx … of a network at many points."""

from laaf_lightning.derivatives.autograd import AutogradField as AutogradField
from laaf_lightning.derivatives.field import ConstantField as ConstantField
from laaf_lightning.derivatives.field import Field as Field
