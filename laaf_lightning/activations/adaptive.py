"""The adaptive activation σ(n·a·z) and the scopes in which its slope is trained."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from laaf_lightning.activations.elementwise import Activation, resolve_activation
from laaf_lightning.activations.product.scaled import scaled
from laaf_lightning.activations.product.start import in_dtype_of, offsets_at_start
from laaf_lightning.activations.state import check_state, save_n
from laaf_lightning.errors import ConfigurationError, unknown_choice

Scope = Literal["fixed", "global", "layer", "channel", "neuron"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


def check_scope(scope: str) -> Scope:
    """Return `scope` if it is one of the five, else raise an error that lists them.

    Args:
        scope: ``"fixed"``, ``"global"``, ``"layer"``, ``"channel"`` or ``"neuron"``.

    Returns:
        The same string, typed.

    Raises:
        ConfigurationError: if it is another one.
    """
    for known in SCOPES:
        if scope == known:
            return known
    raise ConfigurationError(unknown_choice("scope", scope, SCOPES))


def check_scaling_factor(n: float) -> float:
    """Return the scaling factor as a float if it is finite and positive.

    Args:
        n: the fixed factor in σ(n·a·z); the paper takes n ≥ 1.

    Returns:
        `n` as a Python float.

    Raises:
        ConfigurationError: otherwise.
    """
    try:
        number = math.nan if isinstance(n, (bool, str)) else float(n)
    except (TypeError, ValueError):
        number = math.nan
    if not (number > 0 and math.isfinite(number)):
        raise ConfigurationError(f"n={n!r} must be a finite number > 0 (the paper takes n >= 1, often 10)")
    return number


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
    _unseen = False  # by a torch function mode around it; `adapt` sets it where it puts one there

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
        expected = _slope_shape(self.scope, shape, slope)
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
        slope = self.slope
        if self.a.ndim and torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            slope = slope.expand_as(z)  # sizes are no numbers there: the traced graph refuses z itself, at every call
        elif self.a.ndim:
            _check_broadcast(self.a.shape, z.shape)
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


def _slope_shape(scope: Scope, shape: Sequence[int] | None, slope: nn.Parameter | None) -> tuple[int, ...]:
    """Check `shape` and `slope` against the scope; return the shape of the slope."""
    given = _sizes(shape)
    if slope is not None:
        given = _shape_of_shared(scope, given, slope)
    if scope in {"channel", "neuron"}:
        if given is None:
            raise ConfigurationError(
                f"scope={scope!r} needs shape=…, the slope's own shape against one sample: (F,) for F features, "
                "(C, 1, 1) for channels, (C, H, W) for neurons of a convolution"
            )
        return given
    if given:
        holds = "no slope" if scope == "fixed" else "one slope of shape ()"
        raise ConfigurationError(
            f"shape={given} does not go with scope={scope!r}, which has {holds}; "
            "take scope='channel' or 'neuron', or leave shape out"
        )
    return ()


def _sizes(shape: Sequence[int] | None) -> tuple[int, ...] | None:
    """Return `shape` as a tuple, or raise unless it is a sequence of whole numbers ≥ 1."""
    if shape is None:
        return None
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        sizes = (0,)
    if any(size < 1 for size in sizes):
        raise ConfigurationError(
            f"shape={shape!r} must be a sequence of whole numbers >= 1, such as (50,) or (64, 1, 1)"
        )
    return sizes


def _shape_of_shared(scope: Scope, given: tuple[int, ...] | None, slope: nn.Parameter) -> tuple[int, ...]:
    """Return the shape of a slope that is handed over, or raise where it cannot serve as one."""
    if scope == "fixed":
        raise ConfigurationError("slope=… with scope='fixed': a fixed activation has no slope; leave it out")
    if not isinstance(slope, nn.Parameter):
        raise ConfigurationError(
            f"slope=… is a {type(slope).__name__}, which would be neither trained nor saved: give an nn.Parameter"
        )
    if given is not None and tuple(slope.shape) != given:
        raise ConfigurationError(f"slope has shape {tuple(slope.shape)}, but shape={given} was asked for")
    return tuple(slope.shape)


def _check_broadcast(slope: torch.Size, z: torch.Size) -> None:
    """Raise unless the slope broadcasts against z without changing z's shape."""
    fits = len(slope) <= len(z) and all(s in {1, size} for s, size in zip(slope, z[len(z) - len(slope) :], strict=True))
    if not fits:
        raise ConfigurationError(
            f"slope of shape {tuple(slope)} does not broadcast against pre-activations of shape {tuple(z)}: "
            f"each trailing size must be equal or 1; one sample has shape {tuple(z[1:])}, give shape= accordingly"
        )
