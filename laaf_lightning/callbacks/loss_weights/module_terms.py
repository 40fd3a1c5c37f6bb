"""A module's terms with the places of their weights, pooled or by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from numbers import Real
from typing import Any

from pytorch_lightning import LightningModule
from torch import Tensor, nn

from laaf_lightning.errors import ConfigurationError


class ModuleTerms:
    """What a callback balances: ``loss_terms(batch)`` with ``weight_<term>``, or each term by its name.

    By name a module has ``named_loss_terms(batch)`` and a mapping `weights`; ``names_terms`` says whether it goes by
    names where nobody asks for it.

    Args:
        module: the module.
        by_name: whether terms go by name; None for what the module says.

    Attributes:
        by_name: whether they do.

    Raises:
        ConfigurationError: where names are asked for, and the module has none.
    """

    def __init__(self, module: LightningModule, by_name: bool | None) -> None:
        self._module: Any = module
        has_names = callable(getattr(module, "named_loss_terms", None))
        if by_name and not has_names:
            raise ConfigurationError(
                f"AdaptiveLossWeights(by_name=True) needs named_loss_terms(batch) and weights, a mapping, of "
                f"{type(module).__name__}, as a PINN has them: write them, or leave by_name out "
                "(--adaptive_loss_weights.by_name null)"
            )
        self.by_name = has_names and (bool(getattr(module, "names_terms", False)) if by_name is None else by_name)

    def __call__(self, batch: Any) -> dict[str, Tensor]:
        """Compute the terms.

        Args:
            batch: what the step trains on.

        Returns:
            By name, 0-dim, without weights.
        """
        terms: Mapping[str, Tensor] = (self._module.named_loss_terms if self.by_name else self._module.loss_terms)(
            batch
        )
        return dict(terms)

    @property
    def residuals(self) -> Callable[[Any, int, int], Mapping[str, Tensor]] | None:
        """What gives residuals whose squares add up to the terms, of a batch, most points and a seed; None without."""
        method = getattr(self._module, "loss_residuals", None)
        if not callable(method):
            return None
        if hasattr(self._module, "named_loss_terms"):
            return lambda batch, most, seed: method(batch, most, seed, by_name=self.by_name)
        return method  # type: ignore[no-any-return]

    def weight(self, term: str) -> float:
        """Look a term's weight up.

        Args:
            term: its name.

        Returns:
            The weight; with a schedule the factor of it.

        Raises:
            ConfigurationError: if the module has none that is a number.
        """
        if (mapping := self._mapping(term)) is not None:
            return float(mapping[term])
        weight = getattr(self._module, f"weight_{term}", None)
        if not (isinstance(weight, Real) or (isinstance(weight, Tensor) and weight.ndim == 0)):
            name = type(self._module).__name__
            raise ConfigurationError(
                f"AdaptiveLossWeights balances the term {term!r} of {name}.loss_terms by the attribute weight_{term}, "
                f"which is {weight!r}: give the module that number, and multiply the term by it in its loss"
            )
        return float(weight)

    def is_on(self, term: str) -> bool:
        """Tell whether a term counts in the loss now.

        Args:
            term: its name.

        Returns:
            Whether its weight, with its schedule if it has one, is not zero.
        """
        now = getattr(self._mapping(term), "now", None)
        return bool(self.weight(term) if now is None else now(term))

    def set(self, weights: Mapping[str, float]) -> None:
        """Set weights.

        Args:
            weights: by the term's name.
        """
        for term, weight in weights.items():
            if (mapping := self._mapping(term)) is not None:
                mapping[term] = weight
            else:
                setattr(self._module, f"weight_{term}", weight)

    def _mapping(self, term: str) -> MutableMapping[str, Any] | None:
        """Return where a weight stands by name; own terms of a PINN have no other place."""
        mapping: MutableMapping[str, Any] | None = getattr(self._module, "weights", None)
        if not isinstance(mapping, MutableMapping) or not hasattr(self._module, "named_loss_terms"):
            return None
        return mapping if self.by_name or not hasattr(self._module, f"weight_{term}") else None


def trained_parameters(module: nn.Module) -> list[nn.Parameter]:
    """List the parameters by which terms are compared: the network's, or the module's own where it has none.

    Args:
        module: the module.

    Returns:
        Those that require a gradient.

    Raises:
        ConfigurationError: if none does.
    """
    network = getattr(module, "network", module)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not parameters:
        raise ConfigurationError(
            f"AdaptiveLossWeights compares gradients by the network's parameters, and {type(network).__name__} has "
            "none that requires one: leave the callback out"
        )
    return parameters
