"""The command line: ``laaf fit|validate|test|predict --config …`` on LightningCLI."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from laaf_lightning.cli.command_line import LAAFCommandLine as LAAFCommandLine
from laaf_lightning.errors import ConfigurationError

# What Lightning says of itself in every run, and what follows from how this command line calls it.
_HARMLESS: tuple[tuple[str, type[Warning]], ...] = (
    # Lightning 2.6.6's CombinedLoader on torch 2.14; gone with a later Lightning.
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning),
    # A resumed or tested checkpoint lies in another run's folder, since every run has its own.
    (r"The dirpath has changed from", UserWarning),
    # main(args) exists to be called from Python, whatever the arguments of that process are.
    (r"LightningCLI's args parameter is intended to run from within Python", UserWarning),
)


def main(args: Sequence[str] | None = None) -> LAAFCommandLine:
    """Run the command line.

    Args:
        args: the arguments; None takes those of the process.

    Returns:
        The command line object, with its trainer, model and datamodule.

    Example:
        ``main(["fit", "--config", "configs/burgers.yaml", "--model.scope", "neuron"])``
    """
    with warnings.catch_warnings():
        for message, category in _HARMLESS:
            warnings.filterwarnings("ignore", message, category)
        # Lightning 2.6.6 calls what jsonargparse 4.49 has renamed.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"pytorch_lightning\.cli")
        return LAAFCommandLine.run(args)


def cli() -> None:
    """Run the console script: a wrong request ends with one sentence and exit status 2."""
    try:
        main()
    except ConfigurationError as error:
        if os.environ.get("LAAF_TRACEBACK"):
            raise
        text = " ".join(str(error).split())
        sys.stderr.write(f"laaf: error: {text} (LAAF_TRACEBACK=1 shows the traceback)\n")
        sys.exit(2)
