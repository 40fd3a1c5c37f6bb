"""One forward pass of which every operation on tensors is kept: who made a value, and who reads it."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.folding.tracing.affine import is_layer
from laaf_lightning.activations.recording.as_it_was import as_it_was
from laaf_lightning.activations.recording.example import Example
from laaf_lightning.activations.recording.tensors import memory_of, tensors_in


@dataclass(eq=False)
class Call:
    """One call of an affine layer or of a site.

    Attributes:
        module: that is called.
        around: the modules in whose forward it is called, from outside to inside.
        given: its argument.
        made: what it returned.
    """

    module: nn.Module
    around: tuple[nn.Module, ...]
    given: Any = None
    made: Any = None


@dataclass(frozen=True, eq=False)
class Event:
    """One operation.

    Attributes:
        function: of torch's dispatcher.
        arguments: its positional arguments.
        named: its keyword arguments.
        inputs: the tensors among them.
        outputs: the tensors that it returned.
        within: the call of a layer or site in which it happens.
    """

    function: Any
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    within: Call | None

    @property
    def name(self) -> str:
        """The operation's name, without namespace and overload."""
        return str(self.function.__name__).partition(".")[0]

    @property
    def overwrites(self) -> bool:
        """Whether it changes an argument in place."""
        return bool(self.function._schema.is_mutable)


@dataclass(eq=False)
class Tape:
    """A recorded pass.

    Attributes:
        calls: of affine layers and of sites.
        events: all operations, in order.
        touching: the operations on each piece of memory, in order.
        makers: the operation that made each tensor, by identity.
        hooked: the name of a module whose hook is given a value, by memory.
        kept: memory that is returned, or that a module keeps.
        held: memory that somebody else still holds after a pass.
        output: of the model.
        training: whether it ran in training mode.
    """

    training: bool
    calls: list[Call] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    touching: dict[int, list[Event]] = field(default_factory=lambda: defaultdict(list))
    makers: dict[int, Event] = field(default_factory=dict)
    hooked: dict[int, str] = field(default_factory=dict)
    kept: dict[int, str] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)
    output: Any = None

    def calls_of(self, module: nn.Module) -> list[Call]:
        """List the calls of one module.

        Args:
            module: an affine layer or a site.

        Returns:
            In order.
        """
        return [call for call in self.calls if call.module is module]


class _Recorder(TorchDispatchMode):
    """Keeps all operations, and with them their tensors, so that no memory is used again meanwhile."""

    def __init__(self, model: nn.Module, training: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tape = Tape(training)
        self._names = {module: name for name, module in reversed([*model.named_modules(remove_duplicate=False)])}
        self._running: list[nn.Module] = []
        self._calls: list[Call] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        named = named or {}
        result = function(*arguments, **named)
        inputs, outputs = ((*_leaves(each),) for each in ((arguments, named), result))
        event = Event(function, arguments, named, inputs, outputs, self._calls[-1] if self._calls else None)
        self.tape.events.append(event)
        for memory in dict.fromkeys(memory_of(tensor) for tensor in (*inputs, *outputs)):
            self.tape.touching[memory].append(event)
        for output in outputs:
            self.tape.makers.setdefault(id(output), event)
        return result

    def before(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        if module._forward_pre_hooks and not isinstance(module, AdaptiveActivation):
            self._seen_by_hook(module, arguments)
        if is_layer(module):
            self.begin(module, arguments)
        self._running.append(module)

    def begin(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        call = Call(module, (*self._running,), arguments[0] if len(arguments) == 1 else None)
        self.tape.calls.append(call)
        self._calls.append(call)

    def end(self, module: nn.Module, made: Any) -> None:
        if self._calls and self._calls[-1].module is module:
            self._calls.pop().made = made

    def after(self, module: nn.Module, arguments: Any, output: Any) -> None:
        self.end(module, output)
        if self._running and self._running[-1] is module:
            self._running.pop()
        if module._forward_hooks and not isinstance(module, AdaptiveActivation):
            self._seen_by_hook(module, (arguments, output))

    def _seen_by_hook(self, module: nn.Module, values: Any) -> None:
        for tensor in tensors_in(values):
            self.tape.hooked[memory_of(tensor)] = self._names.get(module) or type(module).__name__


def play(model: nn.Module, example: Example, sites: Mapping[str, AdaptiveActivation], *, training: bool) -> Tape:
    """Run a model once and keep what it does; nothing of the model is changed.

    Args:
        model: in any mode.
        example: what it is called with.
        sites: whose calls are kept.
        training: whether it runs in training mode, else in evaluation mode.

    Returns:
        The tape.
    """
    recorder = _Recorder(model, training)
    with contextlib.ExitStack() as stack:
        stack.enter_context(as_it_was(model))
        model.train(training)
        stack.enter_context(torch.no_grad())
        for hook in (
            register_module_forward_pre_hook(recorder.before),
            register_module_forward_hook(recorder.after, always_call=True),
            # After the site's own, which may return another argument.
            *(site.register_forward_pre_hook(recorder.begin) for site in {*sites.values()}),
        ):
            stack.callback(hook.remove)
        for site in {*sites.values()}:
            stack.enter_context(_products_noted(site, recorder))
        stack.enter_context(recorder)
        recorder.tape.output = model(*example.positional, **example.named)
        _note_what_is_kept(recorder.tape, model)
    return recorder.tape


def _note_what_is_kept(tape: Tape, model: nn.Module) -> None:
    for tensor in tensors_in(tape.output):
        tape.kept[memory_of(tensor)] = "is returned"
    for name, module in model.named_modules():
        held = {key: value for key, value in vars(module).items() if key not in {"_parameters", "_modules", "_buffers"}}
        for tensor in tensors_in(held):
            tape.kept[memory_of(tensor)] = f"is kept by {name or type(model).__name__}"


@contextlib.contextmanager
def _products_noted(site: AdaptiveActivation, recorder: _Recorder) -> Iterator[None]:
    """Note the calls in which a site only scales z, as for F.prelu, whose σ needs a tensor of the call."""
    scale = getattr(site, "_scaled", None)
    if scale is None:
        yield
        return

    def noted(z: Tensor) -> Tensor:
        alone = not any(call.module is site for call in recorder._calls)
        if alone:
            recorder.begin(site, (z,))
        scaled: Tensor = scale(z)
        if alone:
            recorder.end(site, scaled)
        return scaled

    vars(site)["_scaled"] = noted
    try:
        yield
    finally:
        del vars(site)["_scaled"]


def _leaves(value: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))
