from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from laaf_lightning.derivatives import Field, KernelUnavailableError, KnownFactors, TaylorPlan
from laaf_lightning.derivatives.engines.fused import Fused, build, field, operator
from laaf_lightning.derivatives.engines.fused import engine as engines
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.modules import PINN
from laaf_lightning.problems import Burgers
from tests.modules.small import burgers_data, small_pinn
from tests.solutions.equations import (
    EQUATIONS,
    Dispersive,
    Plain,
    assert_same,
    loss_and_gradients,
    pinn_of,
    points_of,
)
from tests.trainers import quiet_trainer

pytestmark = pytest.mark.usefixtures("kernel")
SECOND_ORDER = [name for name in EQUATIONS if name != "third order"]
CONDITIONS_BEYOND = {"two unknowns", "three coordinates", "three coordinates, partly hard"}


@pytest.mark.parametrize("chunk_size", [None, 5])
@pytest.mark.parametrize("name", SECOND_ORDER)
def test_the_kernel_and_nested_autograd_give_the_same_loss_and_gradients(name: str, chunk_size: int | None) -> None:
    problem = EQUATIONS[name]
    fused = pinn_of(problem, engine="fused", chunk_size=chunk_size)
    engine = fused.differentiator
    assert isinstance(engine, Fused)
    assert isinstance(engine.plans["conditions"], TaylorPlan) == (name in CONDITIONS_BEYOND)
    batch = points_of(problem)
    assert_same(loss_and_gradients(fused, batch), loss_and_gradients(pinn_of(problem, engine="autograd"), batch))


def test_residual_and_conditions_are_one_call_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(points: list[Tensor], *arguments: Any) -> Any:
        calls.append(len(points))
        return operator.jets(points, *arguments)

    monkeypatch.setattr(field, "jets", counted)
    model, batch = pinn_of(Burgers(), engine="fused"), points_of(Burgers())
    model.loss(batch)  # the engine is tried out when it is chosen
    calls.clear()
    model.loss(batch)
    assert calls == [2]


@pytest.mark.parametrize("overridden", ["residual", "field"])
def test_a_residual_or_field_of_ones_own_takes_part(overridden: str) -> None:
    class Doubled(PINN):
        if overridden == "residual":

            def residual(self, points: Tensor, known: KnownFactors | None = None) -> Tensor:
                return 2 * super().residual(points, known)
        else:

            def field(self, points: Tensor, known: Any = None, *, at_conditions: bool = False) -> Field:
                return super().field(points / 2, known, at_conditions=at_conditions)

    batch = points_of(Burgers())
    plain, fused, oracle = (
        pinn_of(Burgers(), kind, engine=engine)
        for kind, engine in ((PINN, "fused"), (Doubled, "fused"), (Doubled, "autograd"))
    )
    found = loss_and_gradients(fused, batch)
    assert_same(found, loss_and_gradients(oracle, batch))
    assert not torch.allclose(found["loss"], loss_and_gradients(plain, batch)["loss"])


def test_an_order_beyond_the_kernel_is_an_error_that_says_why() -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"engine='fused' does not serve here: a derivative of order 3 is asked for, and the kernel goes up to "
        r"order 2; engine='auto' takes Taylor mode",
    ):
        pinn_of(Dispersive(), engine="fused")


def test_a_part_without_a_rule_is_an_error_that_says_why() -> None:
    model = Plain(Burgers(), engine="fused")
    model.network[1] = torch.nn.Mish()
    with pytest.raises(ConfigurationError, match=r"engine='fused' does not serve here: no rule for .*Mish"):
        model.loss(points_of(Burgers()))


def test_a_network_that_leaves_the_kernel_is_told_so() -> None:
    model = PINN(Burgers(), width=4, depth=1, engine="fused")
    model.bfloat16()
    with pytest.raises(
        ConfigurationError, match=r"the kernel has float32 and float64, and the network is of torch\.bf"
    ):
        _ = model.differentiator


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No kernel, no compiler, no ninja."""
    monkeypatch.setattr(build, "_is_loaded", lambda: False)
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)


@pytest.mark.usefixtures("absent")
def test_without_a_compiler_the_kernel_is_an_error_and_auto_falls_back_and_says_why(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KernelUnavailableError, match=r"there is no C\+\+ compiler .*; engine='auto' takes Taylor mode"):
        small_pinn(engine="fused")
    with caplog.at_level("INFO"):
        quiet_trainer(max_steps=1).fit(small_pinn(), burgers_data())
    assert (
        "by Taylor mode. The fused kernel would be faster, but there is no C++ compiler (c++): install" in caplog.text
    )
    caplog.clear()
    model = small_pinn()
    model.solution.choose_engine(builds=True)
    assert str(model.differentiator) == "u, u_x, u_xx, u_t by Taylor mode"
    assert str(model.differentiator.hint).startswith("The fused kernel would be faster, but there is no C++ compiler")


def fitted(steps: int, caplog: pytest.LogCaptureFixture, **settings: Any) -> tuple[PINN, str]:
    """Start a run of some length, and stop it after two steps; return the model and what was said."""
    model = small_pinn(**settings)
    trainer = quiet_trainer(max_steps=steps, max_epochs=-1, limit_val_batches=0)
    with caplog.at_level("INFO"):
        model.on_train_batch_end = lambda *_: setattr(trainer, "should_stop", True)  # type: ignore[method-assign]
        trainer.fit(model, burgers_data())
    return model, caplog.text


def test_auto_leaves_a_short_run_to_taylor_mode_and_names_the_flag(caplog: pytest.LogCaptureFixture) -> None:
    model, told = fitted(5000, caplog)
    assert model.differentiator.name == "taylor"
    assert "u, u_x, u_xx, u_t by Taylor mode. --model.engine fused is faster" in told


def test_auto_builds_the_kernel_for_a_long_run(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(engines, "load_kernel", asked.append)
    model, told = fitted(5001, caplog)
    assert model.differentiator.name == "fused"
    assert len(asked) == 1
    assert "PINN: u, u_x, u_xx, u_t by the fused kernel." in told
    assert "is faster" not in told


def test_auto_does_not_depend_on_what_an_earlier_run_has_built(monkeypatch: pytest.MonkeyPatch) -> None:
    assert build.is_built()
    assert small_pinn().differentiator.name == "taylor"
    monkeypatch.setattr(build, "_ninja_folder", lambda: None)
    model = small_pinn()
    model.solution.choose_engine(builds=True)
    assert model.differentiator.name == "taylor"
    assert model.differentiator.hint == (
        'The fused kernel would be faster, but there is no ninja: pip install "laaf-lightning[fused]"'
    )


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_train_on_their_own(copied: Callable[[PINN], PINN]) -> None:
    model, batch = pinn_of(Burgers(0.1), engine="fused"), points_of(Burgers(0.1))
    expected = loss_and_gradients(model, batch)
    twin = copied(model)
    assert (twin.differentiator.name, twin.differentiator.serves(twin.network)) == ("fused", True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    assert_same(loss_and_gradients(twin, batch), expected)
    assert not torch.equal(loss_and_gradients(model, batch)["loss"], expected["loss"])


@pytest.mark.parametrize("precision", ["64-true", "32-true"])
def test_a_run_ends_where_taylor_mode_does_and_resumes_bit_for_bit(tmp_path: Path, precision: Any) -> None:
    def fit(engine: Any, steps: int, resume: Path | None = None) -> PINN:
        model = small_pinn(engine=engine, scope="neuron")
        trainer = quiet_trainer(max_steps=steps, max_epochs=-1, precision=precision, limit_val_batches=0)
        trainer.fit(model, burgers_data(), ckpt_path=resume)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        return model

    whole, taylor = fit("fused", 20), fit("taylor", 20)
    tolerance = 1e-9 if precision == "64-true" else 1e-3
    torch.testing.assert_close(whole.state_dict(), taylor.state_dict(), rtol=tolerance, atol=tolerance)
    fit("fused", 10)
    resumed = fit("fused", 20, tmp_path / "last.ckpt")
    assert all(torch.equal(resumed.state_dict()[name], value) for name, value in whole.state_dict().items())


def test_the_same_threads_give_the_same_bits_and_others_nearly_so() -> None:
    model, batch = pinn_of(Burgers(0.1), engine="fused", width=20), points_of(Burgers(0.1))
    batch = batch._replace(residual_points=torch.rand(5000, 2, dtype=torch.float64))
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (2, 2, 1, 3):
            torch.set_num_threads(threads)
            found.append(loss_and_gradients(model, batch))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert_same(found[0], found[2])
    assert_same(found[0], found[3])


def test_mixed_precision_leaves_the_kernel_in_float32() -> None:
    model, points = small_pinn(engine="fused"), torch.rand(9, 2)
    expected = model.residual(points)
    with torch.autocast("cpu", torch.bfloat16):
        found = model.residual(points)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["burgers hard", "inverse burgers", "two unknowns"])
def test_traced_around_the_kernel_equals_eager(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager", fullgraph=True))
    problem = EQUATIONS[name]
    batch = points_of(problem)
    expected = loss_and_gradients(pinn_of(problem, engine="fused"), batch)
    assert_same(loss_and_gradients(pinn_of(problem, engine="fused", compile=True), batch), expected)
    torch.compiler.reset()
