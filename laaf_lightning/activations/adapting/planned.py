"""One activation of a model, and what is to become of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from torch import nn

from laaf_lightning.activations.adapting.sites import ActivationSite
from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.recording.frames import Place
from laaf_lightning.activations.recording.recorded import RecordedCall


@dataclass(frozen=True, eq=False)
class Spot:
    """Where a module hangs: an attribute of one parent, however many names lead there."""

    name: str
    parent: nn.Module
    child: str


@dataclass(eq=False)
class Planned:
    """One activation.

    Attributes:
        site: its row in the table.
        module: the activation module; None for a call of a function.
        spot: where the module is replaced; None for a call.
        owner: the module in whose forward it is called; None without a recording.
        key: of the call within the owner's forward: place in the code, and how many calls stood there before.
        calls: as recorded.
        dense: whether its features come from a fully connected layer.
    """

    site: ActivationSite
    module: nn.Module | None = None
    spot: Spot | None = None
    owner: nn.Module | None = None
    key: tuple[Place, int] | None = None
    calls: list[RecordedCall] = field(default_factory=list)
    dense: bool = False

    @property
    def overwritten(self) -> bool:
        """Whether its argument is written over before the backward pass."""
        return any(call.overwritten for call in self.calls)

    def leave_out(self, reason: str) -> None:
        """Note why it gets no slope, unless there is a reason already.

        Args:
            reason: in the words of the table.
        """
        if self.site.left_out is None:
            self.site = replace(self.site, left_out=reason)


def spots(model: nn.Module) -> dict[nn.Module, list[Spot]]:
    """List where every module of a model hangs, those inside an `AdaptiveActivation` left out.

    Args:
        model: any module.

    Returns:
        By module, in ``named_modules`` order.
    """
    inside = {part for module in model.modules() if isinstance(module, AdaptiveActivation) for part in module.modules()}
    found: dict[nn.Module, dict[tuple[nn.Module, str], Spot]] = defaultdict(dict)
    for name, module in model.named_modules(remove_duplicate=False):
        prefix, _, child = name.rpartition(".")
        if child and (parent := model.get_submodule(prefix)) not in inside:
            found[module].setdefault((parent, child), Spot(name, parent, child))
    return {module: [*places.values()] for module, places in found.items()}
