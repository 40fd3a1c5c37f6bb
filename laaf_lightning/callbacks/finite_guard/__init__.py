"""A run whose numbers are no longer finite stops, says what went first and keeps its last finite checkpoint."""

from laaf_lightning.callbacks.finite_guard.callback import FiniteGuard as FiniteGuard
from laaf_lightning.callbacks.finite_guard.callback import check_finite as check_finite
