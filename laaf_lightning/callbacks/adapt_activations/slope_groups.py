"""The slopes of a module in optimiser groups of their own, whatever its ``configure_optimizers`` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from pytorch_lightning import LightningModule
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn
from torch.optim import Optimizer

from laaf_lightning.activations import adaptive_sites
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.optimizers.one_group import takes_one_group_only

Group = dict[str, Any]
_Add = Callable[[Optimizer, Group], None]


class _OwnRate(NamedTuple):
    """A group of slopes whose learning rate stands in a ratio to that of a group of weights."""

    optimizer: Optimizer
    group: int
    weights: int | None
    ratio: float  # without weights: the learning rate itself


class SlopeGroups:
    """Keeps weight decay off the slopes of one module, and gives them their learning rate.

    While ``configure_optimizers`` runs, every group that an optimiser is given is split in two, so that schedulers find
    the groups as they stay. They see slopes at the weights' learning rate; the slopes' own one follows it in its ratio
    before every step, which no scheduler that names learning rates can undo.

    Args:
        module: with slopes.
        slope_lr: learning rate of the slopes; None for the weights'.
    """

    def __init__(self, module: LightningModule, slope_lr: float | None) -> None:
        self._name = type(module).__name__
        self._slopes = {site.a: f"{name}.a" for name, site in adaptive_sites(module) if site.a is not None}
        self._slope_lr = slope_lr
        self._rates: list[_OwnRate] = []
        self._without_groups = ""  # why

    def configured(self, configure: Callable[[], Any]) -> Any:
        """Let a module make its optimisers.

        Args:
            configure: its ``configure_optimizers``.

        Returns:
            What it returns.

        Raises:
            ConfigurationError: where slopes cannot be trained, or not as was asked for.
        """
        try:
            with self._splitting():
                configured = configure()
        except ValueError as error:
            self._rates.clear()
            configured = self._in_one_group(configure, error)
        self._check(configured)
        self.follow()
        return configured

    def follow(self) -> None:
        """Give the slopes their learning rate, in its ratio to what the weights now have."""
        for optimizer, group, weights, ratio in self._rates:
            groups = optimizer.param_groups
            groups[group]["lr"] = ratio if weights is None else groups[weights]["lr"] * ratio

    def _splitting(self) -> AbstractContextManager[None]:
        def add(original: _Add, optimizer: Optimizer, group: Group) -> None:
            weights, slopes = self._split(group)
            if weights is not None:
                original(optimizer, weights)
            if slopes is not None:
                number = len(optimizer.param_groups)
                original(optimizer, slopes)
                self._note_rate(optimizer, number, number - 1 if weights is not None else 0)

        return _adding_groups_by(add)

    def _split(self, group: Any) -> tuple[Group | None, Group | None]:
        if not isinstance(group, dict) or isinstance(group["params"], set):
            return group, None  # torch says what is wrong with it
        given = group["params"]
        parameters = group["params"] = [given] if isinstance(given, Tensor) else [*given]
        slopes = [p for p in parameters if _tensor(p) in self._slopes]
        if not slopes:
            return group, None
        own = {**group, "params": slopes, "weight_decay": 0.0}
        group["params"] = [p for p in parameters if _tensor(p) not in self._slopes]
        return (group if group["params"] else None), own

    def _note_rate(self, optimizer: Optimizer, group: int, weights: int) -> None:
        if self._slope_lr is None:
            return
        groups = optimizer.param_groups
        if "lr" not in groups[group]:
            raise ConfigurationError(
                f"slope_lr={self._slope_lr}: {type(optimizer).__name__} of {self._name} has no learning rate; leave "
                "slope_lr out (--adapt.slope_lr null)"
            )
        rate = float(groups[weights]["lr"])
        if weights == group or rate == 0 or groups[weights]["params"][0] in self._slopes:
            self._rates.append(_OwnRate(optimizer, group, None, self._slope_lr))
        else:
            self._rates.append(_OwnRate(optimizer, group, weights, self._slope_lr / rate))

    def _in_one_group(self, configure: Callable[[], Any], error: ValueError) -> Any:
        """Let a module make an optimiser that refuses groups, or slopes."""
        try:
            configured = configure()
        except ValueError:
            if self._refuses_slopes(configure):
                raise ConfigurationError(
                    f"the optimiser of {self._name} refuses slopes: {error}; give it the parameters that it takes and "
                    "the slopes to another one, in configure_optimizers, or take an optimiser for any shape"
                ) from error
            raise
        if self._slope_lr is not None:
            raise ConfigurationError(
                f"slope_lr={self._slope_lr} needs an optimiser with parameter groups, and with one for slopes "
                f"configure_optimizers of {self._name} fails: {error}; leave slope_lr out (--adapt.slope_lr null), or "
                "give its scheduler a number in place of a list"
            ) from error
        self._without_groups = f" ({error})"
        return configured

    def _refuses_slopes(self, configure: Callable[[], Any]) -> bool:
        def add(original: _Add, optimizer: Optimizer, group: Group) -> None:
            weights, _ = self._split(group)
            if weights is not None:
                original(optimizer, weights)

        try:
            with _adding_groups_by(add):
                configure()
        except ValueError:
            return False
        return True

    def _check(self, configured: Any) -> None:
        """See to it that every slope is trained, and no weight decay pulls at it."""
        made = [*_leaves(configured)]
        optimizers = [each for one in made if hasattr(one, "param_groups") for each in getattr(one, "stages", (one,))]
        held: set[Any] = set()
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                slopes = [p for p in group["params"] if p in self._slopes]
                held.update(slopes)
                if slopes and group.get("weight_decay"):
                    raise ConfigurationError(
                        f"weight_decay={group['weight_decay']} of {type(optimizer).__name__} would pull the slopes of "
                        f"{self._name} towards 0, and it takes no groups to spare them{self._without_groups}: set its "
                        "weight_decay to 0, or give its scheduler a number in place of a list"
                    )
        missing = [slope for slope in self._slopes if slope not in held and slope.requires_grad]
        if missing:
            others = [one for one in made if not hasattr(one, "param_groups")]
            self._add(missing, optimizers, has_scheduler=any(hasattr(one, "step") for one in others))

    def _add(self, missing: Sequence[nn.Parameter], optimizers: Sequence[Any], *, has_scheduler: bool) -> None:
        """Give slopes that were left out to the one optimiser there is."""
        names = ", ".join(self._slopes[slope] for slope in missing[:5]) + ", …" * (len(missing) > 5)
        if len(optimizers) != 1 or has_scheduler or not _takes(optimizers[0], missing):
            raise ConfigurationError(
                f"no optimiser of {self._name} holds the slopes {names}, which would never be trained: let its "
                "configure_optimizers pass self.parameters(), or leave these activations out (where=…, --adapt.where)"
            )
        with self._splitting():
            optimizers[0].add_param_group({"params": [*missing]})
        rank_zero_info(
            f"The optimiser of {self._name} was given parameters without {names}: these slopes are added to it."
        )


@contextmanager
def _adding_groups_by(add: Callable[[_Add, Optimizer, Group], None]) -> Iterator[None]:
    """Let optimisers take every group that they are given in another way, whoever makes them."""
    original: Any = Optimizer.add_param_group

    def add_param_group(self: Optimizer, param_group: Group) -> None:
        add(original, self, param_group)

    Optimizer.add_param_group = add_param_group  # type: ignore[method-assign]
    try:
        yield
    finally:
        Optimizer.add_param_group = original  # type: ignore[method-assign]


def _tensor(parameter: Any) -> Any:
    return parameter[1] if isinstance(parameter, tuple) else parameter


def _leaves(configured: Any) -> Iterator[Any]:
    if isinstance(configured, Mapping):
        configured = [*configured.values()]
    if isinstance(configured, (list, tuple)):
        for one in configured:
            yield from _leaves(one)
    elif configured is not None:
        yield configured


def _takes(optimizer: Any, slopes: Sequence[nn.Parameter]) -> bool:
    """Tell whether an optimiser can be given slopes as one more group."""
    if not isinstance(optimizer, Optimizer):
        return False
    weight = optimizer.param_groups[0]["params"][0]
    make: Any = type(optimizer)
    try:
        make([*slopes])
        return not takes_one_group_only(make, [{"params": [weight]}, {"params": [*slopes]}])
    except (TypeError, ValueError):  # it needs more arguments, or refuses them
        return False
