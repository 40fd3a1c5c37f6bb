"""What a way of differentiating networks is: the contract of all engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from laaf_lightning.derivatives.engines.probe import as_it_was
from laaf_lightning.derivatives.field import Field
from laaf_lightning.derivatives.module_state import NetworkState
from laaf_lightning.derivatives.orders import Order
from laaf_lightning.errors import ConfigurationError

Orders: TypeAlias = Mapping[str, frozenset[Order]]
Say: TypeAlias = Callable[[str], object]
_AGREEMENT = 1e-3


class Names(NamedTuple):
    """What the columns of points and of a network's outputs are called.

    Attributes:
        coordinates: of the d columns of the points.
        unknowns: of the C outputs.
    """

    coordinates: tuple[str, ...]
    unknowns: tuple[str, ...] = ("u",)


class Unsuitable(ConfigurationError):  # noqa: N818  # a reason, of which the choice of an engine makes an error
    """An engine cannot differentiate a network, or not so often.

    Args:
        reason: a clause.
        way: the engine, for the error's text; none if the reason says it.

    Attributes:
        reason: the clause.

    Example:
        >>> str(Unsuitable("it is no sequence of layers", "Taylor mode"))
        'Taylor mode cannot differentiate this network: it is no sequence of layers'
    """

    def __init__(self, reason: str, way: str | None = None) -> None:
        super().__init__(reason, way)
        self.reason = reason
        self._way = way

    def __str__(self) -> str:
        return self.reason if self._way is None else f"{self._way} cannot differentiate this network: {self.reason}"


class NotBuilt(Unsuitable):
    """An engine would serve, but something must be built for it first; the reason is a sentence that says how."""


@dataclass(frozen=True)
class Engine(ABC):
    """Makes fields of one network; found once, used at every step, and immutable.

    A new engine is a subclass in a file of its own and an entry in ``ENGINES``. It is a frozen dataclass, so that
    models that hold one can be copied and pickled.

    Attributes:
        name: what settings call it.
        title: what sentences call it.
        is_extra: whether "auto" does without it and nobody wonders.
        names: of the coordinates and unknowns.
        orders: the derivatives that are asked for at each set of points, by the set's name, without u itself.
        state: the network when this was found.
        reason: why not a better engine, if there is one.
        hint: a sentence on how to have a better one.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    is_extra: ClassVar[bool] = False

    names: Names
    orders: Orders
    state: NetworkState
    reason: str | None = None
    hint: str | None = None

    @classmethod
    @abstractmethod
    def of(cls, network: nn.Module, orders: Orders, names: Names, *, build: Say | None = None) -> Engine:
        """Find how to differentiate a network.

        Args:
            network: maps points (N, d) to u (N, C).
            orders: the derivatives that will be asked for at each set of points, by the set's name.
            names: of the coordinates and unknowns.
            build: what tells the user, in a line, that something is built; None if nothing may be built.

        Returns:
            The engine, good for this network as long as `serves` says so.

        Raises:
            Unsuitable: with the reason.
        """

    @abstractmethod
    def fields(self, network: nn.Module, sets: Mapping[str, Tensor]) -> dict[str, Field]:
        """Differentiate the network at some of the sets of points.

        Args:
            network: the one that this was found for.
            sets: points (N, d) by the set's name.

        Returns:
            A field for each set, attached to the graph of the network's parameters.
        """

    def try_out(self, network: nn.Module, points: Tensor) -> None:
        """Compare u with what the network itself gives: a forward of its own may do more than its layers.

        Args:
            network: the one that this was found for.
            points: a few of the domain, shape (N, d).

        Raises:
            Unsuitable: if they differ.
        """
        first = next(iter(self.orders))
        with as_it_was(network, training=False), torch.no_grad():
            u, expected = self.fields(network, {first: points})[first].value, network(points)
        if u.shape != expected.shape or not torch.allclose(u, expected, rtol=_AGREEMENT, atol=_AGREEMENT):
            raise Unsuitable(f"the forward of {type(network).__name__} does more than its layers one after the other")

    @classmethod
    def obstacle(cls) -> str | None:
        """Tell what this machine lacks to build what the engine needs.

        Returns:
            A clause; None where nothing is lacking.
        """
        return None

    @property
    def gains_at_once(self) -> bool:
        """Whether several sets of points in one call cost less than one after the other."""
        return False

    def serves(self, network: nn.Module) -> bool:
        """Tell whether this is still good for a network.

        Args:
            network: the network now.

        Returns:
            False where one of its parts has been replaced.
        """
        return self.state.is_that_of(network)

    def __str__(self) -> str:
        first = next(iter(self.orders.values()), frozenset[Order]())
        suffixes = ["", *("_" + "".join(self.names.coordinates[i] for i in order) for order in sorted(first))]
        computed = ", ".join(unknown + suffix for unknown in self.names.unknowns for suffix in suffixes)
        return f"{computed} by {self.title}" + (f", since {self.reason}" if self.reason else "")
