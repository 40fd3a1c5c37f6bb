"""New residual points while a PINN trains."""

from laaf_lightning.callbacks.resampling.resample_collocation import ResampleCollocation as ResampleCollocation
