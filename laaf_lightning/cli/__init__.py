"""The command line: ``laaf fit|validate|test|predict --config …`` on LightningCLI."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from laaf_lightning.cli.command_line import LAAFCommandLine as LAAFCommandLine
from laaf_lightning.cli.foreign_texts import HARMLESS_WARNINGS
from laaf_lightning.errors import ConfigurationError


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
        for message, category, module in HARMLESS_WARNINGS:
            warnings.filterwarnings("ignore", message, category, module)
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
