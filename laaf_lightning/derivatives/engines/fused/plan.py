"""How the fused kernel computes some derivatives of one network, or why it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.derivatives.engines.engine import Unsuitable
from laaf_lightning.derivatives.engines.fused.build import load_kernel
from laaf_lightning.derivatives.engines.fused.operator import prepare
from laaf_lightning.derivatives.engines.taylor_plan import Stage, TaylorPlan
from laaf_lightning.derivatives.orders import Order
from laaf_lightning.derivatives.rules import rule_name
from laaf_lightning.derivatives.scales import InputScale, OutputScale

TITLE = "the fused kernel"
HIGHEST_ORDER = 2
MOST_COORDINATES = 3
# In the order of the kernel's codes.
KERNEL_ACTIVATIONS = ("identity", "tanh", "sin", "sigmoid", "softplus", "silu", "gelu")
_NONE_AFTER = -1


def why_not_fused(network: nn.Module, plan: TaylorPlan) -> str | None:
    """Tell why the kernel cannot give what Taylor mode can.

    Args:
        network: maps points to outputs.
        plan: of the same derivatives in Taylor mode.

    Returns:
        A clause for a message; None if it can.
    """
    if plan.highest > HIGHEST_ORDER:
        return f"a derivative of order {plan.highest} is asked for, and the kernel goes up to order {HIGHEST_ORDER}"
    if (columns := sum(len(order) == 1 for order in plan.orders)) > MOST_COORDINATES:
        return f"derivatives by {columns} coordinates are asked for, and the kernel has {MOST_COORDINATES}"
    parameters = list(network.parameters())
    if (dtypes := {parameter.dtype for parameter in parameters}) - {torch.float32, torch.float64}:
        return f"the kernel has float32 and float64, and the network is of {', '.join(sorted(map(str, dtypes)))}"
    if any(not parameter.is_cpu for parameter in parameters):
        return f"the kernel runs on the CPU, and the network is on {next(network.parameters()).device}"
    return _why_not_alternating(plan.stages)


@dataclass(frozen=True)
class FusedPlan:
    """How the kernel computes some derivatives of one network: found once, used at every step.

    It holds for the network's layers as they are; where one is replaced, a new plan is needed.

    Attributes:
        layers: the affine maps, each with the adaptive activation whose slope is folded into it, or None.
        codes: what the kernel is told of each layer, see `jets`.
        orders: the derivatives and all lower ones that they need, the value first.
        columns: the same for the kernel, without the value.
        inputs: the map of the points to the network's own coordinates, or None.
        outputs: the map of the last layer's outputs to physical units, or None.
    """

    layers: tuple[tuple[nn.Linear, AdaptiveActivation | None], ...]
    codes: tuple[int, ...]
    orders: tuple[Order, ...]
    columns: tuple[int, ...]
    inputs: InputScale | None = None
    outputs: OutputScale | None = None

    @classmethod
    def of(cls, network: nn.Module, orders: Iterable[Order]) -> FusedPlan:
        """Plan some derivatives of a network; builds the kernel if it is not there.

        Args:
            network: linear layers and activations of `KERNEL_ACTIVATIONS` in turn, float32 or float64, on the CPU.
            orders: the derivatives, as sorted column indices.

        Returns:
            The plan.

        Raises:
            Unsuitable: if the network or an order is beyond the kernel.
            KernelUnavailableError: if the kernel cannot be built.
        """
        try:
            taylor = TaylorPlan.of(network, orders)
        except Unsuitable as error:
            raise Unsuitable(error.reason, TITLE) from error
        if (reason := why_not_fused(network, taylor)) is not None:
            raise Unsuitable(reason, TITLE)
        load_kernel()
        return cls.of_taylor(taylor)

    @classmethod
    def of_taylor(cls, plan: TaylorPlan) -> FusedPlan:
        """Plan for the kernel, which is there, what is planned for Taylor mode.

        Args:
            plan: one that `why_not_fused` has nothing against.

        Returns:
            The plan.
        """
        prepare()
        layers, codes = [], []
        for stage, after in zip(plan.stages, (*plan.stages[1:], None), strict=True):
            if stage.affine is not None:
                layers.append((stage.affine, stage.slope))
                bias: Tensor | None = stage.affine.bias
                has_bias = bias is not None or stage.outputs is not None
                codes += [_code_after(after), int(has_bias), int(stage.slope is not None)]
        columns = tuple(column for order in plan.orders[1:] for column in (*order, -1)[:2])
        outputs = plan.stages[-1].outputs
        return cls(tuple(layers), tuple(codes), plan.orders, columns, plan.inputs, outputs)

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
        tensors: list[Tensor] = []
        last = len(self.layers) - 1
        for index, (affine, site) in enumerate(self.layers):
            weight: Tensor = affine.weight
            bias: Tensor | None = affine.bias
            if index == 0 and self.inputs is not None:
                weight = weight / self.inputs.half_range.to(weight.dtype)
            if index == last and self.outputs is not None:
                weight, bias = self.outputs.folded(weight, bias)
            tensors += [weight] if bias is None else [weight, bias]
            if site is not None:
                tensors.append(site.slope.to(weight.dtype))
        return tensors

    def inner_points(self, points: Tensor) -> Tensor:
        """Return points as the kernel is given them: from the middle of the box, where the network has a map.

        Args:
            points: shape (..., d).

        Returns:
            Likewise, without graph.
        """
        points = points.detach()
        return points if self.inputs is None else self.inputs.shifted(points)


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
