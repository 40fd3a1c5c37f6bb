"""The console script as a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import QUIET, TINY

pytestmark = pytest.mark.slow

# What a help text of ours imports beyond the help text of an empty LightningCLI.
IMPORTS = """
import contextlib, io, sys
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning import LightningModule, LightningDataModule

def helped(run, *args):
    sys.argv = ["laaf", *args, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.suppress(SystemExit):
        run()
    return text.getvalue()

empty = lambda: LightningCLI(LightningModule, LightningDataModule, subclass_mode_model=True, subclass_mode_data=True)
helped(empty, "fit")
before = set(sys.modules)
from laaf_lightning.cli import cli
texts = [helped(cli), helped(cli, "fit")]
assert "--slope_recovery.weight" in texts[1]
print(" ".join(sorted(set(sys.modules) - before)))
"""


def command(*args: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    words = [sys.executable, *launcher, "-m", "laaf_lightning", *args]
    environment = {name: value for name, value in os.environ.items() if name != "LAAF_TRACEBACK"} | {"COLUMNS": "80"}
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def runs() -> list[Path]:
    return sorted(path.parent for path in Path("runs").rglob("config.yaml"))


def test_help_imports_nothing_slow() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    assert "laaf_lightning.cli" in modules
    slow = ("matplotlib", "scipy", "torchvision", "pandas", "IPython")
    assert not [module for module in modules if module.partition(".")[0] in slow]
    rooms = ("data", "models", "modules", "problems")
    assert not [module for module in modules if module.startswith(tuple(f"laaf_lightning.{room}" for room in rooms))]


def test_a_wrong_request_ends_with_one_line_and_status_2() -> None:
    status, out, err = finished(command("fit", *TINY, "--model.scope=neurons", *QUIET))
    assert (status, out) == (2, "")
    assert err == (
        "laaf: error: unknown model.scope 'neurons': valid are fixed, global, layer, channel, neuron; did you mean "
        "'neuron'? (LAAF_TRACEBACK=1 shows the traceback)\n"
    )


@pytest.mark.long
def test_two_processes_at_once_have_two_folders_and_say_what_came_out() -> None:
    processes = [command("fit", *TINY, *QUIET, "--trainer.limit_val_batches=1") for _ in range(2)]
    for process in processes:
        status, out, err = finished(process)
        assert status == 0, err
        said = out.splitlines()[-1]
        assert re.fullmatch(
            r"relative L2 error \d\.\d+ after 2 optimiser steps in [\d.]+ s; logs and figures in runs/\S+; "
            r"the best, .*best\S+",
            said,
        )
        assert "Warning" not in err
        assert "LeafSpec" not in err
    assert len(runs()) == 2


def test_two_ranks_that_torchrun_started_share_one_folder_and_speak_once() -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    words = ["fit", *TINY, *QUIET, "--trainer.devices=2", "--trainer.strategy=ddp"]
    status, out, err = finished(command(*words, launcher=launcher))
    assert status == 0, err
    assert list(Path("runs/discontinuous_paper/layer-n10-recovery").iterdir()) == runs()
    assert len(runs()) == 1
    assert out.count("after 2 optimiser steps") == 1
