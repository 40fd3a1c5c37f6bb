"""The shape of a slope from the shape of a sample and the dimension of its features."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

from laaf_lightning.activations.adapting.planned import Planned
from laaf_lightning.activations.scopes import Scope
from laaf_lightning.errors import ConfigurationError, unknown_choice


def slope_shape(scope: Scope, planned: Planned, feature_dim: int | Mapping[str, int] | None) -> tuple[int, ...] | None:
    """Return the shape of a site's slope.

    Args:
        scope: as for `AdaptiveActivation`.
        planned: the site.
        feature_dim: what the user says, for all sites or by name.

    Returns:
        ``()`` for one slope; ``(F,)`` for the features of a fully connected layer, whatever stands before; ``(C, 1,
        1)`` for channels; ``(C, H, W)`` for the neurons of a convolution. None where a call of a function needs none.

    Raises:
        ConfigurationError: where the features are not known, or not always as many.
    """
    if scope not in {"channel", "neuron"}:
        return None
    site = planned.site
    if site.sample_shape is None:
        raise ConfigurationError(
            f"adapt: {site.name!r} gets samples of different shapes, so that scope={scope!r} has none for its slope: "
            "take scope='layer', or leave it out with where=…"
        )
    ndim = len(site.sample_shape) + 1
    if ndim == 1:
        return ()
    dim = _given(feature_dim, site.name, ndim)
    if dim is None:
        dim = site.feature_dim
    if dim is None:
        raise ConfigurationError(
            f"adapt: no affine layer tells which dimension of {site.name!r}, a sample {site.sample_shape}, holds "
            "the features: say it, feature_dim=1 for (B, C, …), feature_dim=-1 for (B, …, F), or "
            f"feature_dim={{{site.name!r}: 1}}"
        )
    if scope == "neuron" and not (planned.dense and dim == site.feature_dim):
        if feature_dim is not None and dim == ndim - 1 and site.feature_dim is None:
            return site.sample_shape[-1:]
        return site.sample_shape
    return site.sample_shape[dim - 1 : dim] + (1,) * (ndim - 1 - dim)


def check_names(feature_dim: Any, planned: Iterable[Planned]) -> None:
    """Refuse dimensions for sites that there are not.

    Args:
        feature_dim: what the user says, for all sites or by name.
        planned: all sites.

    Raises:
        ConfigurationError: for an unknown name.
    """
    names = [one.site.name for one in planned]
    for name in feature_dim if isinstance(feature_dim, Mapping) else ():
        if name not in names:
            raise ConfigurationError(unknown_choice("site in feature_dim", name, names))


def _given(feature_dim: Any, name: str, ndim: int) -> int | None:
    value = feature_dim.get(name) if isinstance(feature_dim, Mapping) else feature_dim
    if value is None:
        return None
    try:
        dim = operator.index(value)
    except TypeError:
        dim = 0
    dim = dim + ndim if dim < 0 else dim
    if not 0 < dim < ndim:
        raise ConfigurationError(
            f"feature_dim={value!r} is no dimension of the features of {name!r}, whose z has {ndim} dimensions, the "
            f"first of which is the batch: give 1 to {ndim - 1}, or -1 for the last"
        )
    return dim
