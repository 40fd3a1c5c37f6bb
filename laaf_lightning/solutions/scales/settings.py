"""What a user asks of scales, and the maps that follow for one problem."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TypedDict

from torch import nn

from laaf_lightning.derivatives import InputScale, OutputScale
from laaf_lightning.problems import PDE
from laaf_lightning.solutions.scales.inputs import ScaleInputs, input_scale
from laaf_lightning.solutions.scales.outputs import OutputOffsetSetting, OutputScaleSetting, output_scale


class OwnScales(TypedDict):
    """What an `MLP` takes."""

    input_scale: InputScale | None
    output_scale: OutputScale | None


@dataclass(frozen=True)
class Scales:
    """The maps around a network.

    Attributes:
        inputs: of the coordinates, or None.
        outputs: of the unknowns, or None.
        goes_around: whether the network is the user's own, which maps nothing itself.
    """

    inputs: InputScale | None
    outputs: OutputScale | None
    goes_around: bool

    @classmethod
    def of(
        cls,
        problem: PDE,
        inputs: ScaleInputs = "auto",
        scale: OutputScaleSetting = "auto",
        offset: OutputOffsetSetting = None,
        *,
        own_network: bool = False,
    ) -> Scales:
        """Find the maps that settings ask for.

        Args:
            problem: the equation with its conditions.
            inputs: as for `input_scale`.
            scale: as for `output_scale`.
            offset: as for `output_scale`.
            own_network: whether the network is the user's own, which may have been written for physical units, and of
                which ``"auto"`` therefore asks nothing.

        Returns:
            The maps.
        """
        of_inputs, of_outputs = input_scale(problem, inputs), output_scale(problem, scale, offset)
        if own_network and inputs == "auto":
            of_inputs = None
        if own_network and isinstance(scale, str) and scale == "auto" and offset is None:
            of_outputs = None
        return cls(of_inputs, of_outputs, own_network)

    @property
    def inside(self) -> OwnScales:
        """The maps as arguments of a network that holds them itself."""
        if self.goes_around:
            return {"input_scale": None, "output_scale": None}
        # Copies, since a network may be built once more.
        return {"input_scale": copy.deepcopy(self.inputs), "output_scale": copy.deepcopy(self.outputs)}

    def around(self, network: nn.Module) -> nn.Module:
        """Put the maps before and after a network that does not hold them.

        Args:
            network: maps points (N, d) to the C unknowns (N, C).

        Returns:
            The network itself where nothing is put around it.
        """
        parts = [part for part in (self.inputs, network, self.outputs) if part is not None]
        if not self.goes_around or len(parts) == 1:
            return network
        return nn.Sequential(*parts)
