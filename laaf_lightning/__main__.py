"""The console script ``laaf``, also as ``python -m laaf_lightning``."""

import sys


def cli() -> None:
    """Run the command line; Ctrl-C while its libraries are imported, which takes seconds, ends it in a sentence too."""
    try:
        from laaf_lightning.cli import cli as run  # noqa: PLC0415
    except KeyboardInterrupt:
        print("laaf: stopped by Ctrl-C before anything was begun", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    cli()
