"""The multilayer perceptron of the regression and PDE experiments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from torch import Tensor, nn

from laaf_lightning.activations import Activation, Scope
from laaf_lightning.derivatives import InputScale, OutputScale
from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.models.sites import SiteFactory, check_sizes, example_for

Init = Literal["xavier", "normal"]


class MLP(nn.Module):
    r"""Fully connected network with an adaptive activation after every hidden layer.

    .. math:: u(x) = W_D\, h_{D-1} + b_D, \qquad h_k = \sigma\big(n a_k (W_k h_{k-1} + b_k)\big), \quad h_0 = x

    Source: Jagtap, Kawaguchi & Karniadakis, Proc. R. Soc. A 476:20200334 (2020), section 2. Maps a tensor of
    shape (..., in_features) to (..., out_features).

    Args:
        in_features: number of inputs.
        out_features: number of outputs.
        width: neurons in every hidden layer.
        depth: number of hidden layers, D − 1.
        activation: the elementwise σ: a name, a callable or an ``nn.Module``.
        scope: ``"fixed"``, ``"global"``, ``"layer"``, ``"channel"`` or ``"neuron"``; the last two mean the
            same here, slopes of shape (width,).
        n: scaling factor, > 0.
        init: ``"xavier"`` (Xavier normal weights, zero biases) or ``"normal"`` (weights and biases from
            N(0, 0.1²), as in the paper's code for regression).
        input_scale: maps physical inputs to those that the first layer sees; None for none.
        output_scale: maps what the last layer gives to physical outputs; None for none.

    Attributes:
        linears: the depth + 1 affine maps.
        input_scale: as given. A state dict that is loaded decides: its maps are taken, and one without has none.
        output_scale: likewise.
        activations: the depth sites, so that `named_slopes` names them ``activations.0`` … from input to output.

    Raises:
        ConfigurationError: for a size below 1, an unknown init, scope or activation, n ≤ 0, or maps of other columns.

    Example:
        >>> import torch
        >>> from laaf_lightning.activations import named_slopes
        >>> model = MLP(2, 1, width=20, depth=6, scope="neuron", n=10)
        >>> model(torch.zeros(5, 2)).shape
        torch.Size([5, 1])
        >>> [(name, tuple(slope.shape)) for name, slope in named_slopes(model)][:2]
        [('activations.0', (20,)), ('activations.1', (20,))]
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        width: int = 50,
        depth: int = 4,
        activation: Activation = "tanh",
        scope: Scope = "layer",
        n: float = 1.0,
        init: Init = "xavier",
        input_scale: InputScale | None = None,
        output_scale: OutputScale | None = None,
    ) -> None:
        super().__init__()
        check_sizes({"in_features": in_features, "out_features": out_features, "width": width, "depth": depth})
        if init not in get_args(Init):
            raise ConfigurationError(unknown_choice("init", init, get_args(Init)))
        sites = SiteFactory(activation, scope, n)
        sizes = [in_features, *[width] * depth, out_features]
        self.linears = nn.ModuleList(nn.Linear(sizes[k], sizes[k + 1]) for k in range(depth + 1))
        self.activations = nn.ModuleList(sites.features(width) for _ in range(depth))
        for linear in self.linears:
            _initialise(linear, init)
        for name, scale, columns in (
            ("input_scale", input_scale, in_features),
            ("output_scale", output_scale, out_features),
        ):
            if scale is not None and len(next(scale.buffers())) != columns:
                raise ConfigurationError(
                    f"{name} has {len(next(scale.buffers()))} columns, and the network {columns}: give one number for "
                    "each column"
                )
        # No modules where there are none, so that such a network is what it always was.
        self.input_scale, self.output_scale = input_scale, output_scale
        self.register_load_state_dict_pre_hook(_take_scales)  # type: ignore[no-untyped-call]

    @property
    def example_input(self) -> Tensor:
        """A batch of two inputs, always the same noise."""
        first: Any = self.linears[0]
        return example_for(self, 2, first.in_features)

    def layers(self) -> Iterator[nn.Module]:
        """Return affine maps and activations in turn, from input to output.

        Yields:
            2·depth + 1 modules, and the maps to and from physical units at the ends, where there are any.
        """
        if self.input_scale is not None:
            yield self.input_scale
        # Unpacked, since a slice of a ModuleList would build a new module at every call.
        *hidden, last = self.linears
        for linear, activation in zip(hidden, self.activations, strict=True):
            yield linear
            yield activation
        yield last
        if self.output_scale is not None:
            yield self.output_scale

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the network.

        Args:
            x: inputs, shape (..., in_features).

        Returns:
            Outputs, shape (..., out_features).
        """
        for layer in self.layers():
            x = layer(x)
        return x


def _initialise(linear: nn.Module, init: Init) -> None:
    assert isinstance(linear, nn.Linear)
    if init == "xavier":
        nn.init.xavier_normal_(linear.weight)
        nn.init.zeros_(linear.bias)
    else:
        nn.init.normal_(linear.weight, std=0.1)
        nn.init.normal_(linear.bias, std=0.1)


def _take_scales(model: nn.Module, state_dict: Mapping[str, Any], prefix: str, *_: object) -> None:
    """Have the maps that a state dict has: the weights belong to them."""
    assert isinstance(model, MLP)
    first: Any = model.linears[0]
    if f"{prefix}linears.0.weight" not in state_dict:
        return
    for name, kind in (("input_scale", InputScale), ("output_scale", OutputScale)):
        own: InputScale | OutputScale | None = getattr(model, name)
        numbers = kind.in_state(state_dict, f"{prefix}{name}.")
        if numbers is None or own is None:
            setattr(
                model, name, None if numbers is None else kind(*numbers).to(first.weight.device, first.weight.dtype)
            )
