"""u and its derivatives by the fused kernel, for networks that alternate affine maps and known activations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.derivatives.field import Field
from laaf_lightning.derivatives.fused.build import load_kernel
from laaf_lightning.derivatives.fused.operator import jets, prepare
from laaf_lightning.derivatives.layers import why_not_taylor
from laaf_lightning.derivatives.orders import Order, with_lower_orders
from laaf_lightning.derivatives.rules import rule_name
from laaf_lightning.derivatives.taylor import Stage, TaylorPlan
from laaf_lightning.errors import ConfigurationError

HIGHEST_ORDER = 2
MOST_COORDINATES = 3
# In the order of the kernel's codes.
KERNEL_ACTIVATIONS = ("identity", "tanh", "sin", "sigmoid", "softplus", "silu", "gelu")
_NONE_AFTER = -1


def why_not_fused(network: nn.Module, orders: Iterable[Order]) -> str | None:
    """Tell why the kernel cannot give some derivatives of a network.

    Args:
        network: maps points to outputs.
        orders: the derivatives, as sorted column indices.

    Returns:
        A clause for a message; None if it can.
    """
    needed = with_lower_orders(orders)
    if (reason := why_not_taylor(network, needed)) is not None:
        return reason
    if (highest := max(map(len, needed))) > HIGHEST_ORDER:
        return f"a derivative of order {highest} is asked for, and the kernel goes up to order {HIGHEST_ORDER}"
    if (columns := sum(len(order) == 1 for order in needed)) > MOST_COORDINATES:
        return f"derivatives by {columns} coordinates are asked for, and the kernel has {MOST_COORDINATES}"
    parameters = list(network.parameters())
    if (dtypes := {parameter.dtype for parameter in parameters}) - {torch.float32, torch.float64}:
        return f"the kernel has float32 and float64, and the network is of {', '.join(sorted(map(str, dtypes)))}"
    if any(not parameter.is_cpu for parameter in parameters):
        return f"the kernel runs on the CPU, and the network is on {next(network.parameters()).device}"
    return _why_not_alternating(TaylorPlan.of(network, needed).stages)


@dataclass(frozen=True)
class FusedPlan:
    """How the kernel computes some derivatives of one network: found once, used at every step.

    It holds for the network's layers as they are; where one is replaced, a new plan is needed.

    Attributes:
        layers: the affine maps, each with the adaptive activation whose slope is folded into it, or None.
        codes: what the kernel is told of each layer, see `jets`.
        orders: the derivatives and all lower ones that they need, the value first.
        columns: the same for the kernel, without the value.
    """

    layers: tuple[tuple[nn.Linear, AdaptiveActivation | None], ...]
    codes: tuple[int, ...]
    orders: tuple[Order, ...]
    columns: tuple[int, ...]

    @classmethod
    def of(cls, network: nn.Module, orders: Iterable[Order]) -> FusedPlan:
        """Plan some derivatives of a network; builds the kernel if it is not there.

        Args:
            network: see `why_not_fused`.
            orders: the derivatives, as sorted column indices.

        Returns:
            The plan.

        Raises:
            ConfigurationError: if the network or an order is beyond the kernel, or if it cannot be built.
        """
        needed = with_lower_orders(orders)
        if (reason := why_not_fused(network, needed)) is not None:
            raise ConfigurationError(f"the fused kernel cannot differentiate this network: {reason}")
        load_kernel()
        prepare()
        stages = TaylorPlan.of(network, needed).stages
        layers, codes = [], []
        for stage, after in zip(stages, (*stages[1:], None), strict=True):
            if stage.affine is not None:
                layers.append((stage.affine, stage.slope))
                codes += [_code_after(after), int(stage.affine.bias is not None), int(stage.slope is not None)]
        columns = tuple(column for order in needed[1:] for column in (*order, -1)[:2])
        return cls(tuple(layers), tuple(codes), needed, columns)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Unpickled in a process of its own, where nobody has loaded the kernel.
        vars(self).update(state)
        load_kernel()
        prepare()

    def parameters(self) -> list[Tensor]:
        """Return what the kernel is given: of each layer the weight, the bias and the slope, as far as it has them.

        Returns:
            Tensors of the weights' dtype, attached to the graph.
        """
        found: list[Tensor] = []
        for affine, site in self.layers:
            weight: Tensor = affine.weight
            bias: Tensor | None = affine.bias
            found += [weight] if bias is None else [weight, bias]
            if site is not None:
                found.append(site.slope.to(weight.dtype))
        return found


class FusedField(Field):
    r"""u = N(x) and the derivatives that were asked for, by one native function, with one for the gradients.

    Each chunk of points goes through all layers while it is in the processor's caches. The pass backwards computes
    them again, so that nothing is kept for a point. On the CPU; the same bits for the same number of threads. The
    gradients cannot be differentiated again.

    Args:
        network: maps points (N, d) to u (N, C); see `why_not_fused`.
        points: shape (N, d), of the network's dtype.
        coordinates: the d names of the columns.
        orders: the derivatives that will be asked for, as sorted column indices, each of order 2 or less; or a
            `FusedPlan` of them for this network, made once for many fields.
        unknowns: the C names of the outputs.

    Raises:
        ConfigurationError: if the network or an order is beyond the kernel, if it cannot be built, or if the points
            are of another dtype or device than the network.
    """

    def __init__(
        self,
        network: nn.Module,
        points: Tensor,
        coordinates: Sequence[str],
        orders: Iterable[Order] | FusedPlan,
        unknowns: Sequence[str] = ("u",),
    ) -> None:
        plan = orders if isinstance(orders, FusedPlan) else FusedPlan.of(network, orders)
        parameters = plan.parameters()
        _check_alike(points, parameters[0])
        (values,) = jets([points.detach()], parameters, plan.codes, [plan.columns])
        self._take(values, plan, coordinates, unknowns)

    @classmethod
    def at_sets(
        cls,
        network: nn.Module,
        points: Sequence[Tensor],
        coordinates: Sequence[str],
        plans: Sequence[FusedPlan],
        unknowns: Sequence[str] = ("u",),
    ) -> list[FusedField]:
        """Differentiate one network at several sets of points in one call, each with derivatives of its own.

        Args:
            network: as for one set.
            points: the sets, shape (N, d) each.
            coordinates: the d names of the columns.
            plans: of this network, one for each set.
            unknowns: the C names of the outputs.

        Returns:
            A field for each set.

        Raises:
            ConfigurationError: as for one set.
        """
        parameters = plans[0].parameters()
        for own in points:
            _check_alike(own, parameters[0])
        columns = [plan.columns for plan in plans]
        sets = jets([own.detach() for own in points], parameters, plans[0].codes, columns)
        return [cls._made(values, plan, coordinates, unknowns) for values, plan in zip(sets, plans, strict=True)]

    @classmethod
    def of_networks(
        cls,
        networks: Sequence[nn.Module],
        points: Tensor,
        coordinates: Sequence[str],
        orders: Iterable[Order] | Sequence[FusedPlan],
        unknowns: Sequence[str] = ("u",),
    ) -> list[FusedField]:
        """Differentiate several networks of one shape in one call, as for many seeds that train together.

        Args:
            networks: K networks that differ in their parameters alone.
            points: shape (N, d) for all, or (K, N, d) for points of each one's own.
            coordinates: the d names of the columns.
            orders: the derivatives that will be asked for, or a `FusedPlan` of each network.
            unknowns: the C names of the outputs.

        Returns:
            K fields.

        Raises:
            ConfigurationError: as for one network, or if the networks differ in shape.

        Example:
            ``loss = sum(residual(u).square().mean() for u in FusedField.of_networks(networks, x, ["x", "t"], orders))``
            trains each network as if it were alone.
        """
        given: list[Order | FusedPlan] = list(orders)
        plans = [each for each in given if isinstance(each, FusedPlan)]
        if not plans:
            wanted = [each for each in given if not isinstance(each, FusedPlan)]
            plans = [FusedPlan.of(network, wanted) for network in networks]
        if len(plans) != len(networks) or not plans:
            raise ConfigurationError(
                f"{len(networks)} networks and {len(plans)} plans: give a plan for each, or orders"
            )
        parameters = [plan.parameters() for plan in plans]
        shapes = [
            (plan.codes, plan.orders, [p.shape for p in own]) for plan, own in zip(plans, parameters, strict=True)
        ]
        for index, shape in enumerate(shapes):
            if shape != shapes[0]:
                raise ConfigurationError(
                    f"network {index} has other layers, activations, slopes or derivatives than network 0: only "
                    "networks of one shape are differentiated at once"
                )
        stacked = [torch.stack(group) for group in zip(*parameters, strict=True)]
        _check_alike(points, stacked[0])
        (values,) = jets([points.detach()], stacked, plans[0].codes, [plans[0].columns])
        together = zip(*(value.unbind() for value in values), strict=True)
        return [cls._made(own, plan, coordinates, unknowns) for own, plan in zip(together, plans, strict=True)]

    @classmethod
    def _made(
        cls, values: Sequence[Tensor], plan: FusedPlan, coordinates: Sequence[str], unknowns: Sequence[str]
    ) -> FusedField:
        field = cls.__new__(cls)
        field._take(values, plan, coordinates, unknowns)
        return field

    def _take(
        self, values: Sequence[Tensor], plan: FusedPlan, coordinates: Sequence[str], unknowns: Sequence[str]
    ) -> None:
        super().__init__(values[0], coordinates, unknowns)
        self._jets = dict(zip(plan.orders[1:], values[1:], strict=True))

    def _derivative(self, order: Order) -> Tensor:
        if order not in self._jets:
            raise self._not_asked_for(order)
        return self._jets[order]


def _check_alike(points: Tensor, parameter: Tensor) -> None:
    if (points.dtype, points.device) != (parameter.dtype, parameter.device):
        raise ConfigurationError(
            f"points are {points.dtype} on {points.device}, the network is {parameter.dtype} on {parameter.device}: "
            "the fused kernel needs both alike"
        )


def _why_not_alternating(stages: Sequence[Stage]) -> str | None:
    after_affine = False
    for stage in stages:
        if stage.affine is None and not after_affine:
            return "the kernel takes each activation after a linear layer, and one stands elsewhere"
        if stage.rule is not None and rule_name(stage.rule) not in KERNEL_ACTIVATIONS:
            return "an activation has a rule of its own, which the kernel does not know"
        after_affine = stage.affine is not None
    return None if after_affine else "the kernel ends with a linear layer, and the network does not"


def _code_after(stage: Stage | None) -> int:
    """Return the kernel's number for what follows an affine map; the identity stands between two of them."""
    if stage is None:
        return _NONE_AFTER
    name = "identity" if stage.rule is None else rule_name(stage.rule)
    assert name is not None
    return KERNEL_ACTIVATIONS.index(name)
