"""What became of each site of a folded model, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from torch import nn

from laaf_lightning.activations.printed_table import PrintedTable, aligned
from laaf_lightning.errors import ConfigurationError

_TITLES = ("site", "kind", "slope")
# Beside the models, so that a folded one holds nothing of ours.
_REPORTS: WeakKeyDictionary[nn.Module, FoldReport] = WeakKeyDictionary()


@dataclass(frozen=True)
class FoldedSite:
    """One site.

    Attributes:
        name: the path that it had in ``named_modules``.
        kind: class of the activation, or name of the function.
        layer: the layer whose weights hold the slope now; None where it stays.
        kept: why the slope stays, as a constant factor; None where it does not.
    """

    name: str
    kind: str
    layer: str | None = None
    kept: str | None = None


class FoldReport(PrintedTable[FoldedSite]):
    """The sites of a folded model in order; printed as a table."""

    @property
    def kept(self) -> tuple[FoldedSite, ...]:
        """Those whose slope stays as a constant factor."""
        return tuple(site for site in self if site.kept is not None)

    def __str__(self) -> str:
        """Write the table.

        Returns:
            A line for each site.
        """
        return aligned([_TITLES, *((site.name or "(model)", site.kind, _words(site)) for site in self)])


def _words(site: FoldedSite) -> str:
    return f"kept: {site.kept}" if site.kept is not None else f"in {site.layer}"


def note(model: nn.Module, report: FoldReport) -> None:
    """Keep the report of a folded model.

    Args:
        model: that was folded.
        report: of it.
    """
    _REPORTS[model] = report


def fold_report(model: nn.Module) -> FoldReport:
    """Tell what became of each slope of a folded model.

    Args:
        model: what `fold` has returned, not a copy of it.

    Returns:
        For each site, in order, the layer that holds its slope now, or why it is kept as a constant factor; to be
        printed or gone through.

    Raises:
        ConfigurationError: for any other model.

    Example:
        >>> import torch
        >>> from laaf_lightning.activations import AdaptiveActivation, fold
        >>> model = nn.Sequential(nn.Linear(2, 3), AdaptiveActivation("tanh"), nn.Linear(3, 1))
        >>> print(fold_report(fold(model, torch.ones(1, 2))))
        site  kind  slope
        1     Tanh  in 0
    """
    try:
        return _REPORTS[model]
    except (KeyError, TypeError):
        raise ConfigurationError(
            f"fold_report: this {type(model).__name__} was not folded in this process: give what fold(model, …) has "
            "returned, not a copy of it"
        ) from None
