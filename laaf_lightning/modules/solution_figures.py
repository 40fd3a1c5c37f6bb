"""What the figures of a module show: a solution on its problem's grid, where the run is, what it trains on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn

from laaf_lightning.activations import AdaptiveActivation
from laaf_lightning.figures import (
    Drawable,
    PlaneData,
    RegressionData,
    RunFacts,
    ScatteredData,
    SliceData,
    SpaceTimeData,
)
from laaf_lightning.figures.drawable import Array
from laaf_lightning.metrics import RelativeL2Error
from laaf_lightning.problems import PDE, exact_solution, own_grid
from laaf_lightning.problems.geometry import axes_in_order, in_parts, product_grid

_TIMES = {"t", "time"}
_SHARES = (0.25, 0.5, 0.75)  # of the way along the coordinate in which planes follow one another
_FINEST = 101  # values of a coordinate of a plane
_MOST_DRAWN = 10**6  # points of a map
_MOST_DOTS = 20_000


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
        One entry for each unknown, under the problem's name: a curve, a map, or maps on three planes where there are
        more than two coordinates. What lies outside of the domain is left open. Where the problem's ``grid()`` is its
        own, curves or dots at its points; nothing in four coordinates or more, which is said.
    """
    predicted = partial(in_parts, predict)
    if (own := own_grid(problem)) is not None:
        return _at_points(problem, predicted, own, facts or RunFacts())
    if len(problem.coordinates) > 2:
        return _on_slices(problem, predicted, facts or RunFacts())
    axes = _axes(problem)
    whole = product_grid(axes, problem.coordinates)
    inside = problem.geometry.on_grid(whole)
    figures = {}
    for name, u, u_exact in _values(problem, predicted, whole[inside]):
        title = _title(facts or RunFacts(), u, u_exact)
        shown = [None if values is None else _with_gaps(values, inside) for values in (u, u_exact)]
        figures[name] = _drawable(problem, axes, shown[0], shown[1], title, points)
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


def _title(facts: RunFacts, u: Tensor, exact: Tensor | None, where: str = "") -> str | None:
    if exact is None:
        return facts.title()
    if exact.any():
        return facts.title(relative_l2_error(u, exact), where=where)
    return facts.title(u.square().mean().sqrt().item(), is_relative=False, where=where)


def _values(
    problem: PDE, predict: Callable[[Tensor], Tensor], points: Tensor
) -> Iterator[tuple[str, Tensor, Tensor | None]]:
    """Yield, for each unknown, the name of its figures, û and u."""
    prediction, exact = predict(points).double().cpu(), exact_solution(problem, points)
    name, several = type(problem).__name__.lower(), len(problem.unknowns) > 1
    for index, unknown in enumerate(problem.unknowns):
        u_exact = None if exact is None else exact[:, index].detach().double().cpu()
        yield f"{name}_{unknown}" if several else name, prediction[:, index], u_exact


def _axes(problem: PDE) -> dict[str, Tensor]:
    """Return the axes, each with as many values as a picture shows."""
    axes = axes_in_order(problem.axes(), problem.coordinates)
    if math.prod(map(len, axes.values())) <= _MOST_DRAWN:
        return axes
    return {name: _thinned(values, int(_MOST_DRAWN ** (1 / len(axes)))) for name, values in axes.items()}


def _thinned(values: Tensor, most: int) -> Tensor:
    return values if len(values) <= most else values[torch.linspace(0, len(values) - 1, most).round().long()]


def _on_slices(problem: PDE, predict: Callable[[Tensor], Tensor], facts: RunFacts) -> dict[str, Drawable]:
    """Draw planes of the first two coordinates of space, at three values of time or else of the last coordinate."""
    own_axes = type(problem).axes is not PDE.axes
    axes = axes_in_order(problem.axes() if own_axes else problem.geometry.axes(_FINEST), problem.coordinates)
    space = [name for name in axes if name not in _TIMES]
    moving = next((name for name in axes if name in _TIMES), space[-1])
    first, second = [name for name in (*space, *axes) if name != moving][:2]
    steps = [round(share * (len(axes[moving]) - 1)) for share in _SHARES]
    places = [
        {moving: axes[moving][step].item()}
        | {name: axes[name][len(axes[name]) // 2].item() for name in axes if name not in {first, second, moving}}
        for step in dict.fromkeys(steps)
    ]
    plane = {name: _thinned(axes[name], _FINEST) for name in (first, second)}
    fixed = [{name: torch.tensor([value], dtype=torch.float64) for name, value in place.items()} for place in places]
    whole = torch.cat([product_grid({**plane, **others}, problem.coordinates) for others in fixed])
    inside = problem.geometry.on_grid(whole)
    if not inside.any():
        return {}
    x, y = (plane[name].double().numpy() for name in (first, second))
    # Of two coordinates the later one of the problem runs faster.
    swapped = problem.coordinates.index(first) > problem.coordinates.index(second)
    shape = (len(places), len(y), len(x)) if swapped else (len(places), len(x), len(y))
    figures: dict[str, Drawable] = {}
    for name, u, exact in _values(problem, predict, whole[inside]):
        title = _title(facts, u, exact, " on these planes")
        shown = [None if part is None else _with_gaps(part, inside).reshape(shape) for part in (u, exact)]
        arrays = [None if part is None else (part if swapped else part.mT).numpy() for part in shown]
        assert arrays[0] is not None
        figures[name] = SliceData(x, y, arrays[0], places, arrays[1], (first, second), title)
    return figures


def _at_points(
    problem: PDE, predict: Callable[[Tensor], Tensor], points: Tensor, facts: RunFacts
) -> dict[str, Drawable]:
    """Draw at the points of a grid of the problem's own, all of which its exact solution is asked for."""
    coordinates = tuple(problem.coordinates)
    if len(coordinates) > 3:
        rank_zero_info(
            f"no figures of {type(problem).__name__}: its grid() gives points of its own in {len(coordinates)} "
            "coordinates, which no picture shows; without a grid() there are pictures of planes"
        )
        return {}
    figures: dict[str, Drawable] = {}
    for name, u, exact in _values(problem, predict, points):
        title = _title(facts, u, exact)
        order = points[:, 0].argsort(stable=True) if len(coordinates) == 1 else torch.arange(len(points))
        shown = _thinned(order, _MOST_DOTS)
        at, values = points[shown].numpy(), u[shown].numpy()
        u_exact = None if exact is None else exact[shown].numpy()
        if len(coordinates) == 1:
            figures[name] = RegressionData(at[:, 0], u_exact, values, coordinate=coordinates[0], title=title)
        else:
            figures[name] = ScatteredData(at, values, u_exact, coordinates, title)
    return figures


def _drawable(
    problem: PDE,
    axes_of: Mapping[str, Tensor],
    prediction: Tensor | None,
    exact: Tensor | None,
    title: str | None,
    points: Array | None,
) -> Drawable:
    assert prediction is not None
    axes = [axes_of[name].double().numpy() for name in problem.coordinates]
    if len(axes) == 1:
        u_exact, (coordinate,) = None if exact is None else exact.numpy(), problem.coordinates
        return RegressionData(axes[0], u_exact, prediction.numpy(), coordinate=coordinate, title=title, points=points)
    first, second = problem.coordinates
    shape = len(axes[0]), len(axes[1])
    values = [None if part is None else torch.reshape(part, shape).T.numpy() for part in (prediction, exact)]
    assert values[0] is not None
    kind = SpaceTimeData if second in _TIMES else PlaneData
    return kind(axes[0], axes[1], values[0], values[1], coordinates=(first, second), title=title, points=points)
