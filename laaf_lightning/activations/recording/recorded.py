"""What a recorded forward pass has called."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from torch import Tensor, nn

from laaf_lightning.activations.recording.frames import Place
from laaf_lightning.activations.recording.layout import Layout


@dataclass(frozen=True, eq=False)
class Running:
    """One call of a module's forward.

    Attributes:
        module: it.
        frame: in which it is called.
    """

    module: nn.Module
    frame: FrameType | None


@dataclass(eq=False)
class RecordedCall:
    """One call of an activation.

    Attributes:
        owners: the calls of modules around it, from outside to inside, without activation modules.
        module: the activation module that is called, or calls the function; None where a forward calls the function
            itself.
        kind: name of the function, or of the module's class.
        settings: what the function is called with beside its argument.
        place: in the code of the innermost owner's forward.
        shape: of its argument.
        layout: where the features of its argument lie, if known.
        in_place: whether it overwrites its argument.
        is_function: whether it is a call of a torch function, else of a module.
        checkpointed: whether a function is called again in the backward pass, outside the owner's forward.
        nested: whether the argument is a nested or a quantised tensor.
        traced: whether it stands in a graph that was traced or compiled.
        strided: whether the argument is a view with gaps, for which torch's functions may round in another way.
        own_gradient: whether it is made within a ``torch.autograd.Function``.
        hidden_when_compiled: whether ``torch.compile`` does not show the call.
        alone: whether a module does nothing but call this function; of a module's call, whether it does that.
        overwritten: whether its argument is written over afterwards, which is not kept for the backward pass.
    """

    owners: tuple[Running, ...]
    module: nn.Module | None
    kind: str
    settings: dict[str, Any]
    place: Place
    shape: tuple[int, ...]
    layout: Layout | None
    in_place: bool
    is_function: bool
    checkpointed: bool
    nested: bool = False
    strided: bool = False
    traced: bool = False
    own_gradient: bool = False
    hidden_when_compiled: bool = False
    alone: bool = False
    overwritten: bool = False

    @property
    def owner(self) -> Running:
        """The innermost module, not itself an activation, in whose forward the call is made."""
        return self.owners[-1]


@dataclass
class Recording:
    """What a forward pass has called.

    Attributes:
        calls: of activation functions and modules, in order; a module's call stands before that of its function.
        output: the tensors that the model returned.
        called: all modules that were called.
        unseen: how often torch computed an activation that no call above stands for, by module and kind.
    """

    calls: list[RecordedCall] = field(default_factory=list)
    output: list[Tensor] = field(default_factory=list)
    called: set[nn.Module] = field(default_factory=set)
    unseen: Counter[tuple[nn.Module, str]] = field(default_factory=Counter)
