"""Make any LightningModule's activations adaptive before its optimiser is made and a checkpoint is loaded."""

from laaf_lightning.callbacks.adapt_activations.callback import AdaptActivations as AdaptActivations
from laaf_lightning.callbacks.adapt_activations.taken import take_slopes as take_slopes
