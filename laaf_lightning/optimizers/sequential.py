"""One optimiser after another, as one torch optimiser."""

from __future__ import annotations

import inspect
from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.optimizers.closure_checks import GradientWatch, loss_in
from laaf_lightning.optimizers.factory_checks import check_stages
from laaf_lightning.optimizers.one_group import all_parameters, takes_one_group_only
from laaf_lightning.optimizers.self_scaled_broyden import SelfScaledBroyden


class SequentialOptimizer(Optimizer):
    """Train with one optimiser for some steps, then with the next: Adam first, a quasi-Newton method at last.

    To Lightning it is one optimiser: automatic optimisation, checkpoints, resume and `SlopeRecovery` work unchanged.
    S(a) has no minimum at finite slopes, so that a method that converges would chase it: let its weight end at the
    hand-over, with ``SlopeRecovery(weight=OffAfter(steps=k))`` for ``steps=[k]``.

    `param_groups` are the first optimiser's, so that a scheduler sets the first one's learning rate (and the learning
    rate shown is the first one's to the end); the later ones keep theirs. An optimiser that takes one parameter group
    only, such as L-BFGS, gets all parameters as one list, without the options of the groups. Once an optimiser is
    done, its state is dropped. After loading a state, `steps` are still the constructor's.

    A copy or a pickle works as far as those of the optimisers do: torch's own copies of L-BFGS cannot step.

    Args:
        params: parameters or parameter groups, as for any optimiser.
        optimizers: at least two; each is called with the parameters or groups and returns an optimiser; once, unless it
            refuses the groups.
        steps: how many steps each but the last one does, each ≥ 1; a step of L-BFGS is up to its `max_iter` iterations.

    Attributes:
        stages: the optimisers.
        current: the one that does the next step.
        steps_taken: steps done so far by all of them.

    Raises:
        ConfigurationError: for fewer than two optimisers, what makes none, or `steps` that do not fit.
        ValueError: an optimiser's own, for parameters or options that it refuses.

    Example:
        >>> import torch
        >>> from functools import partial
        >>> x = torch.nn.Parameter(torch.tensor([3.0, -2.0], dtype=torch.float64))
        >>> optimizer = SequentialOptimizer([x], [partial(torch.optim.Adam, lr=0.1), torch.optim.LBFGS], steps=[5])
        >>> def quadratic() -> Tensor:
        ...     optimizer.zero_grad()
        ...     loss = (x[0] - 1) ** 2 + 10 * (x[1] - 2) ** 2
        ...     loss.backward()
        ...     return loss
        >>> for _ in range(8):
        ...     _ = optimizer.step(quadratic)
        >>> type(optimizer.current).__name__, [round(value, 4) for value in x.tolist()]
        ('LBFGS', [1.0, 2.0])
    """

    _checked: Optimizer | None = None  # the stage whose closure has computed gradients; copies look again

    def __init__(
        self,
        params: Iterable[Any],
        optimizers: list[Callable[[Iterable[Any]], Optimizer]],
        steps: list[int],
    ) -> None:
        check_stages(optimizers, steps)
        given = _materialised(params)
        stages = [_build(factory, given) for factory in optimizers]
        first = stages[0]
        super().__init__([dict(group) for group in first.param_groups], dict(first.defaults))
        self.param_groups = first.param_groups
        self._stages = stages
        self._ends = list(accumulate(steps))
        self._steps_taken = 0

    @property
    def stages(self) -> tuple[Optimizer, ...]:
        """The optimisers, in their order."""
        return tuple(self._stages)

    @property
    def current(self) -> Optimizer:
        """The optimiser that does the next step."""
        return self._stages[bisect_right(self._ends, self._steps_taken)]

    @property
    def steps_taken(self) -> int:
        """Steps done so far."""
        return self._steps_taken

    def __getstate__(self) -> dict[str, Any]:
        own = {"_stages": self._stages, "_ends": self._ends, "_steps_taken": self._steps_taken}
        return {**super().__getstate__(), **own}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group, while the optimiser is built.

        Args:
            param_group: as for any optimiser.

        Raises:
            ValueError: afterwards.
        """
        if hasattr(self, "_stages"):
            raise ValueError(
                "SequentialOptimizer takes no parameter group once it is built, for all its optimisers would need it: "
                "build it with all groups"
            )
        super().add_param_group(param_group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Do one step of the current optimiser.

        Args:
            closure: clears the gradients, computes the loss and its gradients, and returns the loss.

        Returns:
            What the optimiser's own step returns.

        Raises:
            TypeError: without a closure, if this optimiser or a later one needs one.
            ConfigurationError: if, at an optimiser's first step, the closure gives no gradient, or no needed loss.
        """
        stage = self.current
        if closure is None:
            self._refuse_without_closure()
        elif stage is not self._checked and not isinstance(stage, SelfScaledBroyden):  # which looks itself
            closure = self._checking(stage, closure)
        result = stage.step() if closure is None else stage.step(closure)
        self._steps_taken += 1
        if self.current is not stage:
            stage.state.clear()
        return result

    def state_dict(self) -> dict[str, Any]:
        """Return the state of all optimisers.

        Returns:
            Plain values and tensors: ``state`` (empty) and ``param_groups`` as every optimiser has them, ``stages``
            (each optimiser's own state), ``stage_names`` and ``steps_taken``.
        """
        return {
            **super().state_dict(),
            "stages": [stage.state_dict() for stage in self._stages],
            "stage_names": self._names(),
            "steps_taken": self._steps_taken,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state.

        Args:
            state_dict: of a `SequentialOptimizer` of the same optimisers.

        Raises:
            ConfigurationError: if it is another optimiser's.
            ValueError: torch's own, if it is of other parameters.
        """
        saved = state_dict.get("stage_names")
        if saved != self._names():
            theirs = "another kind of optimiser" if saved is None else ", ".join(saved)
            raise ConfigurationError(
                f"the state to load is of {theirs}, and this one has {', '.join(self._names())}: resume "
                "with the optimisers that were trained with, or load the weights only"
            )
        super().load_state_dict({key: state_dict[key] for key in ("state", "param_groups")})
        for stage, state in zip(self._stages, state_dict["stages"], strict=True):
            stage.load_state_dict(state)
        # Loading gives an optimiser new groups.
        self.param_groups = self._stages[0].param_groups
        self._steps_taken = state_dict["steps_taken"]

    def _names(self) -> list[str]:
        return [type(stage).__name__ for stage in self._stages]

    def _checking(self, stage: Optimizer, closure: Callable[[], Any]) -> Callable[[], Any]:
        """Wrap the closure of a stage's first step, without whose gradients nothing would be trained, in silence."""
        name, needs_loss = type(stage).__name__, _needs_closure(stage)

        def checked() -> Any:
            if self._checked is stage:
                return closure()
            with GradientWatch(all_parameters(stage.param_groups)) as watch:
                result = closure()
            if needs_loss:
                loss_in(result, name)
            if needs_loss or result is not None:  # None: a batch that is left out, as Lightning allows
                watch.refuse_none(name)
                self._checked = stage
            return result

        return checked

    def _refuse_without_closure(self) -> None:
        """Say at the first step, not at a hand-over hours later, that there is no closure."""
        remaining = self._stages[bisect_right(self._ends, self._steps_taken) :]
        needy = next((type(stage).__name__ for stage in remaining if _needs_closure(stage)), None)
        if needy is not None:
            raise TypeError(
                f"SequentialOptimizer.step() needs a closure that evaluates the loss again, for {needy}. Lightning "
                "gives none under precision '16-mixed', whose gradient scaler takes one gradient a step: train with "
                "'64-true' (recommended), '32-true' or 'bf16-mixed'"
            )


def _materialised(params: Iterable[Any]) -> list[Any]:
    """Turn generators, which could be read once only, into lists."""
    return [{**entry, "params": _listed(entry["params"])} if isinstance(entry, dict) else entry for entry in params]


def _listed(params: Any) -> list[Any]:
    return [params] if isinstance(params, Tensor) else list(params)


def _build(factory: Callable[[Iterable[Any]], Optimizer], given: list[Any]) -> Optimizer:
    """Call a factory with copies of the groups, or with a flat list where it takes one group only."""
    copies = [{**entry, "params": list(entry["params"])} if isinstance(entry, dict) else entry for entry in given]
    try:
        return factory(copies)
    except ValueError:
        if not takes_one_group_only(factory, given):
            raise
    return factory(all_parameters(given))


def _needs_closure(optimizer: Optimizer) -> bool:
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    return isinstance(optimizer, SelfScaledBroyden) or (closure is not None and closure.default is closure.empty)
