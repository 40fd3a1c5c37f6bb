"""Norms of the gradients of the terms of a loss, and the weights that balance them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from pytorch_lightning.strategies import Strategy
from torch import Tensor, nn

from laaf_lightning.callbacks.loss_weights.scheme import Measurable, Scheme, over_ranks


class GradientNorms(Scheme):
    """Weights at which the gradients of all terms would have equal norms, as `balanced_weights` has it.

    Args:
        momentum: α.
    """

    name: ClassVar[str] = "gradient_norms"
    measured: ClassVar[str] = "gradient"

    def __init__(self, momentum: float) -> None:
        self._momentum = momentum

    def measure(self, terms: Measurable) -> dict[str, Tensor]:
        """Compute the gradients.

        Args:
            terms: of this rank's batch.

        Returns:
            By name, shape (P,).
        """
        # Each from terms of its own: they may share a graph, which compiled ones cannot keep.
        return {name: gradient_of(terms.terms()[name], terms.parameters) for name in terms.names}

    def weights(self, measures: Mapping[str, Tensor], weights: Mapping[str, float], step: int) -> dict[str, float]:
        """Move the weights towards equal norms.

        Args:
            measures: gradients, averages over ranks.
            weights: those now.
            step: not used.

        Returns:
            By name.
        """
        return balanced_weights(norms_of(measures), weights, self._momentum)


def gradient_of(term: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
    """Return the gradient of a term as one vector; its graph is used up.

    Args:
        term: 0-dim; one without a graph has gradient 0.
        parameters: by which, at least one; those that the term does not depend on count as 0.

    Returns:
        Shape (P,) for P numbers in the parameters, in float32 at least.
    """
    if not term.requires_grad:
        gradients: Sequence[Tensor] = [torch.zeros_like(parameter) for parameter in parameters]
    else:
        gradients = torch.autograd.grad(term, parameters, allow_unused=True, materialize_grads=True)
    dtype = torch.promote_types(parameters[0].dtype, torch.float32)
    return torch.cat([gradient.flatten().to(dtype) for gradient in gradients])


def norms_over_ranks(gradients: Mapping[str, Tensor], strategy: Strategy) -> dict[str, float]:
    """Return the norm of each gradient's average over ranks, which is the gradient that training would use.

    Args:
        gradients: by the term's name, shape (P,); the same names on all ranks.
        strategy: the Trainer's, which averages.

    Returns:
        The Euclidean norms by name, the same on all ranks.
    """
    return norms_of(over_ranks(gradients, strategy, GradientNorms.measured))


def norms_of(gradients: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the norms of gradients.

    Args:
        gradients: by the term's name, shape (P,).

    Returns:
        The Euclidean norms by name.
    """
    norms = torch.linalg.vector_norm(torch.stack(list(gradients.values())), dim=1)
    return dict(zip(gradients, norms.tolist(), strict=True))


def balanced_weights(norms: Mapping[str, float], weights: Mapping[str, float], momentum: float) -> dict[str, float]:
    r"""Move the weights of a loss towards those at which all terms have gradients of equal norm.

    .. math:: \lambda_i \leftarrow \alpha \lambda_i + (1 - \alpha) \hat\lambda_i, \qquad
        \hat\lambda_i = \sum_j \|\nabla L_j\| \,/\, \|\nabla L_i\|

    Source: Wang, Sankaran, Wang & Perdikaris, arXiv 2308.08468 (2023).

    Args:
        norms: ‖∇L_i‖ by the term's name.
        weights: λ_i now.
        momentum: α.

    Returns:
        λ_i from now on; a term with gradient 0 keeps its own.

    Example:
        >>> balanced_weights({"residual": 3.0, "data": 1.0}, {"residual": 1.0, "data": 1.0}, momentum=0.5)
        {'residual': 1.1666666666666665, 'data': 2.5}
    """
    total = sum(norms.values())
    return {
        name: momentum * weight + (1 - momentum) * total / norms[name] if norms[name] > 0 else weight
        for name, weight in weights.items()
    }
