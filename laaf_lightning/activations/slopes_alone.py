"""Training nothing but slopes, and a model without them for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from laaf_lightning.activations.adaptive import AdaptiveActivation
from laaf_lightning.activations.recovery import adaptive_sites, refuse_computed_slopes
from laaf_lightning.errors import ConfigurationError


def train_only_slopes(model: nn.Module) -> list[nn.Parameter]:
    """Freeze all of a model but its slopes.

    Call it before the optimiser is made. Only gradients are switched off: normalisation layers go on collecting
    statistics in training mode, and dropout goes on; ``model.eval()`` stops both.

    Args:
        model: any module with slopes.

    Returns:
        The slopes' parameters, each once, for the optimiser.

    Raises:
        ConfigurationError: for a model without slopes, or with one that is no parameter; then nothing is frozen.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), AdaptiveActivation("tanh"), nn.Linear(3, 1))
        >>> slopes = train_only_slopes(model)
        >>> len(slopes), [name for name, p in model.named_parameters() if p.requires_grad]
        (1, ['1.a'])
    """
    refuse_computed_slopes(model, "train_only_slopes")
    slopes = [site.a for _, site in adaptive_sites(model) if site.a is not None]
    if not slopes:
        raise ConfigurationError(
            f"train_only_slopes: {type(model).__name__} has no slopes, and nothing would be trained; "
            "laaf_lightning.adapt(model, …) gives it some"
        )
    model.requires_grad_(requires_grad=False)
    for slope in slopes:
        slope.requires_grad_()
    return slopes


@contextmanager
def slopes_off(model: nn.Module) -> Iterator[None]:
    """Compute without slopes, σ(z), inside a ``with`` block: exactly the plain function.

    The sites have no parameter meanwhile, as those of scope ``"fixed"``, so that no gradient flows into a slope, and
    `named_slopes`, optimiser groups and state dicts made inside do not have them: save and make optimisers outside.
    Afterwards, also after an error, the same parameters with the same values and gradients are back. Blocks may be
    nested. The model is changed for all threads that use it; a compiled one is compiled once more.

    Args:
        model: any module; without slopes nothing happens.

    Yields:
        Nothing.

    Raises:
        ConfigurationError: for what is no model, and for a slope that is no parameter.

    Example:
        >>> import torch
        >>> site = AdaptiveActivation("relu", n=2)
        >>> site.a.data.fill_(5.0)
        tensor(5.)
        >>> with slopes_off(site):
        ...     site(torch.ones(())).item()
        1.0
        >>> site(torch.ones(())).item()
        10.0
    """
    refuse_computed_slopes(model, "slopes_off")
    # A module that hangs at several places comes once.
    sites = [(site, site.a) for site in model.modules() if isinstance(site, AdaptiveActivation) and site.a is not None]
    for site, _ in sites:
        site._parameters["a"] = None
    try:
        yield
    finally:
        for site, slope in sites:
            site._parameters["a"] = slope
