"""Errors about what a user asked for: each names the thing, its value, what is allowed and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_ALIKE = 0.6
_BEGINNING = 0.95


class ConfigurationError(ValueError):
    """A request that cannot be met as it stands.

    The command line prints its text as one sentence without a traceback; from Python it is a ``ValueError``.
    """


class NonFiniteError(ConfigurationError, FloatingPointError):
    """Training that has come to NaN or infinity.

    Attributes:
        step: the optimiser step, counted from 0, at which that began; None where it is not known.
        first: what went first: ``"data"``, ``"loss"``, ``"gradient"``, ``"slope"``, ``"weight"``, ``"optimizer"`` or
            ``"buffer"``; None where it is not known.
        name: of the field of the batch, the layer or the parameter; None for a loss.
    """

    step: int | None = None
    first: str | None = None
    name: str | None = None


def unknown_choice(kind: str, value: object, allowed: Iterable[str]) -> str:
    """Write the error text for a value outside a list of choices.

    Args:
        kind: what is chosen, as the user knows it, for example ``"scope"``.
        value: what was given.
        allowed: the valid names; of dotted ones the last part is compared.

    Returns:
        A text that lists the valid names and the nearest one, if one is near.

    Example:
        >>> print(unknown_choice("scope", "neurons", ["layer", "neuron"]))
        unknown scope 'neurons': valid are layer, neuron; did you mean 'neuron'?
    """
    names = list(allowed)
    text = f"unknown {kind} {value!r}: valid are {', '.join(names)}"
    near = nearest(str(value), names)
    return text if near is None else f"{text}; did you mean {near!r}?"


def nearest(value: str, names: Iterable[str]) -> str | None:
    """Find the name that was probably meant.

    Args:
        value: what was given.
        names: the valid names; of dotted ones the last part is compared.

    Returns:
        The most alike; None if none is alike.

    Example:
        >>> nearest("neurons", ["layer", "neuron"])
        'neuron'
    """
    near = max(names, key=lambda name: _likeness(value, name), default=None)
    return None if near is None or _likeness(value, near) < _ALIKE else near


def _likeness(value: str, name: str) -> float:
    """Compare without regard to case; the beginning of a long name counts nearly as much as all of it."""
    given, known = (text.rpartition(".")[2].lower() for text in (value, name))
    if not given:
        return 0.0
    whole = difflib.SequenceMatcher(None, given, known).ratio()
    beginning = difflib.SequenceMatcher(None, given, known[: len(given)]).ratio()
    return max(whole, _BEGINNING * beginning)


def shortened(text: str, most: int = 800) -> str:
    """Leave out the middle of a text that is too long for a sentence, such as one with a value of many digits.

    Args:
        text: any text.
        most: how many characters it may have.

    Returns:
        The text, or its beginning and its end.

    Example:
        >>> shortened("n: 1234567890 is no number", most=20)
        'n: 1234567…no number'
    """
    return text if len(text) <= most else f"{text[: most // 2]}…{text[1 - most // 2 :]}"
