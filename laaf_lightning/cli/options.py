"""What laaf adds to Lightning's options."""

from __future__ import annotations

from pytorch_lightning.cli import LightningArgumentParser

from laaf_lightning.cli.run.label import AUTO

_LINKED_FACTS = ("num_classes", "in_channels", "image_size")


def add_options(parser: LightningArgumentParser) -> None:
    """Register the callbacks and link what one part of a configuration knows of another.

    Args:
        parser: the parser of one subcommand.
    """
    from laaf_lightning.callbacks import (  # noqa: PLC0415  # to parse for
        AdaptActivations,
        AdaptiveLossWeights,
        EpochTrainLoss,
        ExactResume,
        FigureCallback,
        FiniteGuard,
        FreezeSlopes,
        PointwiseWeights,
        ResampleCollocation,
        SlopeRecovery,
    )

    parser.add_lightning_class_args(AdaptActivations, "adapt")
    parser.add_lightning_class_args(SlopeRecovery, "slope_recovery")
    parser.add_lightning_class_args(FigureCallback, "figures")
    parser.add_lightning_class_args(FreezeSlopes, "freeze_slopes")
    parser.add_lightning_class_args(FiniteGuard, "finite_guard")
    parser.add_lightning_class_args(ExactResume, "exact_resume")
    switched_on = {
        "epoch_train_loss": EpochTrainLoss,
        "resample_collocation": ResampleCollocation,
        "adaptive_loss_weights": AdaptiveLossWeights,
        "pointwise_weights": PointwiseWeights,
    }
    for key, callback in switched_on.items():
        parser.add_lightning_class_args(callback, key)
        parser.set_defaults({f"{key}.enabled": False})
    parser.add_argument("--test_after_fit", type=bool, default=False, help="Whether fit ends with a test.")
    parser.add_argument(
        "--init_from",
        type=str | None,
        default=None,
        help="Checkpoint whose weights a fit starts from, as far as they fit, without its optimiser and steps.",
    )
    parser.add_argument(
        "--run_label",
        type=str,
        default=AUTO,
        help="Folder between a job's name and a run's date: auto for what the run is (layer-n10-warmup100), or any "
        "name; empty for none.",
    )
    parser.add_argument(
        "--process_timeout",
        type=float | None,
        default=None,
        help="Seconds that the processes of a run wait for one of them that hangs, before all end; null for the "
        "strategy's own limit, half an hour.",
    )
    parser.link_arguments("model.init_args.problem", "data.init_args.problem")
    for fact in _LINKED_FACTS:
        parser.link_arguments(f"data.{fact}", f"model.init_args.{fact}", apply_on="instantiate")


def add_fit_options(parser: LightningArgumentParser) -> None:
    """Register what only ``laaf fit`` takes.

    Args:
        parser: its parser.
    """
    parser.add_argument(
        "--resume",
        type=str | None,
        default=None,
        help="Folder of a run to go on with, from its newest whole checkpoint and, without --config, with its "
        "configuration; without a value the newest run of this configuration.",
    )


def add_predict_options(parser: LightningArgumentParser) -> None:
    """Register what only ``laaf predict`` takes.

    Args:
        parser: its parser.
    """
    parser.add_argument(
        "--points",
        type=str | None,
        default=None,
        help="File of the points to predict at, instead of the problem's grid: .csv whose first line names the "
        "coordinates, or .npz with an array for each, or one (N, d) array 'points'.",
    )
    parser.add_argument(
        "--derivatives",
        type=list[str] | str | None,
        default=None,
        help="Derivatives of a PINN's unknowns at the same points, for example u_x,u_t,u_xx.",
    )
