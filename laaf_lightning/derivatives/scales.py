"""Physical units on the outside of a network, numbers around 1 within: maps of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from laaf_lightning.errors import ConfigurationError
from laaf_lightning.given_numbers import Numbers, as_tensor


class _FixedNumbers(nn.Module):
    """Buffers that are never trained, and that keep what they were given where the module's dtype changes."""

    _names: ClassVar[tuple[str, ...]]

    def __init__(self, *numbers: Numbers) -> None:
        super().__init__()
        given = zip(self._names, numbers, strict=True)
        self._exact = {name: as_tensor(value, name).detach().double().cpu().clone() for name, value in given}
        for name, exact in self._exact.items():
            self.register_buffer(name, exact.to(torch.get_default_dtype(), copy=True))
        self.register_load_state_dict_pre_hook(_take_exact)  # type: ignore[no-untyped-call]

    @classmethod
    def in_state(cls, state_dict: Mapping[str, Any], prefix: str) -> list[Tensor] | None:
        """Find the numbers of such a map in a state dict.

        Args:
            state_dict: of a module that may have one.
            prefix: of its keys.

        Returns:
            The constructor's arguments; None if there is none.
        """
        keys = [prefix + name for name in cls._names]
        return [state_dict[key] for key in keys] if all(key in state_dict for key in keys) else None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        dtypes = {name: getattr(self, name).dtype for name in self._exact}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, exact in self._exact.items():
            if (buffer := getattr(self, name)).dtype != dtypes[name]:
                buffer.copy_(exact)
        return self


def _take_exact(module: nn.Module, state_dict: Mapping[str, Any], prefix: str, *_: object) -> None:
    assert isinstance(module, _FixedNumbers)
    for name in module._exact:
        if isinstance(given := state_dict.get(prefix + name), Tensor) and given.shape == module._exact[name].shape:
            module._exact[name] = given.detach().double().cpu()


class InputScale(_FixedNumbers):
    r"""The map of physical coordinates to those that a network sees, :math:`\xi = (x - c) / h` by column.

    The first layer of a network, before a linear one: derivatives by x are then those by ξ, over h, at no cost in any
    engine, since points are shifted once and h goes into the first weight.

    Args:
        center: c, shape (d,).
        half_range: h, shape (d,); not zero.

    Raises:
        ConfigurationError: for numbers that are not finite, shapes that differ, or h = 0.

    Example:
        >>> scale = InputScale.of_box([(0.0, 1e6), (0.0, 1.0)])
        >>> scale(torch.tensor([[0.0, 0.0], [1e6, 0.5]])).tolist()
        [[-1.0, -1.0], [1.0, 0.0]]
    """

    _names = ("center", "half_range")
    center: Tensor
    half_range: Tensor

    def __init__(self, center: Numbers, half_range: Numbers) -> None:
        super().__init__(center, half_range)
        _check(self, "half_range")

    @classmethod
    def of_box(cls, bounds: Sequence[tuple[float, float]]) -> InputScale:
        """Map each coordinate's interval to [−1, 1].

        Args:
            bounds: (lower, upper) of each coordinate.

        Returns:
            The map.
        """
        return cls([(low + high) / 2 for low, high in bounds], [(high - low) / 2 for low, high in bounds])

    def forward(self, x: Tensor) -> Tensor:
        """Map coordinates.

        Args:
            x: shape (..., d).

        Returns:
            ξ, likewise.
        """
        return (x - self.center) / self.half_range

    def shifted(self, x: Tensor) -> Tensor:
        """Return x − c, which is exact near c, as a large shift within a bias would not be.

        Args:
            x: shape (..., d).

        Returns:
            Likewise.
        """
        return x - self.center


class OutputScale(_FixedNumbers):
    r"""The map of a network's outputs to physical unknowns, :math:`u = o + s N` by column.

    The last layer of a network, after a linear one, into whose weight and bias all engines fold it.

    Args:
        offset: o, shape (C,).
        scale: s, shape (C,); not zero.

    Raises:
        ConfigurationError: for numbers that are not finite, shapes that differ, or s = 0.

    Example:
        >>> OutputScale([300.0], [50.0])(torch.tensor([[-1.0], [0.5]])).tolist()
        [[250.0], [325.0]]
    """

    _names = ("offset", "scale")
    offset: Tensor
    scale: Tensor

    def __init__(self, offset: Numbers, scale: Numbers) -> None:
        super().__init__(offset, scale)
        _check(self, "scale")

    def forward(self, outputs: Tensor) -> Tensor:
        """Map outputs.

        Args:
            outputs: N, shape (..., C).

        Returns:
            u, likewise.
        """
        return self.offset + self.scale * outputs

    def folded(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the last linear layer with this map in it.

        Args:
            weight: W, shape (C, F).
            bias: b, shape (C,), or None.

        Returns:
            s·W and s·b + o, attached to the graph.
        """
        offset = self.offset.to(weight.dtype)
        scale = self.scale.to(weight.dtype)
        return scale[:, None] * weight, offset if bias is None else torch.addcmul(offset, scale, bias)


def _check(numbers: _FixedNumbers, divisor: str) -> None:
    shapes = {name: tuple(exact.shape) for name, exact in numbers._exact.items()}
    kind = type(numbers).__name__
    if len(set(shapes.values())) > 1 or len(shapes[divisor]) != 1:
        given = ", ".join(f"{name} of shape {shape}" for name, shape in shapes.items())
        raise ConfigurationError(f"{kind} has {given}: give one number for each column to both")
    for name, exact in numbers._exact.items():
        if not exact.isfinite().all() or (name == divisor and not exact.all()):
            wanted = "finite and not zero" if name == divisor else "finite"
            raise ConfigurationError(f"{kind} has {name}={exact.tolist()}: all must be {wanted}")
        held = getattr(numbers, name)
        if not held.isfinite().all() or (name == divisor and not (held.all() and (1 / held).isfinite().all())):
            raise ConfigurationError(
                f"{kind} has {name}={exact.tolist()}, beyond the range of {held.dtype}: state the problem in other"
                " units"
            )
