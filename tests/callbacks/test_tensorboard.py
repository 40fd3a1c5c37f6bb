from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch.loggers
import numpy as np
import pytest
import pytorch_lightning.loggers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

import laaf_lightning as laaf
from tests.callbacks.plain_training import (
    Batches,
    PlainModule,
    adapted,
    one_epoch_trainer,
    regression_batches,
    slopes_of,
)

BATCHES = regression_batches()
LOGGERS = [pytorch_lightning.loggers.TensorBoardLogger, lightning.pytorch.loggers.TensorBoardLogger]


def events(folder: Path) -> Any:
    accumulator = EventAccumulator(str(folder), size_guidance={"histograms": 0, "tensors": 0, "scalars": 0})
    return accumulator.Reload()


def layout(log: Any) -> Layout:
    (event,) = log.Tensors("custom_scalars__config__")
    return Layout.FromString(event.tensor_proto.string_val[0])


def fit(folder: Path, module: Any, *callbacks: Any, make_logger: Any = LOGGERS[0], **settings: Any) -> Any:
    logger = make_logger(str(folder), name="", version="run")
    one_epoch_trainer(*callbacks, logger=logger, **settings).fit(module, Batches(BATCHES))
    return events(folder / "run")


@pytest.mark.parametrize("make_logger", LOGGERS, ids=lambda kind: kind.__module__)
def test_scalars_have_the_steps_and_values_that_were_logged(tmp_path: Path, make_logger: Any) -> None:
    module = adapted(PlainModule(), "neuron")
    log = fit(tmp_path, module, laaf.SlopeRecovery(), make_logger=make_logger, log_every_n_steps=3)
    for tag in ("slope/net.1/mean", "slope/net.3/upper", "slope_recovery", "slope_recovery_objective"):
        assert [event.step for event in log.Scalars(tag)] == [2, 5]
    last = 2 * slopes_of(module)[0].detach().numpy()
    assert log.Scalars("slope/net.1/mean")[-1].value == pytest.approx(last.mean(), rel=1e-6)
    assert log.Scalars("slope/net.1/std")[-1].value == pytest.approx(np.std(last), rel=1e-5)


def test_one_chart_holds_all_means_and_one_all_bands_of_curves_that_exist(tmp_path: Path) -> None:
    module = adapted(PlainModule(), "neuron")
    log = fit(tmp_path, module, laaf.SlopeRecovery())
    (category,) = layout(log).category
    means, bands = category.chart
    layers = ["net.1", "net.3"]
    assert list(means.multiline.tag) == [f"slope/{layer}/mean" for layer in layers]
    assert [(series.value, series.lower, series.upper) for series in bands.margin.series] == [
        (f"slope/{layer}/mean", f"slope/{layer}/lower", f"slope/{layer}/upper") for layer in layers
    ]
    drawn = {*means.multiline.tag, *(tag for s in bands.margin.series for tag in (s.value, s.lower, s.upper))}
    assert drawn <= set(log.Tags()["scalars"])


def test_without_bands_there_is_one_chart(tmp_path: Path) -> None:
    (category,) = layout(fit(tmp_path, adapted(PlainModule(), "layer"), laaf.SlopeRecovery(0))).category
    (chart,) = category.chart
    assert list(chart.multiline.tag) == ["slope/net.1/mean", "slope/net.3/mean"]


def test_a_second_fit_with_the_same_logger_describes_its_charts_too(tmp_path: Path) -> None:
    logger = LOGGERS[0](str(tmp_path), name="", version="run")
    for _ in range(2):
        one_epoch_trainer(laaf.SlopeRecovery(), logger=logger).fit(adapted(PlainModule()), Batches(BATCHES))
    files = sorted((tmp_path / "run").glob("events.out.*"))
    assert len(files) == 2
    for file in files:
        assert len(layout(events(file)).category) == 1


def test_histograms_hold_every_slope_when_asked_for(tmp_path: Path) -> None:
    module = adapted(PlainModule(), "neuron")
    log = fit(tmp_path, module, laaf.SlopeRecovery(histograms=True), log_every_n_steps=3)
    assert log.Tags()["histograms"] == ["slope/net.1", "slope/net.3"]
    assert [event.step for event in log.Histograms("slope/net.1")] == [2, 5]
    histogram = log.Histograms("slope/net.1")[-1].histogram_value
    slopes = 2 * slopes_of(module)[0].detach().numpy()
    assert (histogram.num, histogram.min, histogram.max) == pytest.approx((slopes.size, slopes.min(), slopes.max()))


def test_histograms_of_half_precision_slopes_are_written(tmp_path: Path) -> None:
    module = adapted(PlainModule(), "neuron").float()
    for part in module.modules():
        if isinstance(part, laaf.AdaptiveActivation) and part.a is not None:
            part.a.data = part.a.data.bfloat16()
    batches = Batches([(x.float(), y.float()) for x, y in BATCHES])
    logger = LOGGERS[0](str(tmp_path), name="", version="run")
    one_epoch_trainer(laaf.SlopeRecovery(histograms=True), logger=logger).fit(module, batches)
    assert events(tmp_path / "run").Tags()["histograms"] == ["slope/net.1", "slope/net.3"]


def test_no_histograms_and_no_layout_unless_asked_for_or_anything_is_drawn(tmp_path: Path) -> None:
    log = fit(tmp_path / "slopes", adapted(PlainModule()), laaf.SlopeRecovery())
    assert log.Tags()["histograms"] == []
    log = fit(tmp_path / "none", adapted(PlainModule(), "fixed"), laaf.SlopeRecovery())
    assert log.Tags()["tensors"] == []


def test_several_loggers_each_get_charts(tmp_path: Path) -> None:
    loggers = [kind(str(tmp_path), name="", version=str(i)) for i, kind in enumerate(LOGGERS)]
    one_epoch_trainer(laaf.SlopeRecovery(), logger=loggers).fit(adapted(PlainModule()), Batches(BATCHES))
    assert all(len(layout(events(tmp_path / str(i))).category) == 1 for i in range(2))


@pytest.mark.slow
def test_importing_the_callbacks_does_not_import_tensorboard() -> None:
    program = "import sys; from laaf_lightning import SlopeRecovery; print('torch.utils.tensorboard' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
