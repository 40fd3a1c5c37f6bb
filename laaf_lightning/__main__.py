"""``python -m laaf_lightning`` is the console script ``laaf``."""

from laaf_lightning.cli import cli

if __name__ == "__main__":
    cli()
