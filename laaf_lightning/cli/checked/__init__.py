"""Settings that are looked at before they are acted on: how large they become, and what they would call."""

from laaf_lightning.cli.checked.parser import CheckedParser as CheckedParser
