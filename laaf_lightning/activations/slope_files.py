"""The slopes of a model as a small file."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from laaf_lightning._version import __version__
from laaf_lightning.activations.adapted.replaced import AdaptedModule
from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.recovery import adaptive_sites, refuse_computed_slopes
from laaf_lightning.errors import ConfigurationError, shortened
from laaf_lightning.whole_files import write_whole

_FORMAT = "laaf slopes 1"
_SHOWN = 3
_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_PASSING = re.compile(r" at 0x[0-9a-fA-F]+|(?:, )?inplace=True")  # what is no part of the function


def save_slopes(model: nn.Module, path: str | Path) -> None:
    """Write the slopes of a model, a, to a file of the format safetensors.

    The file holds a tensor for each name of `named_slopes` (for scope ``"global"`` one tensor under one name), and as
    metadata for each of them the scope, and n and σ of all sites that it belongs to, and the versions of torch and of
    this package. It is whole or absent at every moment; one of that name is replaced.

    Args:
        model: any module with slopes.
        path: of the file; its folder is made where it is missing.

    Raises:
        ConfigurationError: for a model without slopes, a slope that is not finite, or a file that cannot be written.

    Example:
        >>> import tempfile
        >>> model = nn.Sequential(nn.Linear(2, 3), AdaptiveActivation("tanh", n=5))
        >>> file = Path(tempfile.mkdtemp()) / "slopes.safetensors"
        >>> save_slopes(model, file)
        >>> model[1].a.data.fill_(7.0)
        tensor(7.)
        >>> load_slopes(model, file)
        >>> model[1].slope.item()
        1.0
    """
    from safetensors.torch import save  # noqa: PLC0415  # not needed by those who train

    slopes, file = _slopes_of(model, "save_slopes"), _file(path, "save_slopes")
    for name, slope in slopes.items():
        if not bool(slope.detach().isfinite().all()):
            raise ConfigurationError(f"save_slopes: the slope {name!r} is not finite, and could not be loaded again")
    metadata = {
        "format": _FORMAT,
        "sites": json.dumps(_description(model), sort_keys=True),
        "laaf": __version__,
        "torch": str(torch.__version__),
    }
    content = save({name: slope.detach().cpu().contiguous() for name, slope in slopes.items()}, metadata)
    write_whole(file, lambda stream: stream.write(content), "slopes")


def load_slopes(model: nn.Module, path: str | Path) -> None:
    """Give a model the slopes of a file of `save_slopes`; all is checked before any is touched.

    Args:
        model: with the same slopes: names, shapes, scope, n, σ and dtype.
        path: of the file.

    Raises:
        ConfigurationError: for a file that is missing, damaged or another's, slopes that are not finite, and a model
            that has other ones; it names the first differences.
    """
    slopes = _slopes_of(model, "load_slopes")
    tensors, sites = _read(_file(path, "load_slopes"), slopes)
    if differences := _differences(slopes, _description(model), tensors, sites):
        more = len(differences) - _SHOWN
        raise ConfigurationError(
            f"load_slopes: {str(path)!r} does not fit {type(model).__name__}: {'; '.join(differences[:_SHOWN])}"
            f"{f'; and {more} more' if more > 0 else ''}; build or adapt the model as it was when they were saved"
        )
    with torch.no_grad():
        for name, slope in slopes.items():
            slope.copy_(tensors[name])


def _slopes_of(model: nn.Module, asker: str) -> dict[str, nn.Parameter]:
    refuse_computed_slopes(model, asker)
    slopes = {name: site.a for name, site in adaptive_sites(model) if site.a is not None}
    if not slopes:
        raise ConfigurationError(
            f"{asker}: {type(model).__name__} has no slopes; laaf_lightning.adapt(model, …) gives it some"
        )
    for name, slope in slopes.items():
        if slope.is_meta:
            raise ConfigurationError(f"{asker}: the slope {name!r} is on the meta device: give the model values first")
    return slopes


def _file(path: object, asker: str) -> Path:
    if not isinstance(path, (str, os.PathLike)) or not Path(path).name or "\0" in str(path):
        raise ConfigurationError(f"{asker}: path={path!r} is no name of a file: give one, 'slopes.safetensors'")
    return Path(path)


def _description(model: nn.Module) -> dict[str, Any]:
    """Describe for each slope the sites that it belongs to, in values that JSON has."""
    sites: dict[nn.Parameter, dict[str, Any]] = defaultdict(dict)
    scopes: dict[nn.Parameter, str] = {}
    for name, module in model.named_modules():
        if isinstance(module, AdaptiveActivation) and module.a is not None:
            plain = ".".join(part for part in name.split(".") if part != "_orig_mod")
            sites[module.a][plain] = {"n": module.n, "activation": _sigma(module)}
            scopes[module.a] = module.scope
    return {
        name: {"scope": scopes[site.a], "at": sites[site.a]}
        for name, site in adaptive_sites(model)
        if site.a is not None
    }


def _sigma(site: AdaptiveActivation) -> str:
    if isinstance(site, AdaptedModule):
        text = f"{site.plain_class.__name__}({site.plain_class.extra_repr(site)})"
    else:
        text = site._name
    return _PASSING.sub("", text)


def _read(path: Path, slopes: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Any]:
    """Read a file whose content nobody vouches for; tensors only where names, dtypes and shapes are the model's."""
    from safetensors import safe_open  # noqa: PLC0415  # as above

    named = f"load_slopes: {str(path)!r}"
    if not os.path.isfile(path):  # noqa: PTH113  # no errors
        there = os.path.exists(path)  # noqa: PTH110  # as above
        raise ConfigurationError(f"{named}: {'this is no file' if there else 'there is no such file'}")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise ConfigurationError(f"{named} holds no slopes of save_slopes, but something else of safetensors")
            sites = json.loads(metadata.get("sites", ""))
            shapes = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
            tensors = {
                name: file.get_tensor(name)
                if name in slopes and tuple(part.get_shape()) == tuple(slopes[name].shape)
                else torch.empty(part.get_shape(), dtype=_DTYPES.get(part.get_dtype(), torch.uint8), device="meta")
                for name, part in shapes.items()
            }
    except ConfigurationError:
        raise
    except Exception as error:  # of as many kinds as there are ways to damage a file
        reason = shortened(" ".join(str(error).split()) or "no reason is told", 200)
        raise ConfigurationError(
            f"{named} is no file of save_slopes, or a damaged one ({type(error).__name__}: {reason}); save it again"
        ) from error
    return tensors, sites


def _differences(
    slopes: Mapping[str, nn.Parameter], described: Mapping[str, Any], tensors: Mapping[str, Tensor], sites: Any
) -> list[str]:
    """List what differs between a model and a file, names first."""
    names = [f"the model's {name!r} is not in the file" for name in slopes if name not in tensors]
    names += [f"the file's {_short(name)} is not in the model" for name in tensors if name not in slopes]
    differences = []
    for name, slope in slopes.items():
        if (saved := tensors.get(name)) is None:
            continue
        if saved.shape != slope.shape:
            differences.append(f"{name!r} has shape {_short(tuple(saved.shape))}, the model's {tuple(slope.shape)}")
        elif saved.dtype != slope.dtype:
            way = f": model.to({saved.dtype})" if saved.is_floating_point() else ""
            differences.append(f"{name!r} is of {saved.dtype}, the model's of {slope.dtype}{way}")
        elif not bool(saved.isfinite().all()):
            differences.append(f"{name!r} is not finite")
        known = sites.get(name) if isinstance(sites, dict) else None
        differences += _other_words(name, known, described[name])
    return names + differences


def _other_words(name: str, saved: Any, present: Mapping[str, Any]) -> list[str]:
    """Compare what is said of one slope."""
    places = saved.get("at") if isinstance(saved, dict) else None
    if not isinstance(saved, dict) or not isinstance(places, dict):
        return [f"the file does not say what {name!r} is the slope of"]
    found = []
    if saved.get("scope") != present["scope"]:
        found.append(f"{name!r} has scope {_short(saved.get('scope'))}, the model's {present['scope']!r}")
    if places.keys() != present["at"].keys():
        others = sorted(places.keys() ^ present["at"].keys())
        found.append(f"{name!r} is the slope of other sites: {_short(others[0])} is in one of both only")
    for place in places.keys() & present["at"].keys():
        for what, value in present["at"][place].items():
            other = places[place].get(what) if isinstance(places[place], dict) else None
            if other != value:
                found.append(f"{place!r} has {what}={_short(other)}, the model's {what}={value!r}")
    return sorted(found)


def _short(value: Any) -> str:
    return shortened(repr(value), 80)
