"""Runs side by side: ``laaf compare`` on the command line, `compare_runs` from Python."""

from laaf_lightning.cli.compare.command import compare as compare
from laaf_lightning.cli.compare.comparison import Comparison as Comparison
from laaf_lightning.cli.compare.comparison import compare_runs as compare_runs
