"""``laaf fold``: the plain network of a checkpoint as a file."""

from laaf_lightning.cli.fold.command import fold_checkpoint as fold_checkpoint
