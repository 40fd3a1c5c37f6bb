from __future__ import annotations

import ast
import copy
import difflib
import importlib
import inspect
import io
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import laaf_lightning as laaf
from tests.public_api import SNAPSHOT, described

PUBLIC = [name for name in laaf.__all__ if name != "__version__"]


def declared() -> dict[str, str]:
    """Read the imports that type checkers see: public name to the room that it comes from."""
    tree = ast.parse(Path(inspect.getfile(laaf)).with_suffix(".pyi").read_text(encoding="utf-8"))
    statements = [statement for statement in tree.body if isinstance(statement, ast.ImportFrom)]
    names = {alias.asname or "not exported": str(each.module) for each in statements for alias in each.names}
    return {name: room for name, room in names.items() if name != "__version__"}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_what_its_room_exports(name: str) -> None:
    room = importlib.import_module(declared()[name])
    assert room.__name__.count(".") == 1
    assert getattr(laaf, name) is vars(room)[name]
    assert getattr(laaf, name).__doc__


def test_names_for_type_checkers_and_names_at_run_time_are_the_same() -> None:
    assert sorted(declared()) == sorted(PUBLIC)
    assert len(set(laaf.__all__)) == len(laaf.__all__)
    assert dir(laaf) == sorted(laaf.__all__)


def test_names_and_signatures_are_those_that_were_promised() -> None:
    promised, present = (text.splitlines() for text in (SNAPSHOT.read_text(encoding="utf-8"), described()))
    difference = list(difflib.unified_diff(promised, present, "promised", "present", n=0, lineterm=""))
    assert not difference, "other projects use these; if a change is meant: python -m tests.public_api, and CHANGELOG"


def test_star_import_gives_every_public_name() -> None:
    names: dict[str, object] = {}
    exec("from laaf_lightning import *", names)
    assert set(laaf.__all__) <= set(names)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'laaf_lightning' has no attribute 'Adapt'"):
        laaf.Adapt  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(laaf, "torch")


@pytest.mark.slow
def test_importing_the_package_loads_no_heavy_library() -> None:
    heavy = ["torch", "pytorch_lightning", "lightning", "torchvision", "torchmetrics", "matplotlib", "scipy", "numpy"]
    code = f"import sys, laaf_lightning; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


class Entry(NamedTuple):
    """A public module in small, and what a call of it takes."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]


IMAGES = (2, 1, 16, 16)
BATTERY: dict[str, Entry] = {
    "AdaptiveActivation": Entry(lambda: laaf.AdaptiveActivation("tanh", "neuron", 3, (4,)), (2, 4)),
    "MLP": Entry(lambda: laaf.MLP(2, 1, width=4, depth=2, scope="neuron", n=3), (5, 2)),
    "LeNet": Entry(lambda: laaf.LeNet(3, image_size=16, hidden=4, activation="tanh", scope="neuron", n=3), IMAGES),
    "PreActResNet18": Entry(
        lambda: laaf.PreActResNet18(3, 1, 8, activation="tanh", scope="channel", n=3), (2, 1, 8, 8)
    ),
    "InputScale": Entry(lambda: laaf.InputScale([1.0, 2.0], [3.0, 4.0]), (5, 2)),
    "OutputScale": Entry(lambda: laaf.OutputScale([1.0, 2.0], [3.0, 4.0]), (5, 2)),
    "RelativeL2Error": Entry(laaf.RelativeL2Error, (2, 4)),
    "FunctionRegressor": Entry(lambda: laaf.FunctionRegressor(width=4, depth=2, scope="global", n=3), (5, 1)),
    "PINN": Entry(lambda: laaf.PINN(laaf.Burgers(), width=4, depth=2, n=3), (5, 2)),
    "BurgersPINN": Entry(lambda: laaf.BurgersPINN(width=4, depth=2, scope="neuron", n=3), (5, 2)),
    "ImageClassifier": Entry(
        lambda: laaf.ImageClassifier("lenet", num_classes=3, in_channels=1, image_size=16, scope="layer"), IMAGES
    ),
}
NETWORKS = [name for name in BATTERY if name in {"AdaptiveActivation", "MLP", "LeNet", "PreActResNet18"}]


def made(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(0)
    module = BATTERY[name].make()
    for parameter in module.parameters():
        parameter.data.add_(torch.randn_like(parameter) / 100)
    x = torch.rand(BATTERY[name].shape)
    return module.eval(), (x, x + 1) if name == "RelativeL2Error" else (x,)


def public_modules() -> Iterator[str]:
    for name in PUBLIC:
        value = getattr(laaf, name)
        if inspect.isclass(value) and issubclass(value, nn.Module) and not inspect.isabstract(value):
            yield name


def test_battery_holds_every_public_module_as_itself() -> None:
    assert set(BATTERY) == set(public_modules())
    assert all(type(entry.make()) is getattr(laaf, name) for name, entry in BATTERY.items())


@pytest.mark.parametrize("name", BATTERY)
def test_module_computes_finite_values_on_the_inputs_it_is_made_for(name: str) -> None:
    module, x = made(name)
    assert module(*x).isfinite().all()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("name", BATTERY)
def test_copy_computes_the_same_and_shares_no_parameter(name: str, copied: Callable[[Any], Any]) -> None:
    module, x = made(name)
    expected, twin = module(*x).detach(), copied(module)
    assert type(twin) is type(module)
    assert torch.equal(twin(*x), expected)
    for parameter in twin.parameters():
        parameter.data.fill_(0.123)
    assert torch.equal(module(*x), expected)


@pytest.mark.parametrize("name", BATTERY)
def test_state_goes_through_a_file_into_a_fresh_module(name: str) -> None:
    module, x = made(name)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    fresh = BATTERY[name].make().eval()
    fresh.load_state_dict(torch.load(file, weights_only=True), strict=True)
    assert torch.equal(fresh(*x), module(*x))


@pytest.mark.parametrize("name", BATTERY)
def test_change_of_precision_reaches_values_and_parameters(name: str) -> None:
    module, x = made(name)
    expected = module(*x)
    module.double()
    assert {parameter.dtype for parameter in module.parameters()} <= {torch.float64}
    got = module(*(value.double() for value in x))
    assert got.dtype == torch.float64
    torch.testing.assert_close(got, expected.double(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_equal_finite_differences(name: str) -> None:
    module, (x,) = made(name)
    module.double()
    slopes = [p for key, p in module.named_parameters() if key.endswith("a")]
    inputs = (x.double().requires_grad_(), slopes[0], slopes[-1])
    assert torch.autograd.gradcheck(lambda x, *_: module(x), inputs, fast_mode=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_network_equals_eager_without_a_graph_break(name: str) -> None:
    module, (x,) = made(name)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    parameters = list(module.parameters())
    results = []
    for forward in (module, compiled):
        output = forward(x)
        results.append([output.detach(), *torch.autograd.grad(output.square().sum(), parameters)])
    torch.compiler.reset()
    torch.testing.assert_close(results[1], results[0])
