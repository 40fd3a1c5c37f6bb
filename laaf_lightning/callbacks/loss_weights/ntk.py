"""Weights of a loss's terms by the traces of the neural tangent kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from laaf_lightning.callbacks.loss_weights.gradient_norms import balanced_weights, gradient_of
from laaf_lightning.callbacks.loss_weights.scheme import Measurable, Scheme
from laaf_lightning.errors import ConfigurationError


class TangentKernel(Scheme):
    r"""Weights inverse to the traces of the diagonal blocks of the neural tangent kernel.

    .. math:: \hat\lambda_i = \sum_j \operatorname{tr} K_{jj} \,/\, \operatorname{tr} K_{ii}, \qquad
        \operatorname{tr} K_{ii} = \sum_k \|\nabla \rho_{ik}\|^2, \qquad L_i = \sum_k \rho_{ik}^2

    ρ are the residuals as they stand in the term, over the root of their number: with equally many points in each
    term these are the paper's weights. A trace is exact for a term of at most `points` points, else an estimate from so
    many, drawn without replacement. A term that says no residuals counts as one, ρ = √L. The weights are averaged in
    time as those by gradients are; ``momentum=0`` is the paper's.

    Source: Wang, Yu & Perdikaris, J. Comput. Phys. 449 (2022) 110768 (arXiv 2007.14527), algorithm 1.

    Args:
        momentum: α.
        points: most points of a term.
        seed: of the draws.
    """

    name: ClassVar[str] = "ntk"
    measured: ClassVar[str] = "trace of the tangent kernel"

    def __init__(self, momentum: float, points: int, seed: int) -> None:
        self._momentum, self._points, self._seed = momentum, points, seed

    def measure(self, terms: Measurable) -> dict[str, Tensor]:
        """Compute the trace of each block.

        Args:
            terms: of this rank's batch.

        Returns:
            By name, 0-dim.

        Raises:
            ConfigurationError: if the module cannot say residuals.
        """
        if terms.residuals is None:
            raise ConfigurationError(
                "AdaptiveLossWeights(scheme='ntk') needs a method loss_residuals(batch, most, seed) of the module, "
                "which maps each term to the residuals whose squares add up to it: write it, or take the scheme "
                "'gradient_norms' or 'relobralo'"
            )
        (seed,) = np.random.SeedSequence([self._seed, terms.step]).generate_state(1).tolist()
        residuals = terms.residuals(self._points, seed)
        values: Mapping[str, Tensor] | None = None
        traces = {}
        for name in terms.names:
            if name in residuals:
                traces[name] = trace_of(residuals[name], terms.parameters)
                continue
            values = terms.terms()
            traces[name] = _trace_of_root(values[name], terms.parameters)
        return traces

    def weights(self, measures: Mapping[str, Tensor], weights: Mapping[str, float], step: int) -> dict[str, float]:
        """Move the weights towards those of the traces.

        Args:
            measures: traces, averages over ranks.
            weights: those now.
            step: not used.

        Returns:
            By name; a term with trace 0 keeps its own.
        """
        return balanced_weights({name: trace.item() for name, trace in measures.items()}, weights, self._momentum)


def trace_of(residuals: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
    """Return Σ‖∇ρ_k‖², one backward pass for each.

    Args:
        residuals: ρ, any shape, on one graph.
        parameters: by which.

    Returns:
        0-dim, in float32 at least.

    Example:
        >>> a = nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> trace_of(torch.stack([3 * a[0], a[0] * a[1]]), [a]).item()
        14.0
    """
    total = torch.zeros((), dtype=torch.promote_types(residuals.dtype, torch.float32), device=residuals.device)
    if not residuals.requires_grad:
        return total
    for residual in residuals.flatten():
        gradients = torch.autograd.grad(residual, parameters, retain_graph=True, allow_unused=True)
        total = total + sum(gradient.to(total.dtype).square().sum() for gradient in gradients if gradient is not None)
    return total


def _trace_of_root(term: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
    value, square = term.detach(), gradient_of(term, parameters).square().sum()
    return torch.where(value > 0, square / (4 * value.to(square)), torch.zeros_like(square))
