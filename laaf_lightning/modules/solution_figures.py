"""What the figures of a module show: a solution on its problem's grid, where the run is, what it trains on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pytorch_lightning import Trainer
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.figures import Drawable, PlaneData, RegressionData, RunFacts, SpaceTimeData
from laaf_lightning.figures.drawable import Array
from laaf_lightning.metrics import RelativeL2Error
from laaf_lightning.problems import PDE, exact_solution
from laaf_lightning.problems.geometry import product_grid

_TIMES = {"t", "time"}


def solution_figures(
    problem: PDE,
    predict: Callable[[Tensor], Tensor],
    facts: RunFacts | None = None,
    points: Array | None = None,
) -> dict[str, Drawable]:
    """Evaluate a solution for drawing.

    Args:
        problem: the equation, with its grid and, if known, its exact solution.
        predict: maps points (N, d) to û (N, C).
        facts: what the titles say beside the relative L2 error on the grid.
        points: training points, shape (M, d), or None.

    Returns:
        One entry for each unknown, under the problem's name, for problems in one coordinate or two; else nothing. What
        lies outside of the domain is left open.
    """
    if len(problem.coordinates) > 2:
        return {}
    whole = product_grid(problem.axes(), problem.coordinates)
    inside = problem.geometry.on_grid(whole)
    grid = whole[inside]
    prediction, exact = predict(grid).double().cpu(), exact_solution(problem, grid)
    name, several = type(problem).__name__.lower(), len(problem.unknowns) > 1
    figures = {}
    for index, unknown in enumerate(problem.unknowns):
        u, u_exact = prediction[:, index], None if exact is None else exact[:, index].cpu()
        title = (facts or RunFacts()).title(None if u_exact is None else relative_l2_error(u, u_exact))
        shown = [None if values is None else _with_gaps(values, inside) for values in (u, u_exact)]
        figures[f"{name}_{unknown}" if several else name] = _drawable(problem, shown[0], shown[1], title, points)
    return figures


def relative_l2_error(prediction: Tensor, exact: Tensor) -> float:
    """Return the error of what is drawn, on several ranks of this rank's share.

    Args:
        prediction: û, any shape.
        exact: u, the same shape.

    Returns:
        The error; NaN or infinite where u is zero everywhere.
    """
    error: Tensor = RelativeL2Error()(prediction, exact)  # a call, unlike `compute`, waits for no other rank
    return error.item()


def run_facts(network: nn.Module, trainer: Trainer | None) -> RunFacts:
    """Find out where the run is, and which slopes the network has; what is not known for certain is left out.

    Args:
        network: asked itself, since one that a subclass builds may have other slopes than the module's arguments say.
        trainer: what works with the module; None outside of one.

    Returns:
        Step, scope and n.

    Example:
        >>> import laaf_lightning as laaf
        >>> run_facts(laaf.MLP(1, 1, width=4, depth=2, scope="neuron", n=5), None)
        RunFacts(step=None, scope='neuron', n=5.0)
    """
    sites = [module for module in network.modules() if isinstance(module, AdaptiveActivation)]
    scopes, factors = {site.scope for site in sites}, {site.n for site in sites}
    return RunFacts(
        step=None if trainer is None else _step_of_the_weights(trainer),
        scope=scopes.pop() if len(scopes) == 1 else None,
        n=factors.pop() if len(factors) == 1 else None,
    )


def training_inputs(trainer: Trainer | None, dimension: int) -> Array | None:
    """Return the points that training uses now.

    Args:
        trainer: what works with the module; None outside of one.
        dimension: d.

    Returns:
        Shape (M, d), float64: of our DataModules, on several ranks this rank's share, or of a loader of a
        ``TensorDataset``, all of it. None for other loaders and before a fit.
    """
    loader = None if trainer is None else trainer.train_dataloader
    batch = getattr(loader, "batch", getattr(getattr(loader, "dataset", None), "tensors", None))
    inputs = batch[0] if isinstance(batch, tuple) else None
    if not isinstance(inputs, Tensor) or inputs.ndim != 2 or inputs.shape[1] != dimension:
        return None
    array: Array = inputs.detach().double().cpu().numpy()
    return array


def _step_of_the_weights(trainer: Trainer) -> int | None:
    """Count the steps; None for weights that are not this Trainer's work, such as those of a checkpoint in a test."""
    of_a_file = trainer.state.fn != "fit" and trainer.ckpt_path is not None
    return None if of_a_file else trainer.global_step or None


def _with_gaps(values: Tensor, inside: Tensor) -> Tensor:
    whole = torch.full(inside.shape, torch.nan, dtype=values.dtype)
    whole[inside.cpu()] = values
    return whole


def _drawable(
    problem: PDE, prediction: Tensor | None, exact: Tensor | None, title: str | None, points: Array | None
) -> Drawable:
    assert prediction is not None
    values_of = problem.axes()
    axes = [values_of[name].numpy() for name in problem.coordinates]
    if len(axes) == 1:
        u_exact, (coordinate,) = None if exact is None else exact.numpy(), problem.coordinates
        return RegressionData(axes[0], u_exact, prediction.numpy(), coordinate=coordinate, title=title, points=points)
    first, second = problem.coordinates
    shape = len(axes[0]), len(axes[1])
    values = [None if part is None else torch.reshape(part, shape).T.numpy() for part in (prediction, exact)]
    assert values[0] is not None
    kind = SpaceTimeData if second in _TIMES else PlaneData
    return kind(axes[0], axes[1], values[0], values[1], coordinates=(first, second), title=title, points=points)
