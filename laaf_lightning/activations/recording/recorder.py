"""One forward pass in which every call of an elementwise activation is noted."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.recording.as_it_was import as_it_was, written_over
from laaf_lightning.activations.recording.behaviour import is_activation
from laaf_lightning.activations.recording.example import Example
from laaf_lightning.activations.recording.frames import surroundings
from laaf_lightning.activations.recording.functions import activation_call, is_form, is_hidden_when_compiled
from laaf_lightning.activations.recording.layout import follow, layout_of
from laaf_lightning.activations.recording.recorded import RecordedCall, Recording, Running
from laaf_lightning.activations.recording.tensors import memory_of, tensors_in
from laaf_lightning.activations.recording.unseen import Operators, is_operator


class _Recorder(TorchFunctionMode):
    """Notes calls; those for which `copies` says so are computed on a copy of their argument, as an adapted one is."""

    def __init__(self, copies: Callable[[RecordedCall], bool]) -> None:
        super().__init__()
        self.recording = Recording()
        self._copies = copies
        self._running: list[Running] = []
        self._activation: list[nn.Module] = []
        self._known: dict[nn.Module, bool] = {}
        self._arguments: dict[int, list[tuple[weakref.ref[Tensor], RecordedCall]]] = defaultdict(list)
        self._pending: tuple[RecordedCall, Tensor] | None = None
        self._within: list[tuple[RecordedCall, Tensor, Any]] = []  # what the pending module's forward calls
        self._hidden = False  # whether what torch computes belongs to a function that is seen

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
            self._pending = (call, z)
            return (z.clone(),) if self._copies(call) else None
        self._running.append(Running(module, sys._getframe(1)))
        return None

    def after(self, module: nn.Module, _arguments: Any, output: Any) -> None:
        if self._activation:
            self._activation.pop()
            if not self._activation and self._pending is not None:
                self._watch(*self._pending, output)
                self._note_alone(*self._pending, output)
                self._pending = None
                self._within.clear()
        elif self._running and self._running[-1].module is module:
            self._running.pop()

    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        named = named or {}
        call = activation_call(function, arguments, named) if self._running else None
        noted = None
        if call is not None and not any(isinstance(module, AdaptiveActivation) for module in self._activation):
            module = self._activation[0] if self._activation else None
            noted = self._note(module, call.kind, call.settings, call.argument, call.in_place, is_function=True)
            noted.hidden_when_compiled |= is_hidden_when_compiled(function)
            if module is None and self._copies(noted):
                arguments = tuple(a.clone() if a is call.argument else a for a in arguments)
                named = {name: a.clone() if a is call.argument else a for name, a in named.items()}
        hidden, self._hidden = self._hidden, not (call is None and (is_operator(function) or is_form(function)))
        try:
            result = function(*arguments, **named)
        finally:
            self._hidden = hidden
        if call is None:
            for tensor in written_over(function, arguments, named):
                self._note_overwritten(tensor)
        elif noted is not None and noted.module is None:
            self._watch(noted, call.argument, result)
        elif noted is not None:
            self._within.append((noted, call.argument, result))
        follow(function, arguments, named, result)
        return result

    def unseen(self, kind: str) -> None:
        """Note an activation that torch computes and nothing has called that is seen here."""
        if self._hidden or self._activation or not self._running:
            return
        if not any(isinstance(running.module, (nn.RNNBase, nn.RNNCellBase)) for running in self._running):
            self.recording.unseen[self._running[-1].module, kind] += 1

    def _note_alone(self, call: RecordedCall, z: Tensor, output: Any) -> None:
        if len(self._within) == 1 and self._within[0][1] is z and self._within[0][2] is output:
            call.alone = self._within[0][0].alone = True

    def _watch(self, call: RecordedCall, z: Tensor, result: Any) -> None:
        """Wait for something to write over the argument of a call; a call in place has none that lasts."""
        if isinstance(result, Tensor) and memory_of(result) != memory_of(z):
            self._arguments[memory_of(z)].append((weakref.ref(z), call))

    def _note_overwritten(self, tensor: Tensor) -> None:
        for reference, call in self._arguments.pop(memory_of(tensor), []):
            call.overwritten |= reference() is not None

    def _is_activation(self, module: nn.Module) -> bool:
        if module not in self._known:
            hidden, self._hidden = self._hidden, True
            with torch._C.DisableTorchFunction():
                self._known[module] = is_activation(module)
            self._hidden = hidden
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
        seen = surroundings(sys._getframe(2), owner.frame)
        self.recording.called.update(seen.forwards)
        odd = z.is_nested or z.is_quantized
        call = RecordedCall(
            owners=(*self._running,),
            module=module,
            kind=kind,
            settings=settings,
            place=seen.place,
            shape=() if odd else tuple(z.shape),
            layout=None if odd else layout_of(z),
            in_place=in_place,
            is_function=is_function,
            checkpointed=seen.checkpointed,
            nested=odd,
            strided=not odd and not z.is_contiguous() and torch.empty_like(z).stride() != z.stride(),
            traced=seen.traced,
            own_gradient=seen.own_gradient,
            hidden_when_compiled=seen.hidden_when_compiled,
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
        stack.enter_context(Operators(recorder.unseen))
        stack.enter_context(recorder)
        output = model(*given.positional, **given.named)
        # Copies: the model may give out what it writes over in the next forward.
        recorder.recording.output = [tensor.detach().clone() for tensor in tensors_in(output)]
    return recorder.recording
