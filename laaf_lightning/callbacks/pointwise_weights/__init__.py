"""Weights of single residual points that follow the residual."""

from laaf_lightning.callbacks.pointwise_weights.callback import PointwiseWeights as PointwiseWeights
