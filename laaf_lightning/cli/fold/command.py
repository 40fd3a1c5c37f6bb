"""``laaf fold --ckpt_path FILE --output FILE``."""

from __future__ import annotations

import argparse
import inspect
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

import laaf_lightning
from laaf_lightning.activations import fold, fold_report
from laaf_lightning.activations.recording.example import Example
from laaf_lightning.activations.replay.form import called_with, examples_like
from laaf_lightning.activations.replay.noted import noted_in
from laaf_lightning.checkpoints import load_adapted
from laaf_lightning.cli.checkpoint import load_checked
from laaf_lightning.cli.wrong_request import as_wrong_request
from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.modules.base import AdaptiveModule
from laaf_lightning.untrusted.names import find
from laaf_lightning.whole_files import write_whole

_TORCH, _SAFETENSORS = (".pt", ".pth"), ".safetensors"
_CLASS = "_class_path"
_MORE = "More can go into weights where the module has an example_input_array."


def fold_checkpoint(args: Sequence[str]) -> None:
    """Run ``laaf fold``: write the network of a checkpoint without slopes, and show what became of each.

    Args:
        args: the arguments after ``fold``.

    Raises:
        ConfigurationError: for a checkpoint that cannot be folded, and a file that is there or cannot be written.
    """
    parser = argparse.ArgumentParser(
        "laaf fold",
        description="Write the network of a checkpoint with its slopes in the weights of the layers before them, as a "
        "state dict. It is that of the same network with scope='fixed', or of the one that was adapted; a slope that "
        "cannot go into a layer stays as a constant, '<site>.factor', and the table says why. A module that "
        "AdaptActivations has adapted is run on random numbers of the form that training gave it.",
    )
    parser.add_argument("--ckpt_path", metavar="FILE", required=True, help="a checkpoint")
    parser.add_argument("--output", metavar="FILE", required=True, help="a new file: NAME.pt, or NAME.safetensors")
    parser.add_argument(
        "--model", metavar="CLASS", help="the module's class, where the checkpoint does not say it: ImageClassifier"
    )
    asked = parser.parse_args(list(args))
    output = Path(asked.output)
    _check_output(output)
    module = _loaded(asked.ckpt_path, asked.model)
    plain = module.network if isinstance(module, AdaptiveModule) else module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the table says it
        network, remark = _folded(plain.eval(), module)
    state = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
    _write(state, output)
    report = fold_report(network)
    sys.stdout.write(
        f"{report}\n{len(report) - len(report.kept)} of {len(report)} slopes are in weights; wrote {output}, the state "
        f"dict of a {type(network).__name__}\n"
    )
    if report.kept and remark:
        sys.stdout.write(f"{remark}\n")


def _folded(plain: nn.Module, module: LightningModule) -> tuple[nn.Module, str]:
    """Fold with the module's own example, else with one like what training called it with; add what is to be said."""
    if isinstance(own := getattr(module, "example_input_array", None), Tensor):
        return fold(plain, own), ""
    remark = "" if isinstance(module, AdaptiveModule) else _MORE
    if (form := called_with(plain)) is not None:
        for example in examples_like(form, plain):
            network, reason = _folded_on(plain, example)
            if network is not None:
                return network, ""
        remark = f"An example of the form that training gave {type(plain).__name__} is of no use: {reason}. {_MORE}"
    return fold(plain), remark


def _folded_on(plain: nn.Module, example: Example) -> tuple[nn.Module | None, str]:
    try:
        return fold(plain, example), ""
    except ConfigurationError as error:
        return None, str(error).removeprefix("fold: ")


def _check_output(file: Path) -> None:
    if file.suffix not in {*_TORCH, _SAFETENSORS}:
        raise ConfigurationError(
            f"--output {file}: the name tells the kind of file, NAME.pt for torch.load or NAME.safetensors"
        )
    try:
        is_there = file.exists()
    except OSError as error:
        raise ConfigurationError(f"--output {file}: {error.strerror}; choose another name") from error
    if is_there:
        raise ConfigurationError(f"--output {file} is there already, and nothing is overwritten: choose another name")


def _loaded(path: str, model: str | None) -> LightningModule:
    content = load_checked(path, "--ckpt_path")
    if noted_in(content) is not None:
        return _adapted(path, model)
    settings = content.get(AdaptiveModule.CHECKPOINT_HYPER_PARAMS_KEY)
    kind: Any = AdaptiveModule if model is None else _class_of(model)
    if model is None and not (isinstance(settings, dict) and settings.get(_CLASS)):
        raise ConfigurationError(
            f"--ckpt_path {path}: the checkpoint does not say of which class it is, as those of the command line do: "
            "name it, --model ImageClassifier"
        )
    try:
        module: LightningModule = kind.load_from_checkpoint(path, map_location="cpu")
    except Exception as error:
        if (wrong := as_wrong_request(error)) is None:
            raise
        raise ConfigurationError(f"--ckpt_path {path}: {wrong}") from error
    return module


def _adapted(path: str, model: str | None) -> LightningModule:
    """Load a module that was adapted from outside; its class must be named."""
    kind: Any = find(model, "--model") if model is not None and "." in model else None
    if not (inspect.isclass(kind) and issubclass(kind, LightningModule)):
        said = "" if model is None else f"--model {model} is no LightningModule; "
        raise ConfigurationError(
            f"--ckpt_path {path}: {said}its module was adapted from outside: name the class, --model my.module.Mine, "
            "or in Python laaf_lightning.fold(laaf_lightning.load_adapted(Mine, path), batch)"
        )
    module: LightningModule = load_adapted(kind, path, map_location="cpu")
    return module


def _class_of(name: str) -> type[AdaptiveModule]:
    known = [public for public in laaf_lightning.__all__ if _is_module(getattr(laaf_lightning, public))]
    found: Any = getattr(laaf_lightning, name) if name in known else find(name, "--model") if "." in name else None
    if not _is_module(found):
        choice = unknown_choice("class", name, known)
        raise ConfigurationError(f"--model {name}: {choice}; a class of your own is named by its path, my.module.Mine")
    return found  # type: ignore[no-any-return]


def _is_module(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, AdaptiveModule) and not inspect.isabstract(kind)


def _write(state: dict[str, Tensor], file: Path) -> None:
    try:
        if file.suffix == _SAFETENSORS:
            from safetensors.torch import save  # noqa: PLC0415  # not needed otherwise

            content = save({name: value.contiguous() for name, value in state.items()})
            write_whole(file, lambda stream: stream.write(content), "state dict", replace=False)
        else:
            write_whole(file, lambda stream: torch.save(state, stream), "state dict", replace=False)
    except FileExistsError as error:
        raise ConfigurationError(f"--output {file} is there already: choose another name") from error
