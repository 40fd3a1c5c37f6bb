"""What Lightning says in every run, of which nothing concerns this one."""

from __future__ import annotations

# What Lightning says of itself in every run, and what follows from how this command line calls it.
HARMLESS_WARNINGS: tuple[tuple[str, type[Warning], str], ...] = (
    # Lightning 2.6.6's CombinedLoader on torch 2.14; gone with a later Lightning.
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning, ""),
    # A resumed or tested checkpoint lies in another run's folder, since every run has its own.
    (r"The dirpath has changed from", UserWarning, ""),
    # main(args) exists to be called from Python, whatever the arguments of that process are.
    (r"LightningCLI's args parameter is intended to run from within Python", UserWarning, ""),
    # Lightning 2.6.6 calls what jsonargparse 4.49 has renamed.
    ("", DeprecationWarning, r"pytorch_lightning\.cli"),
    # jsonargparse warns of names that it will refuse one day; they are refused here, in a sentence.
    (r"\s*Importing '", DeprecationWarning, ""),
)

# What it says before every run, of which nothing concerns this one.
_ADVERTISEMENTS = (
    "💡 Tip",
    "GPU available: ",
    "TPU available: ",
    "HPU available: ",
    "Seed set to ",
    "`Trainer.fit` stopped",
)


def is_about_lightning_itself(text: str) -> bool:
    """Tell a line that Lightning prints in every run from one about this run.

    Args:
        text: the line.

    Returns:
        Whether it can be left out.
    """
    return text.startswith(_ADVERTISEMENTS)
