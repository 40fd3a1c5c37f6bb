"""Optimisers that torch lacks."""

from laaf_lightning.optimizers.self_scaled_broyden import SelfScaledBroyden as SelfScaledBroyden
from laaf_lightning.optimizers.sequential import SequentialOptimizer as SequentialOptimizer
from laaf_lightning.optimizers.sequential_scheduler import SequentialScheduler as SequentialScheduler
