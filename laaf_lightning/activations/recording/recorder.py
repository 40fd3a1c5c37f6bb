"""One forward pass in which every call of an elementwise activation is noted."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.recording.as_it_was import as_it_was
from laaf_lightning.activations.recording.behaviour import is_activation
from laaf_lightning.activations.recording.example import Example
from laaf_lightning.activations.recording.functions import activation_call
from laaf_lightning.activations.recording.layout import Layout, follow, layout_of
from laaf_lightning.activations.recording.tensors import tensors_in

Place = tuple[tuple[CodeType, int], ...]


@dataclass(frozen=True, eq=False)
class Running:
    """One call of a module's forward.

    Attributes:
        module: it.
        frame: in which it is called.
    """

    module: nn.Module
    frame: FrameType | None


@dataclass(frozen=True, eq=False)
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
    """

    calls: list[RecordedCall] = field(default_factory=list)
    output: list[Tensor] = field(default_factory=list)
    called: set[nn.Module] = field(default_factory=set)


class _Recorder(TorchFunctionMode):
    """Notes calls; those for which `copies` says so are computed on a copy of their argument, as an adapted one is."""

    def __init__(self, copies: Callable[[RecordedCall], bool]) -> None:
        super().__init__()
        self.recording = Recording()
        self._copies = copies
        self._running: list[Running] = []
        self._activation: list[nn.Module] = []
        self._known: dict[nn.Module, bool] = {}

    def before(self, module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        self.recording.called.add(module)
        if self._activation or isinstance(module, AdaptiveActivation):
            self._activation.append(module)
            return None
        if self._running and self._is_activation(module) and len(arguments) == 1 and isinstance(arguments[0], Tensor):
            (z,) = arguments
            in_place = bool(getattr(module, "inplace", False))
            call = self._note(module, type(module).__name__, {}, z, in_place, is_function=False)
            self._activation.append(module)
            return (z.clone(),) if self._copies(call) else None
        self._running.append(Running(module, sys._getframe(1)))
        return None

    def after(self, module: nn.Module, _arguments: Any, _output: Any) -> None:
        if self._activation:
            self._activation.pop()
        elif self._running and self._running[-1].module is module:
            self._running.pop()

    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        named = named or {}
        call = activation_call(function, arguments, named) if self._running else None
        if call is not None and not any(isinstance(module, AdaptiveActivation) for module in self._activation):
            module = self._activation[0] if self._activation else None
            noted = self._note(module, call.kind, call.settings, call.argument, call.in_place, is_function=True)
            if module is None and self._copies(noted):
                arguments = tuple(a.clone() if a is call.argument else a for a in arguments)
                named = {name: a.clone() if a is call.argument else a for name, a in named.items()}
        result = function(*arguments, **named)
        follow(function, arguments, named, result)
        return result

    def _is_activation(self, module: nn.Module) -> bool:
        if module not in self._known:
            with torch._C.DisableTorchFunction():
                self._known[module] = is_activation(module)
        return self._known[module]

    def _note(
        self,
        module: nn.Module | None,
        kind: str,
        settings: dict[str, Any],
        z: Tensor,
        in_place: bool,
        *,
        is_function: bool,
    ) -> RecordedCall:
        owner = self._running[-1]
        place: list[tuple[CodeType, int]] = []
        checkpointed = traced = False
        frame = sys._getframe(2)
        while frame is not None and frame is not owner.frame:
            place.append((frame.f_code, frame.f_lasti))
            traced |= frame.f_code.co_filename.startswith("<eval_with_key>")
            checkpointed |= frame.f_globals.get("__name__") == "torch.utils.checkpoint"
            frame = frame.f_back  # type: ignore[assignment]
        odd = z.is_nested or z.is_quantized
        shape = () if odd else tuple(z.shape)
        layout = None if odd else layout_of(z)
        strided = not odd and not z.is_contiguous() and torch.empty_like(z).stride() != z.stride()
        around, at = (*self._running,), (*place,)
        call = RecordedCall(
            around, module, kind, settings, at, shape, layout, in_place, is_function, checkpointed, odd, strided, traced
        )
        self.recording.calls.append(call)
        return call


def record(
    model: nn.Module,
    example: Example,
    *,
    training: bool,
    copies: Callable[[RecordedCall], bool] = lambda _call: False,
) -> Recording:
    """Run a model once and note its calls of activations; nothing of the model is changed.

    Args:
        model: in any mode.
        example: what it is called with.
        training: whether it runs in training mode, else in evaluation mode.
        copies: the calls that are to leave their argument as it is, though they are in place.

    Returns:
        What was called.

    Raises:
        RuntimeError: the model's own, as any other that its forward raises.
    """
    try:
        return _record(model, example, training, copies, gradients=False)
    except RuntimeError:
        with contextlib.suppress(Exception):  # the first error is the plainer one
            # It may differentiate within its forward.
            return _record(model, example, training, copies, gradients=True)
        raise


def _record(
    model: nn.Module, example: Example, training: bool, copies: Callable[[RecordedCall], bool], *, gradients: bool
) -> Recording:
    recorder = _Recorder(copies)
    given = example.copied()
    with contextlib.ExitStack() as stack:
        stack.enter_context(as_it_was(model))
        model.train(training)
        stack.enter_context(torch.set_grad_enabled(gradients))
        for hook in (
            register_module_forward_pre_hook(recorder.before),  # type: ignore[arg-type]  # it may return arguments
            register_module_forward_hook(recorder.after, always_call=True),
        ):
            stack.callback(hook.remove)
        stack.enter_context(recorder)
        output = model(*given.positional, **given.named)
        # Copies: the model may give out what it writes over in the next forward.
        recorder.recording.output = [tensor.detach().clone() for tensor in tensors_in(output)]
    return recorder.recording
