"""A PINN in physical units: what the network sees, checkpoints, the command line, and how exact it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from laaf_lightning.cli import main
from laaf_lightning.data import CollocationDataModule
from laaf_lightning.derivatives import InputScale, OutputScale
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.models import MLP
from laaf_lightning.modules import PINN
from laaf_lightning.optimizers import SelfScaledBroyden
from laaf_lightning.problems import Burgers, Heat
from tests.cli.command import QUIET, refusal
from tests.solutions.scales.rod import Rod, batch_of
from tests.trainers import quiet_trainer

TINY: Any = {"width": 3, "depth": 1}
LARGE = Rod(1e6, 300.0, 300.0)


def error_of(problem: Rod) -> float:
    """Train in float64, return the error relative to the rise."""
    torch.manual_seed(0)
    pinn, batch = PINN(problem, width=10, depth=2).double(), batch_of(problem, 30)
    optimizer = SelfScaledBroyden(pinn.parameters())

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = pinn.loss(batch)
        loss.backward()
        return loss

    for _ in range(25):
        optimizer.step(closure)
    grid = problem.grid()
    exact = problem.exact(grid)
    return float((pinn(grid).detach() - exact).norm() / (exact - problem.base).norm())


def test_on_a_million_metres_and_around_300_it_becomes_as_exact_as_on_one() -> None:
    small, large = error_of(Rod()), error_of(LARGE)
    assert small < 1e-6
    assert large < 1e-6


def test_a_problem_of_order_one_has_the_keys_that_it_had() -> None:
    assert not [key for key in PINN(Burgers(), **TINY).state_dict() if "scale" in key or "unit" in key]


def test_the_network_sees_mapped_coordinates_and_gives_physical_values() -> None:
    pinn = PINN(LARGE, **TINY)
    network = pinn.network
    assert isinstance(network, MLP)
    assert network.input_scale is not None
    assert network.input_scale(torch.tensor([[0.0], [1e6]])).tolist() == [[-1.0], [1.0]]
    assert network.output_scale is not None
    assert (network.output_scale.offset.item(), network.output_scale.scale.item()) == (300.0, 300.0)
    seen: list[Tensor] = []
    network.linears[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    u = pinn(torch.tensor([[0.0], [2.5e5]]))
    assert seen[-1].tolist() == [[-1.0], [-0.5]]
    assert (u - 300).abs().max() < 1500


def test_all_engines_give_the_same_loss_and_gradient() -> None:
    batch, found = batch_of(LARGE), []
    for engine in ("autograd", "taylor"):
        torch.manual_seed(0)
        pinn = PINN(LARGE, **TINY, engine=engine).double()
        loss = pinn.loss(batch)
        found.append((loss.detach(), *torch.autograd.grad(loss, [*pinn.parameters()])))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_it_trains_while_the_terms_of_several_conditions_are_logged_apart() -> None:
    pinn, data = PINN(LARGE, **TINY), CollocationDataModule(LARGE, 10, 1)
    trainer = quiet_trainer(max_steps=2, max_epochs=-1, limit_val_batches=0, log_every_n_steps=1)
    trainer.fit(pinn, datamodule=data)
    assert trainer.callback_metrics.keys() >= {"train/mse_left", "train/mse_right"}
    assert trainer.global_step == 2


def test_a_checkpoint_holds_maps_and_units(tmp_path: Path) -> None:
    pinn, data = PINN(LARGE, **TINY), CollocationDataModule(LARGE, 10, 1)
    trainer = quiet_trainer(max_steps=2, max_epochs=-1, limit_val_batches=0)
    trainer.fit(pinn, datamodule=data)
    trainer.save_checkpoint(tmp_path / "scaled.ckpt")
    again = PINN.load_from_checkpoint(tmp_path / "scaled.ckpt", problem=LARGE)
    batch = batch_of(LARGE)._replace(residual_points=torch.rand(5, 1) * 1e6)
    batch = batch._replace(
        condition_points=batch.condition_points.float(), condition_values=batch.condition_values.float()
    )
    assert again.loss(batch).item() == pinn.loss(batch).item()
    changed = PINN.load_from_checkpoint(tmp_path / "scaled.ckpt", problem=LARGE, scale_inputs=False, output_scale=None)
    assert changed.loss(batch).item() == pinn.loss(batch).item()


def test_a_checkpoint_from_before_there_were_scales_gives_what_it_gave() -> None:
    before, points = PINN(LARGE, **TINY, scale_inputs=False, output_scale=None).double(), batch_of(LARGE)
    after = PINN(LARGE, **TINY).double()
    after.load_state_dict(before.state_dict())
    assert torch.equal(after(points.residual_points), before(points.residual_points))
    assert after.loss(points).item() == before.loss(points).item()
    assert list(after.state_dict()) == list(before.state_dict())


class Own(PINN):
    """A network of one's own."""

    def build_network(self) -> nn.Module:
        return nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))


def test_a_network_of_ones_own_is_left_alone_unless_it_is_asked_for() -> None:
    assert [type(part) for part in Own(LARGE).network.children()] == [nn.Linear, nn.Tanh, nn.Linear]
    first, network, last = Own(LARGE, scale_inputs=True, output_scale="data").network.children()
    assert isinstance(first, InputScale)
    assert isinstance(network, nn.Sequential)
    assert isinstance(last, OutputScale)
    assert Own(LARGE, scale_inputs=True).differentiator.name == "taylor"


def test_a_network_around_ours_is_ones_own() -> None:
    class Around(PINN):
        def build_network(self) -> nn.Module:
            return nn.Sequential(InputScale([5e5], [5e5]), super().build_network())

    outer, inner = Around(LARGE, **TINY).network.children()
    assert isinstance(outer, InputScale)
    assert inner.input_scale is None


def test_the_command_line_says_all_of_it_and_the_checkpoint_keeps_it(tmp_path: Path) -> None:
    arguments = ["--model.width=3", "--model.depth=1", "--data.num_residual=10", "--data.num_condition=2"]
    scales = ["--model.scale_inputs=true", '--model.output_scale={"u": 5.0}', "--model.output_offset=[1.0]"]
    quick = [
        "--trainer.max_steps=1",
        "--trainer.limit_val_batches=0",
        f"--trainer.logger.init_args.save_dir={tmp_path}",
    ]
    config = Path(__file__).parents[2] / "configs" / "heat.yaml"
    run = main(["fit", "--config", str(config), *QUIET, *arguments, *scales, *quick])
    network: Any = run.model.network
    assert network.input_scale.center.tolist() == [0.5, 0.5]
    assert (network.output_scale.offset.item(), network.output_scale.scale.item()) == (1.0, 5.0)
    (checkpoint,) = tmp_path.rglob("*.ckpt")
    again = PINN.load_from_checkpoint(checkpoint, problem=Heat())
    points = torch.rand(4, 2)
    assert torch.equal(again(points), run.model(points))
    assert again.hparams["output_scale"] == {"u": 5.0}


def test_the_command_line_refuses_a_scale_of_zero_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    config = Path(__file__).parents[2] / "configs" / "heat.yaml"
    sentence = refusal(capsys, "fit", f"--config={config}", "--model.output_scale=0")
    assert "output_scale=0" in sentence
    assert "must be > 0" in sentence


@pytest.mark.parametrize("setting", [{"scale_inputs": "x"}, {"output_scale": 0}, {"scale_terms": 2}])
def test_settings_that_do_not_exist_are_refused(setting: Any) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(setting))):
        PINN(LARGE, **TINY, **setting)


@pytest.mark.parametrize("engine", ["autograd", "taylor"])
def test_terms_that_are_logged_by_name_leave_the_graph_of_the_loss_whole(engine: Any) -> None:
    trainer = quiet_trainer(max_steps=2, limit_val_batches=0)
    trainer.fit(PINN(LARGE, engine=engine, **TINY), datamodule=CollocationDataModule(LARGE, 8, 2))
    assert {"train/mse_left", "train/mse_right"} <= set(trainer.callback_metrics)
