"""States of random generators, and how a checkpoint holds them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

States = dict[str, Any]


def random_states(device: torch.device) -> States:
    """Read the states of Python's, NumPy's and torch's global generators, and of the device's.

    Args:
        device: the one that this process computes on.

    Returns:
        The states as each library gives them, in some 15 µs; see `as_plain`.
    """
    states: States = {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002  # the global one is what others use
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_random_states(states: Mapping[str, Any], device: torch.device) -> None:
    """Put global generators back.

    Args:
        states: of `random_states`; that of a device of another kind is left out.
        device: the one that this process computes on.
    """
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002  # as above
    torch.set_rng_state(states["torch"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    elif device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])


def generator_states(generators: Mapping[str, Any]) -> dict[str, Any]:
    """Read the states of generators.

    Args:
        generators: of torch, NumPy and Python, by name.

    Returns:
        One for each.
    """
    return {name: _read(generator) for name, generator in generators.items()}


def set_generator_states(generators: Mapping[str, Any], states: Mapping[str, Any]) -> None:
    """Put generators back.

    Args:
        generators: by name.
        states: what `generator_states` returned.
    """
    for name in generators.keys() & states.keys():
        _write(generators[name], states[name])


def as_plain(states: Any) -> Any:
    """Write states as a checkpoint can hold them and load them without running code.

    Args:
        states: of `random_states` or `generator_states`, and lists and dicts of them.

    Returns:
        Plain values and tensors; an array becomes a tensor of int64, which holds its bits.
    """
    if isinstance(states, Mapping):
        return {key: as_plain(value) for key, value in states.items()}
    if isinstance(states, tuple):
        if len(states) > 100:  # Python's 625 words
            return {"words": torch.tensor(states, dtype=torch.int64)}
        return {"tuple": [as_plain(value) for value in states]}
    if isinstance(states, list):
        return [as_plain(value) for value in states]
    if isinstance(states, np.ndarray):
        return {"dtype": str(states.dtype), "bits": torch.from_numpy(states.astype(np.int64))}
    return states.item() if isinstance(states, np.generic) else states


def from_plain(states: Any) -> Any:
    """Undo `as_plain`.

    Args:
        states: what it returned.

    Returns:
        What it was given.
    """
    if isinstance(states, list):
        return [from_plain(value) for value in states]
    if not isinstance(states, Mapping):
        return states
    if set(states) == {"words"}:
        return tuple(states["words"].tolist())
    if set(states) == {"tuple"}:
        return tuple(from_plain(value) for value in states["tuple"])
    if set(states) == {"dtype", "bits"}:
        return states["bits"].numpy().astype(states["dtype"])
    return {key: from_plain(value) for key, value in states.items()}


def _read(generator: Any) -> Any:
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state(legacy=False) if isinstance(generator, np.random.RandomState) else generator.getstate()


def _write(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    else:
        generator.set_state(state)
