"""u and its derivatives by the fused kernel, for networks that alternate affine maps and known activations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from laaf_lightning.derivatives.engines.fused.operator import jets
from laaf_lightning.derivatives.engines.fused.plan import FusedPlan
from laaf_lightning.derivatives.jet_field import JetField
from laaf_lightning.derivatives.orders import Order
from laaf_lightning.errors import ConfigurationError


class FusedField(JetField):
    r"""u = N(x) and the derivatives that were asked for, by one native function, with one for the gradients.

    Each chunk of points goes through all layers while it is in the processor's caches. The pass backwards computes
    them again, so that nothing is kept for a point. On the CPU; the same bits for the same number of threads. The
    gradients cannot be differentiated again.

    Args:
        network: maps points (N, d) to u (N, C); see `FusedPlan.of`.
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
        (values,) = jets([plan.inner_points(points)], parameters, plan.codes, [plan.columns])
        super().__init__(dict(zip(plan.orders, values, strict=True)), plan.orders, coordinates, unknowns)

    @classmethod
    def at_sets(
        cls,
        network: nn.Module,
        points: Sequence[Tensor],
        coordinates: Sequence[str],
        plans: Sequence[FusedPlan],
        unknowns: Sequence[str] = ("u",),
    ) -> list[JetField]:
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
        inner = [plan.inner_points(own) for plan, own in zip(plans, points, strict=True)]
        sets = jets(inner, parameters, plans[0].codes, columns)
        return [_field(values, plan, coordinates, unknowns) for values, plan in zip(sets, plans, strict=True)]

    @classmethod
    def of_networks(
        cls,
        networks: Sequence[nn.Module],
        points: Tensor,
        coordinates: Sequence[str],
        orders: Iterable[Order] | Sequence[FusedPlan],
        unknowns: Sequence[str] = ("u",),
    ) -> list[JetField]:
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
        orders_or_plans: list[Order | FusedPlan] = list(orders)
        plans = [each for each in orders_or_plans if isinstance(each, FusedPlan)]
        if not plans:
            wanted = [each for each in orders_or_plans if not isinstance(each, FusedPlan)]
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
        (values,) = jets([_inner_points(plans, points)], stacked, plans[0].codes, [plans[0].columns])
        together = zip(*(value.unbind() for value in values), strict=True)
        return [_field(own, plan, coordinates, unknowns) for own, plan in zip(together, plans, strict=True)]


def _field(values: Sequence[Tensor], plan: FusedPlan, coordinates: Sequence[str], unknowns: Sequence[str]) -> JetField:
    """Make a field of one set, or one network, of a call that gave several."""
    return JetField(dict(zip(plan.orders, values, strict=True)), plan.orders, coordinates, unknowns)


def _inner_points(plans: Sequence[FusedPlan], points: Tensor) -> Tensor:
    """Return the points of several networks, each with a map of its own or none."""
    if all(plan.inputs is None for plan in plans):
        return points.detach()
    own = points if points.ndim == 3 else [points] * len(plans)
    return torch.stack([plan.inner_points(each) for plan, each in zip(plans, own, strict=True)])


def _check_alike(points: Tensor, parameter: Tensor) -> None:
    if (points.dtype, points.device) != (parameter.dtype, parameter.device):
        raise ConfigurationError(
            f"points are {points.dtype} on {points.device}, the network is {parameter.dtype} on {parameter.device}: "
            "the fused kernel needs both alike"
        )
