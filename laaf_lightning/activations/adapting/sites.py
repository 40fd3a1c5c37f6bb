"""The activations of a model, as a table."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import nn

from laaf_lightning.activations.printed_table import PrintedTable, aligned
from laaf_lightning.errors import ConfigurationError, unknown_choice


@dataclass(frozen=True)
class ActivationSite:
    """One place of a model where an elementwise activation is computed.

    Attributes:
        name: the path that its slope has in ``named_modules``, of the activation module, or of the module whose
            ``forward`` makes the call with ``adaptive_calls`` and the number of the call:
            ``"layer1.0.adaptive_calls.relu_2"``.
        kind: class of the module, or name of the function.
        calls: how often one forward pass computes it; more than 1 where a module is called several times, whose calls
            share the slope. None without an example input.
        sample_shape: shape of one sample z[0]; None where unknown or not always the same.
        feature_dim: dimension of z that holds the features, counted from 0, the batch; None where unknown.
        left_out: why it gets no slope; None where it does.
    """

    name: str
    kind: str
    calls: int | None = None
    sample_shape: tuple[int, ...] | None = None
    feature_dim: int | None = None
    left_out: str | None = None

    @property
    def adapted(self) -> bool:
        """Whether it gets a slope."""
        return self.left_out is None


Where: TypeAlias = str | Iterable[str] | Callable[..., bool] | None
_TITLES = ("site", "kind", "calls", "sample", "features", "slope")


class ActivationSites(PrintedTable[ActivationSite]):
    """The activations of a model in order; printed as a table.

    Args:
        sites: its rows.
        notes: what else is to be known, such as a mode in which the model could not be run.
    """

    def __init__(self, sites: Iterable[ActivationSite], notes: Iterable[str] = ()) -> None:
        super().__init__(sites)
        self.notes = tuple(notes)

    @property
    def left_out(self) -> tuple[ActivationSite, ...]:
        """Those that get no slope."""
        return tuple(site for site in self if not site.adapted)

    def __str__(self) -> str:
        """Write the table.

        Returns:
            A line for each site, and the notes.
        """
        return "\n".join([aligned([_TITLES, *map(_row, self)]), *self.notes])


def _row(site: ActivationSite) -> tuple[str, ...]:
    sample = "" if site.sample_shape is None else " x ".join(map(str, site.sample_shape))
    calls = "?" if site.calls is None else f"{site.calls}"
    shared = "yes, shared by its calls" if (site.calls or 1) > 1 else "yes"
    features = "" if site.feature_dim is None else f"dim {site.feature_dim}"
    return site.name, site.kind, calls, sample, features, shared if site.adapted else f"no: {site.left_out}"


def chooser(
    where: Where, sites: Sequence[tuple[ActivationSite, nn.Module]]
) -> Callable[[ActivationSite, nn.Module], bool]:
    """Turn what a user gives for `where` into a predicate.

    Args:
        where: a regular expression that is searched for in the name, names, a predicate of an `ActivationSite`, or of a
            module and a name; None for all.
        sites: what there is to choose from, each with its module.

    Returns:
        Whether a site is chosen.

    Raises:
        ConfigurationError: for an expression that is none, unknown names, and for a choice of nothing.
    """
    if where is None:
        return lambda _site, _module: True
    choose = _predicate(where, [site.name for site, _ in sites])
    if sites and not any(choose(site, module) for site, module in sites):
        names = ", ".join(site.name for site, _ in sites[:8])
        raise ConfigurationError(
            f"where={where!r} chooses none of {len(sites)} activations: {names}{', …' * (len(sites) > 8)}"
        )
    return choose


def _predicate(where: Any, names: Sequence[str]) -> Callable[[ActivationSite, nn.Module], bool]:
    if isinstance(where, (str, re.Pattern)):
        try:
            pattern = re.compile(where)
        except re.error as error:
            raise ConfigurationError(f"where={where!r} is no regular expression: {error}") from None
        return lambda site, _module: pattern.search(site.name) is not None
    if callable(where) and not isinstance(where, (type, nn.Module)):
        if _takes(where, 2):
            return lambda site, module: bool(where(module, site.name))
        if _takes(where, 1):
            return lambda site, _module: bool(where(site))
    elif isinstance(where, Iterable) and not isinstance(where, (bytes, nn.Module)):
        chosen = [*where]
        for name in chosen:
            if name not in names:
                raise ConfigurationError(unknown_choice("where", name, names))
        return lambda site, _module: site.name in chosen
    raise ConfigurationError(
        f"where={where!r} is neither a regular expression, nor names, nor a predicate of a site or of (module, name): "
        "where='head', where=['head.act'], where=lambda site: site.kind == 'ReLU'"
    )


def _takes(predicate: Callable[..., Any], arguments: int) -> bool:
    try:
        inspect.signature(predicate).bind(*[None] * arguments)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return arguments == 1
    return True
