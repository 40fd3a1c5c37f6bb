"""In which units a network gives the unknowns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from laaf_lightning.derivatives import OutputScale
from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.given_numbers import as_tensor
from laaf_lightning.problems import PDE, Ansatz, Dirichlet, PointData

GivenNumbers: TypeAlias = float | list[float] | dict[str, float]
OutputScaleSetting: TypeAlias = GivenNumbers | Literal["auto", "data"] | None
OutputOffsetSetting: TypeAlias = GivenNumbers | Literal["data"] | None
LARGEST, SMALLEST = 10.0, 0.01  # values between which "auto" leaves an unknown as it is
_POINTS = 200


def output_scale(
    problem: PDE, scale: OutputScaleSetting = "auto", offset: OutputOffsetSetting = None
) -> OutputScale | None:
    r"""Choose o and s of u = o + s·N, or of u = g + d·(o + s·N) beside hard conditions.

    From values that Dirichlet conditions and data prescribe of an unknown, o is the middle of their range and s half
    its length, or |o| where they are all the same. Beside hard conditions they are those of u, so that s is half the
    length of the range of values and g, over the largest |d|, and o is 0.

    Args:
        problem: has unknowns and values.
        scale: s: a number for all unknowns, a list of one for each, or a mapping from their names, 1 for those that it
            leaves out; ``"data"`` for values; ``"auto"`` for values where these leave [−10, 10] or all lie within
            ±0.01, without hard conditions; None for 1.
        offset: o: numbers likewise, or ``"data"``; None for what goes with `scale`, 0 for numbers.

    Returns:
        The map; None where it is the identity.

    Raises:
        ConfigurationError: for a scale that is not finite or not > 0, an offset that is not finite, another number of
            them, an unknown that does not exist, and ``"data"`` where no value is prescribed.

    Example:
        >>> from laaf_lightning.problems import Burgers
        >>> print(output_scale(Burgers()), output_scale(Burgers(), 50, 300).offset.tolist())
        None [300.0]
    """
    if isinstance(scale, str) and scale not in {"auto", "data"}:
        raise ConfigurationError(f"output_scale={scale!r} must be a number, numbers, 'data', 'auto' or None")
    if isinstance(offset, str) and offset != "data":
        raise ConfigurationError(f"output_offset={offset!r} must be a number, numbers, 'data' or None")
    offsets, scales = (torch.full((len(problem.unknowns),), float(number), dtype=torch.float64) for number in (0, 1))
    if isinstance(scale, str) or isinstance(offset, str):
        values, ansatz = prescribed_values(problem), problem.ansatz()
        for name, given in (("output_scale", scale), ("output_offset", offset)):
            by_data = isinstance(given, str) and given == "data"
            if by_data and not values and (ansatz is None or name == "output_offset"):
                _refuse_without_values(problem, name)
        if isinstance(scale, str):
            found = (
                _of_values(problem, values, scale) if ansatz is None else _of_factors(problem, ansatz, values, scale)
            )
            offsets, scales = found
        if isinstance(offset, str):
            offsets, _ = _of_values(problem, values, "data")
    if not isinstance(scale, str) and scale is not None:
        scales = _numbers(problem, "output_scale", scale, 1.0)
        if not (scales > 0).all():
            _refuse("output_scale", scale, "> 0")
    if not isinstance(offset, str) and offset is not None:
        offsets = _numbers(problem, "output_offset", offset, 0.0)
    is_identity = bool((scales == 1).all()) and not offsets.any()
    return None if is_identity else OutputScale(offsets, scales)


def prescribed_values(problem: PDE) -> dict[str, Tensor]:
    """Look up the values that Dirichlet conditions and data prescribe.

    Args:
        problem: the equation with its conditions.

    Returns:
        Unknown to values, shape (M,), float64; unknowns without any are left out.
    """
    values: dict[str, list[Tensor]] = {}
    for condition in problem.conditions():
        if isinstance(condition, (Dirichlet, PointData)):
            points = condition.draw(problem.geometry, _POINTS).points
            own = condition.prescribed(points).detach().double().cpu().flatten()
            values.setdefault(condition.unknown or problem.unknowns[0], []).append(own)
    return {unknown: torch.cat(own) for unknown, own in values.items()}


def _of_values(problem: PDE, values: Mapping[str, Tensor], scale: object) -> tuple[Tensor, Tensor]:
    """Return offset and scale of each unknown."""
    offsets, scales = [], []
    for unknown in problem.unknowns:
        middle, half = _range(values.get(unknown))
        largest = abs(middle) + half
        if scale == "auto" and (largest == 0 or SMALLEST < largest <= LARGEST):
            middle, half = 0.0, 1.0
        offsets.append(middle)
        scales.append(half if half > 1e-9 * abs(middle) else abs(middle) or 1.0)
    return torch.tensor(offsets, dtype=torch.float64), torch.tensor(scales, dtype=torch.float64)


def _of_factors(problem: PDE, ansatz: Ansatz, values: Mapping[str, Tensor], scale: object) -> tuple[Tensor, Tensor]:
    """Return offset and scale beside hard conditions."""
    scales = torch.ones(len(problem.unknowns), dtype=torch.float64)
    if scale == "data":
        inside = problem.geometry.sample_interior(_POINTS, seed=0)
        known, largest = (
            columns.detach().double().cpu().expand(-1, len(scales))
            for columns in (ansatz.offset_at(inside), ansatz.factor_at(inside).abs())
        )
        for column, unknown in enumerate(problem.unknowns):
            middle, half = _range(torch.cat([known[:, column], *([values[unknown]] if unknown in values else [])]))
            size = half if half > 1e-9 * abs(middle) else abs(middle)
            factor = float(largest[:, column].max())
            if size and factor:
                scales[column] = size / factor
    return torch.zeros_like(scales), scales


def _range(values: Tensor | None) -> tuple[float, float]:
    """Return the middle of some values, and half the length of their range."""
    if values is None or not len(values) or not values.isfinite().all():
        return 0.0, 0.0
    low, high = float(values.min()), float(values.max())
    return (low + high) / 2, (high - low) / 2


def _numbers(problem: PDE, name: str, given: object, otherwise: float) -> Tensor:
    """Return one number for each unknown, float64."""
    unknowns = problem.unknowns
    if isinstance(given, Mapping):
        for unknown in given:
            if unknown not in unknowns:
                raise ConfigurationError(unknown_choice(f"unknown in {name}", unknown, unknowns))
        given = [given.get(unknown, otherwise) for unknown in unknowns]
    if isinstance(given, bool):
        _refuse(name, given, "a number")
    numbers = as_tensor(given, name).detach().double().cpu()
    if numbers.ndim == 0:
        numbers = numbers.expand(len(unknowns))
    if numbers.shape != (len(unknowns),):
        raise ConfigurationError(
            f"{name}={given!r} has shape {tuple(numbers.shape)}, and {type(problem).__name__} has {len(unknowns)} "
            f"unknown{'s' * (len(unknowns) > 1)}, {', '.join(unknowns)}: give one number, or one for each"
        )
    if not numbers.isfinite().all():
        _refuse(name, given, "finite")
    return numbers.clone()


def _refuse(name: str, given: object, wanted: str) -> None:
    raise ConfigurationError(f"{name}={given!r} must be {wanted}; in YAML and on the command line it is --model.{name}")


def _refuse_without_values(problem: PDE, name: str) -> None:
    raise ConfigurationError(
        f"{name}='data': {type(problem).__name__} has no Dirichlet condition and no data that prescribe a value; give "
        f"a number, {name}=…, or --model.{name} on the command line"
    )
