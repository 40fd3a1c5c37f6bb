"""How checkpoints are written and read, whatever they hold."""

from laaf_lightning.checkpoints.adapted import load_adapted as load_adapted
from laaf_lightning.checkpoints.initial_weights import init_from as init_from
from laaf_lightning.checkpoints.whole_checkpoint_io import WholeCheckpointIO as WholeCheckpointIO
from laaf_lightning.checkpoints.whole_checkpoint_io import write_whole_checkpoints as write_whole_checkpoints
