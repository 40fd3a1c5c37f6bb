"""Errors about what a user asked for: each names the thing, its value, what is allowed and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConfigurationError(ValueError):
    """A request that cannot be met as it stands.

    The command line prints its text as one sentence without a traceback; from Python it is a ``ValueError``.
    """


def unknown_choice(kind: str, value: object, allowed: Iterable[str]) -> str:
    """Write the error text for a value outside a list of choices.

    Args:
        kind: what is chosen, as the user knows it, for example ``"scope"``.
        value: what was given.
        allowed: the valid names.

    Returns:
        A text that lists the valid names and the nearest one.

    Example:
        >>> print(unknown_choice("scope", "neurons", ["layer", "neuron"]))
        unknown scope 'neurons': valid are layer, neuron; did you mean 'neuron'?
    """
    names = list(allowed)
    text = f"unknown {kind} {value!r}: valid are {', '.join(names)}"
    near = difflib.get_close_matches(str(value).lower(), names, n=1, cutoff=0.5)
    return f"{text}; did you mean {near[0]!r}?" if near else text
