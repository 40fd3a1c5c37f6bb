"""Print the lowest versions that setup.cfg allows, as constraints for pip: ``torch>=2.6`` becomes ``torch==2.6.0``."""

from __future__ import annotations

import configparser
import re
import sys


def main(path: str) -> None:
    """Print a line for each requirement of a setup.cfg."""
    config = configparser.ConfigParser()
    config.read(path, encoding="utf-8")
    for line in config["options"]["install_requires"].split():
        requirement = re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", line)
        if requirement is None:
            sys.exit(f"{path}: {line!r} is not of the form name>=version")
        name, version = requirement.groups()
        print(f"{name}=={version}{'.0' * (2 - version.count('.'))}")


if __name__ == "__main__":
    main(sys.argv[1])
