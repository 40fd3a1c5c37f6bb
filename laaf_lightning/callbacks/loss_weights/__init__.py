"""Weights of the terms of a loss that follow their gradients."""

from laaf_lightning.callbacks.loss_weights.adaptive import AdaptiveLossWeights as AdaptiveLossWeights
