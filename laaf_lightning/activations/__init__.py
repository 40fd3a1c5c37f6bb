"""The method in plain torch: adaptive activations, their slopes and the slope recovery term."""

from laaf_lightning.activations.adapting.adapt import activation_sites as activation_sites
from laaf_lightning.activations.adapting.adapt import adapt as adapt
from laaf_lightning.activations.adaptive import AdaptiveActivation as AdaptiveActivation
from laaf_lightning.activations.adaptive import initial_slope as initial_slope
from laaf_lightning.activations.elementwise import Activation as Activation
from laaf_lightning.activations.elementwise import resolve_activation as resolve_activation
from laaf_lightning.activations.folding.fold import fold as fold
from laaf_lightning.activations.folding.report import fold_report as fold_report
from laaf_lightning.activations.parameter_groups import slope_parameter_groups as slope_parameter_groups
from laaf_lightning.activations.recovery import Operator as Operator
from laaf_lightning.activations.recovery import Reduction as Reduction
from laaf_lightning.activations.recovery import adaptive_sites as adaptive_sites
from laaf_lightning.activations.recovery import check_reduction as check_reduction
from laaf_lightning.activations.recovery import named_slopes as named_slopes
from laaf_lightning.activations.recovery import recovery_at_zero as recovery_at_zero
from laaf_lightning.activations.recovery import recovery_of as recovery_of
from laaf_lightning.activations.recovery import resolve_operator as resolve_operator
from laaf_lightning.activations.recovery import slope_recovery as slope_recovery
from laaf_lightning.activations.scopes import SCOPES as SCOPES
from laaf_lightning.activations.scopes import Scope as Scope
from laaf_lightning.activations.scopes import check_scaling_factor as check_scaling_factor
from laaf_lightning.activations.scopes import check_scope as check_scope
from laaf_lightning.activations.slope_files import load_slopes as load_slopes
from laaf_lightning.activations.slope_files import save_slopes as save_slopes
from laaf_lightning.activations.slopes_alone import slopes_off as slopes_off
from laaf_lightning.activations.slopes_alone import train_only_slopes as train_only_slopes
