"""Self-scaled Broyden and BFGS methods as a torch optimiser."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any, get_args

import torch
from torch import Tensor
from torch.optim import Optimizer

from laaf_lightning.errors import ConfigurationError, unknown_choice
from laaf_lightning.optimizers.broyden_update import Method, choose_scaling, update_inverse_hessian
from laaf_lightning.optimizers.closure_checks import ValueWatch
from laaf_lightning.optimizers.flat_parameters import FlatParameters
from laaf_lightning.optimizers.objective import Objective
from laaf_lightning.optimizers.strong_wolfe import StrongWolfe, Trial


class SelfScaledBroyden(Optimizer):
    r"""Minimise a smooth deterministic objective by a quasi-Newton method with a dense inverse Hessian.

    An iteration goes along :math:`p = -H g` to a point that meets the strong Wolfe conditions, by one or two
    evaluations most often, and updates H; :mod:`laaf_lightning.optimizers.broyden_update` has the formulas. One `step`
    is up to `max_iter` iterations and begins with one evaluation of its own, so that the objective may change between
    steps: a minibatch, new residual points, another weight of S(a). H is kept over such a change.

    It wants float64: in float32 the differences of gradients drown in rounding long before the method has paid off.
    There is no weight decay, there is one parameter group, and Lightning's ``accumulate_grad_batches`` must be 1.

    Nothing is ever lost: no iteration ends higher than it began. A trial where the objective is NaN or infinite counts
    as too long a step. Where no step length along p lowers the objective, H becomes the identity
    again; where the gradient's own direction does not help either, the step ends, `stop_reason` says why, and a
    warning says it once.

    Source: Al-Baali, Comput. Optim. Appl. 9 (1998); for PINNs Urbán, Stefanou & Pons, J. Comput. Phys. (2025, arXiv
    2405.04230), and Kiyani et al., Comput. Methods Appl. Mech. Eng. (2025, arXiv 2501.16371).

    Args:
        params: parameters, or one group of them; all of one dtype on one device.
        lr: first step length that a line search tries, > 0; 1 is Newton's.
        method: ``"ssbroyden"``, ``"ssbfgs"`` or ``"bfgs"`` (not scaled).
        max_iter: iterations in a step, ≥ 1.
        initial_scaling: whether the first update gives the identity the scale of the inverse Hessian.
        c1: of sufficient decrease, 0 < c1 < c2.
        c2: of curvature, c1 < c2 < 1.
        max_evaluations: most evaluations in a line search, ≥ 1.
        tolerance_grad: largest absolute gradient at which a step ends, ≥ 0.
        max_parameters: most parameters n: H has n² numbers, 0.75 GiB in float64 for 10 000.

    Attributes:
        stop_reason: why the last step ended before `max_iter` iterations; None if it did not.

    Raises:
        ConfigurationError: for a value outside these ranges, frozen parameters, mixed dtypes or devices, or more than
            `max_parameters` parameters.

    Example:
        >>> x = torch.nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
        >>> optimizer = SelfScaledBroyden([x], max_iter=60)
        >>> def rosenbrock() -> Tensor:
        ...     optimizer.zero_grad()
        ...     loss = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
        ...     loss.backward()
        ...     return loss
        >>> _ = optimizer.step(rosenbrock)
        >>> [round(value, 6) for value in x.tolist()]
        [1.0, 1.0]
    """

    # Not in the state, whose strings torch's load_state_dict does not give back; pickles leave them out.
    _stop_reason: str | None = None
    _values: ValueWatch | None = None

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        method: Method = "ssbroyden",
        max_iter: int = 20,
        initial_scaling: bool = True,
        c1: float = 1e-4,
        c2: float = 0.9,
        max_evaluations: int = 25,
        tolerance_grad: float = 0.0,
        max_parameters: int = 10_000,
    ) -> None:
        if method not in get_args(Method):
            raise ConfigurationError(unknown_choice("method", method, get_args(Method)))
        if not (math.isfinite(lr) and lr > 0):
            raise ConfigurationError(f"lr={lr} of SelfScaledBroyden must be finite and > 0; 1 is Newton's step")
        if not 0 < c1 < c2 < 1:
            raise ConfigurationError(f"c1={c1} and c2={c2} of SelfScaledBroyden must be 0 < c1 < c2 < 1")
        if not tolerance_grad >= 0:
            raise ConfigurationError(f"tolerance_grad={tolerance_grad} of SelfScaledBroyden must be >= 0")
        counts = {"max_iter": max_iter, "max_evaluations": max_evaluations, "max_parameters": max_parameters}
        for name, value in counts.items():
            if value < 1:
                raise ConfigurationError(f"{name}={value} of SelfScaledBroyden must be >= 1")
        defaults: dict[str, Any] = {"lr": lr, "method": method}
        defaults |= {"max_iter": max_iter, "initial_scaling": initial_scaling}
        defaults |= {"c1": c1, "c2": c2, "max_evaluations": max_evaluations, "tolerance_grad": tolerance_grad}
        defaults["line_search_fn"] = "strong_wolfe"  # as in torch's L-BFGS: what tells that the closure's value matters
        super().__init__(params, defaults)
        FlatParameters(self.param_groups[0]["params"]).refuse_more_than(max_parameters)

    @property
    def stop_reason(self) -> str | None:
        """Why the last step ended early."""
        return self._stop_reason

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add the one parameter group.

        Args:
            param_group: as for any optimiser.

        Raises:
            ValueError: for a second one.
        """
        if self.param_groups:
            raise ValueError("SelfScaledBroyden takes one parameter group: its inverse Hessian couples all parameters")
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Do up to `max_iter` iterations.

        Args:
            closure: clears the gradients, computes the loss and its gradients, and returns the loss. Where it is
                random, as with dropout, the method cannot work; two calls at one point tell, in the first step and
                where a later one does not begin with the value that the last one ended with.

        Returns:
            What the closure returned first: the loss at the start.

        Raises:
            TypeError: without a closure.
            NonFiniteError: a FloatingPointError, if the loss or its gradient at the start is not finite; parameters and
                state are as they were.
            ConfigurationError: if two calls at the same point differ, or the closure computes no gradient or returns no
                loss.
        """
        if closure is None:
            raise TypeError(
                "SelfScaledBroyden.step() needs a closure that evaluates the loss again. Lightning gives none under "
                "precision '16-mixed', whose gradient scaler takes one gradient a step: train with '64-true' "
                "(recommended), '32-true' or 'bf16-mixed'"
            )
        # Made anew each time: torch's optimisers pickle their groups and state only, and modules are moved.
        flat = FlatParameters(self.param_groups[0]["params"])
        objective = Objective(torch.enable_grad()(closure), flat)
        state = self._prepared_state()
        present = objective.at_start()
        if "inverse_hessian" not in state:
            objective.refuse_randomness(present)
            state["inverse_hessian"] = torch.eye(flat.size, dtype=self._anchor.dtype, device=self._anchor.device)
        self._values = values = self._values or ValueWatch()
        if values.asks_again(present.value, objective.rounding):
            objective.refuse_randomness_later(present)
        self._stop_reason = None
        for _ in range(self.param_groups[0]["max_iter"]):
            following = self._iterate(objective, present, state)
            if following is None:
                break
            present = following
        values.note(present.value)
        state["evaluations"] += objective.evaluations
        return objective.first_value

    @property
    def _anchor(self) -> Tensor:
        """The parameter that the state is kept under, as torch's own optimisers keep theirs under each."""
        anchor: Tensor = self.param_groups[0]["params"][0]
        return anchor

    def _prepared_state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.state[self._anchor]
        for name, value in {"iterations": 0, "evaluations": 0, "is_identity": True}.items():
            state.setdefault(name, value)
        return state

    def _iterate(self, objective: Objective, present: Trial, state: dict[str, Any]) -> Trial | None:
        """Go from a point to the next; None where there is none."""
        if present.gradient.abs().max() <= self.param_groups[0]["tolerance_grad"]:
            self._stop_reason = "the gradient is zero, or below tolerance_grad"
            return None
        trial, failure = self._search(objective, present, state)
        if trial is None and not state["is_identity"]:
            self._reset(state)
            trial, failure = self._search(objective, present, state)
        if trial is None:
            objective.refuse_randomness_later(present)  # no search goes down what is another function at each call
            self._stop(
                state, f"no step length along the negative gradient lowers the loss {present.value:.6g}: {failure}"
            )
            return None
        self._update(state, objective.direction, present, trial)
        state["iterations"] += 1
        return trial._replace(length=0.0)

    def _search(self, objective: Objective, present: Trial, state: dict[str, Any]) -> tuple[Trial | None, str | None]:
        """Go to a lower point along −H g; stay, and say why, where there is none."""
        group = self.param_groups[0]
        direction = present.gradient.neg() if state["is_identity"] else state["inverse_hessian"].mv(-present.gradient)
        slope = torch.dot(direction, present.gradient).item()
        if not slope < 0 or not math.isfinite(slope):
            size = "small" if slope == 0 else "large"
            return None, f"the gradient's square is too {size} for {str(direction.dtype).removeprefix('torch.')}"
        objective.look_along(direction)
        line = StrongWolfe(
            objective.at,
            present._replace(slope=slope),
            c1=group["c1"],
            c2=group["c2"],
            max_evaluations=group["max_evaluations"],
        )
        # An identity knows nothing of the scale: no farther than a unit length at first.
        unit = min(1.0, 1.0 / math.sqrt(-slope)) if state["is_identity"] else 1.0
        trial, failure = line.search(group["lr"] * unit)
        lower = trial.value < present.value
        objective.move_to(trial.length if lower else 0.0)
        return (trial if lower else None), failure

    def _update(self, state: dict[str, Any], direction: Tensor, present: Trial, trial: Trial) -> None:
        """Update H by the step just taken, unless the curvature along it is not positive."""
        H, group = state["inverse_hessian"], self.param_groups[0]
        s, y = trial.length * direction, trial.gradient - present.gradient
        ys = torch.dot(y, s).item()
        inverse_times_y = H.mv(y)
        yHy = torch.dot(y, inverse_times_y).item()
        sBs = -trial.length * torch.dot(s, present.gradient).item()
        if not (ys > 0 and yHy > 0 and sBs > 0 and math.isfinite(yHy / ys) and math.isfinite(sBs / ys)):
            return
        first = state["is_identity"] and group["initial_scaling"]
        scaling = choose_scaling(group["method"], sBs / ys, yHy / ys, len(s), first=first)
        update_inverse_hessian(H, s, y, inverse_times_y, scaling)
        state["is_identity"] = False

    def _reset(self, state: dict[str, Any]) -> None:
        state["inverse_hessian"].zero_().fill_diagonal_(1.0)
        state["is_identity"] = True

    def _stop(self, state: dict[str, Any], reason: str) -> None:
        self._stop_reason = reason
        if not state.get("has_warned"):
            state["has_warned"] = True
            warnings.warn(f"SelfScaledBroyden ended a step early: {reason}", RuntimeWarning, stacklevel=4)
