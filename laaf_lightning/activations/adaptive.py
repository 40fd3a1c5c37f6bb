"""The adaptive activation σ(n·a·z) and the scopes in which its slope is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from laaf_lightning.activations.elementwise import Activation, resolve_activation
from laaf_lightning.activations.product.scaled import scaled
from laaf_lightning.activations.product.start import in_dtype_of, offsets_at_start
from laaf_lightning.activations.scopes import Scope, check_scaling_factor, check_scope
from laaf_lightning.activations.slope_shape import check_broadcast, slope_shape
from laaf_lightning.activations.state import check_state, save_n


def initial_slope(n: float, shape: Sequence[int] = (), like: Tensor | None = None) -> nn.Parameter:
    """Make a slope parameter with a = 1/n everywhere, so that the activation starts as σ(z).

    Args:
        n: scaling factor.
        shape: shape of the slope; ``()`` is one slope for all units.
        like: a tensor whose device the slope takes, and float64 if that is its dtype; half precision is not
            taken over, since a slope needs more digits than an activation.

    Returns:
        A trainable parameter of torch's default dtype, or as `like` says.
    """
    if like is None:
        return nn.Parameter(torch.full(tuple(shape), 1.0 / n))
    dtype = torch.promote_types(like.dtype, torch.float32)
    return nn.Parameter(torch.full(tuple(shape), 1.0 / n, dtype=dtype, device=like.device))


class AdaptiveActivation(nn.Module):
    r"""Activation function with a trainable slope, :math:`\sigma(n \cdot a \cdot z)`.

    Source: Jagtap, Kawaguchi & Karniadakis, Proc. R. Soc. A 476:20200334 (2020), section 2. The factor n is
    fixed; the slope starts at a = 1/n, so that n·a = 1, exactly: where rounding leaves another number, n·a stands
    for n·a + c with the constant c = 1 − n·a at the start, a rounding error of a's dtype. A cast keeps a − 1/n,
    both as held. For z in half precision, n·a·z and a σ that is torch's own are formed in float32 and rounded once.

    Args:
        activation: the elementwise σ: a name (``"tanh"``, ``"relu"`` …), a callable or an ``nn.Module``.
        scope: ``"fixed"`` (σ(z), no parameter), ``"global"`` (one slope handed to all sites as `slope`;
            alone it behaves as ``"layer"``), ``"layer"``, ``"channel"`` or ``"neuron"``.
        n: scaling factor, > 0.
        shape: shape of the slope, broadcast against one sample z[0]: ``()`` for global and layer, ``(F,)``
            for the neurons of a linear layer, ``(C, 1, 1)`` for channels and ``(C, H, W)`` for the neurons
            of a convolution. Needed for ``"channel"`` and ``"neuron"``.
        slope: an existing parameter to share instead of making one, of the shape that the scope asks for.

    Attributes:
        a: the parameter, or None for ``"fixed"``.
        n: the scaling factor.
        scope: the scope.

    Raises:
        ConfigurationError: for an unknown scope or activation, n ≤ 0, a missing or misplaced shape, or a `slope`
            that is no parameter.

    Example:
        >>> site = AdaptiveActivation("tanh", scope="neuron", n=10, shape=(3,))
        >>> site.a.shape, site.slope.tolist()
        (torch.Size([3]), [1.0, 1.0, 1.0])
        >>> bool((site(torch.ones(2, 3)) == torch.tanh(torch.ones(2, 3))).all())
        True
    """

    a: nn.Parameter | None
    # For `adapt` to set: whether torch function modes around it see nothing, and whether z is written over later.
    _unseen = False
    _copies = False

    def __init__(
        self,
        activation: Activation,
        scope: Scope = "layer",
        n: float = 1.0,
        shape: Sequence[int] | None = None,
        *,
        slope: nn.Parameter | None = None,
    ) -> None:
        super().__init__()
        self.activation = resolve_activation(activation)
        self._name = activation if isinstance(activation, str) else getattr(activation, "__name__", repr(activation))
        self._settle(scope, n, shape, slope)

    def _settle(self, scope: Scope, n: float, shape: Sequence[int] | None, slope: nn.Parameter | None) -> None:
        """Set all but σ."""
        self.scope = check_scope(scope)
        self.n = check_scaling_factor(n)
        self._offsets = offsets_at_start(self.n)
        self.shares_slope = slope is not None
        expected = slope_shape(self.scope, shape, slope)
        if self.scope == "fixed":
            self.register_parameter("a", None)
            return
        self.a = initial_slope(self.n, expected) if slope is None else slope
        self.register_state_dict_post_hook(save_n)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(check_state)  # type: ignore[no-untyped-call]

    @property
    def slope(self) -> Tensor:
        """The effective slope n·a, attached to the graph, in float32 or float64; 1 for ``"fixed"``."""
        if self.a is None:
            return torch.ones(())
        product = self.a.to(torch.promote_types(self.a.dtype, torch.float32)) * self.n
        offset = self._offsets.get(self.a.dtype, 0.0)
        return product + offset if offset else product

    def forward(self, z: Tensor) -> Tensor:
        """Apply σ(n·a·z).

        Args:
            z: pre-activations, any shape whose trailing dimensions the slope broadcasts against.

        Returns:
            A tensor of the shape of `z`, and of its dtype as far as σ keeps it.
        """
        if not self._unseen:
            return self._apply_to(z)
        with torch._C.DisableTorchFunction():
            return self._apply_to(z)

    def _apply_to(self, z: Tensor) -> Tensor:
        return self._of_scaled(self.activation, z)

    def _scaled(self, z: Tensor) -> Tensor:
        return self._of_scaled(lambda product: product, z)

    def _of_scaled(self, activation: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
        """Apply a σ to n·a·z."""
        if self.a is None:
            return activation(z)
        if z.is_nested:
            parts = [self._of_scaled(activation, part[None])[0] for part in z.unbind()]
            return torch.nested.as_nested_tensor(parts, layout=z.layout)
        if self._copies and torch.is_grad_enabled():
            z = z.clone()
        slope = self.slope
        if self.a.ndim and torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            slope = slope.expand_as(z)  # sizes are no numbers there: the traced graph refuses z itself, at every call
        elif self.a.ndim:
            check_broadcast(self.a.shape, z.shape)
        if z.is_floating_point():
            return scaled(activation, z, slope)
        # Integers have no room for the slope: there torch's promotion decides.
        return activation(z * (slope.to(z.dtype) if z.is_complex() else slope))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> AdaptiveActivation:
        """Cast and move as torch does, and keep each slope's distance from the start in a new dtype."""
        before = None if (a := self._parameters.get("a")) is None else a.detach()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if before is not None and (a := self._parameters["a"]) is not None and before.dtype != a.dtype:
            a.data = in_dtype_of(a, before, self.n)
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._offsets = offsets_at_start(self.n)

    def extra_repr(self) -> str:
        """Describe the site in ``print(model)``.

        Returns:
            Scope, n and the slope's shape.
        """
        name = f"{self._name}, " if "activation" not in self._modules else ""
        shape = "" if self.a is None else f", n={self.n:g}, shape={tuple(self.a.shape)}"
        return f"{name}scope={self.scope}{shape}"
