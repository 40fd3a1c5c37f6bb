"""What slopes look like in TensorBoard beyond single curves: common charts and histograms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

# TensorBoard takes time to import, and a command line that only prints help has no use for it: hence local imports.


def tensorboard_writers(loggers: Iterable[Any]) -> list[SummaryWriter]:
    """Find the TensorBoard writers among loggers of any Lightning package.

    Args:
        loggers: the Trainer's loggers.

    Returns:
        The ``SummaryWriter`` objects.
    """
    from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415

    experiments = [getattr(logger, "experiment", None) for logger in loggers]
    return [experiment for experiment in experiments if isinstance(experiment, SummaryWriter)]


def add_slope_charts(writer: SummaryWriter, slopes: Mapping[str, Tensor]) -> None:
    """Describe two charts under "Custom Scalars": the means of all layers, and all bands mean ∓ std.

    The curves in them are the scalars ``slope/<name>/mean``, ``/lower`` and ``/upper``; a layer with a single slope
    has no band, and without any band there is no second chart.

    Args:
        writer: a writer that has written something since it was opened.
        slopes: n·a by the layer's name.
    """
    from tensorboard.plugins.custom_scalar.layout_pb2 import (  # noqa: PLC0415
        Category,
        Chart,
        Layout,
        MarginChartContent,
        MultilineChartContent,
    )
    from torch.utils.tensorboard.summary import custom_scalars  # noqa: PLC0415

    means = MultilineChartContent(tag=[f"slope/{name}/mean" for name in slopes])
    bands = [
        MarginChartContent.Series(value=f"slope/{name}/mean", lower=f"slope/{name}/lower", upper=f"slope/{name}/upper")
        for name, slope in slopes.items()
        if slope.numel() > 1
    ]
    charts = [Chart(title="n·a, mean of every layer", multiline=means)]
    if bands:
        charts.append(Chart(title="n·a, mean ∓ std of every layer", margin=MarginChartContent(series=bands)))
    # SummaryWriter.add_custom_scalars would allow one band a chart, so its summary gets our layout instead.
    summary = custom_scalars({})
    layout = Layout(category=[Category(title="slopes", chart=charts)])
    summary.value[0].tensor.string_val[0] = layout.SerializeToString()
    file_writer: Any = writer.file_writer
    file_writer.add_summary(summary)


def add_slope_histograms(writer: SummaryWriter, slopes: Mapping[str, Tensor], step: int) -> None:
    """Write a histogram of each layer's n·a as ``slope/<name>``.

    Args:
        writer: the writer.
        slopes: n·a by the layer's name.
        step: the step to write them at.
    """
    for name, slope in slopes.items():
        writer.add_histogram(f"slope/{name}", slope.detach().cpu(), step)
