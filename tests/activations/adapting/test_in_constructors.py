from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning
from torch import nn

from laaf_lightning import AdaptiveActivation, ConfigurationError, adapt
from tests.trainers import quiet_trainer


def in_constructor(how: Any) -> type[pytorch_lightning.LightningModule]:
    class Own(pytorch_lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(1, 2), nn.Tanh())
            how(self)

    return Own


def test_a_copy_of_a_module_within_its_own_constructor_is_refused_with_the_form_that_works() -> None:
    def adapts_itself(self: Any) -> None:
        self.net = adapt(self.net)

    class Lost(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(1, 2), nn.Tanh())
            adapt(self)

    with pytest.raises(ConfigurationError, match=r"in the constructor of Lost returns a copy.*self\.net = "):
        Lost()
    own = in_constructor(adapts_itself)()
    assert isinstance(own.net, nn.Sequential)
    assert isinstance(own.net[1], AdaptiveActivation)


@pytest.mark.parametrize("inside", ["net", "inplace"])
def test_a_module_that_is_adapted_from_inside_loads_from_its_checkpoint(inside: str, tmp_path: Path) -> None:
    def how(self: Any) -> None:
        if inside == "net":
            self.net = adapt(self.net, n=2)
        else:
            adapt(self, n=2, inplace=True)

    kind = in_constructor(how)
    model = kind()
    trainer = quiet_trainer(max_epochs=0)
    trainer.strategy.connect(model)
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    twin = kind.load_from_checkpoint(tmp_path / "own.ckpt", weights_only=True)
    assert twin.state_dict().keys() == model.state_dict().keys()
    assert any(name.endswith(".a") for name in twin.state_dict())
