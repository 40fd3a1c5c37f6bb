from __future__ import annotations

import errno
import io
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
import torch

from laaf_lightning import whole_files
from laaf_lightning.errors import ConfigurationError
from laaf_lightning.whole_files import NotWrittenError, write_whole, write_whole_text


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def refuse(code: int) -> Callable[..., Any]:
    def refusing(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    return refusing


@pytest.fixture
def limited_size() -> Any:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_torch_numpy_and_matplotlib_write_is_what_they_read(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.ckpt", lambda stream: torch.save({"w": torch.arange(3)}, stream))
    write_whole(tmp_path / "a.npz", lambda stream: np.savez(stream, x=np.arange(4), y=np.ones((2, 2))))
    write_whole(tmp_path / "a.png", lambda stream: matplotlib.figure.Figure().savefig(stream, format="png"))
    assert torch.load(tmp_path / "a.ckpt", weights_only=True)["w"].tolist() == [0, 1, 2]
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["x"].tolist() == [0, 1, 2, 3]
        assert arrays["y"].sum() == 4
    assert matplotlib.image.imread(tmp_path / "a.png").ndim == 3
    expected = io.BytesIO()
    torch.save({"w": torch.arange(3)}, expected)
    assert (tmp_path / "a.ckpt").stat().st_size == expected.getbuffer().nbytes


def test_files_have_the_permissions_that_others_get_too(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("1")
    write_whole_text(tmp_path / "whole", "1")
    assert stat.S_IMODE((tmp_path / "whole").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_an_error_at_any_step_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    file = tmp_path / "a.ckpt"
    file.write_text("old")
    where: Any = Path if step == "open" else os
    monkeypatch.setattr(where, step, refuse(code))
    with pytest.raises(NotWrittenError) as caught:
        write_whole(file, lambda stream: [stream.write(b"x" * 1000) for _ in range(1234)], "checkpoint")
    monkeypatch.undo()
    said = str(caught.value)
    assert said.startswith(f"cannot write the checkpoint '{file}': {os.strerror(code)} (it needs 1,234,000 bytes, and ")
    assert "bytes are free there); what stood under this name before is kept; " in said
    assert isinstance(caught.value, ConfigurationError)
    assert isinstance(caught.value.__cause__, OSError)
    assert names(tmp_path) == ["a.ckpt"]
    assert file.read_text() == "old"


@pytest.mark.usefixtures("limited_size")
@pytest.mark.parametrize(
    "write",
    [
        lambda stream: torch.save(torch.zeros(5000), stream),
        lambda stream: np.savez(stream, x=np.zeros(2500)),
        lambda stream: [stream.write(b"a") for _ in range(20_000)],
    ],
    ids=["torch", "numpy", "bytes"],
)
def test_a_file_for_which_there_is_no_room_tells_how_much_it_needs(tmp_path: Path, write: Any) -> None:
    with pytest.raises(NotWrittenError, match=r"File too large \(it needs 2\d,\d{3} bytes, and"):
        write_whole(tmp_path / "a", write)
    assert names(tmp_path) == []


def test_what_the_writer_raises_passes_and_leaves_nothing(tmp_path: Path) -> None:
    for error in (ValueError, KeyboardInterrupt):

        def failing(stream: Any, error: type[BaseException] = error) -> None:
            stream.write(b"1")
            raise error

        with pytest.raises(error):
            write_whole(tmp_path / "a", failing)
    assert names(tmp_path) == []


def test_a_folder_in_the_way_a_file_as_folder_and_a_name_too_long_are_errors(tmp_path: Path) -> None:
    (tmp_path / "folder.ckpt").mkdir()
    (tmp_path / "file").touch()
    for name, reason in {"folder.ckpt": "Is a directory", "file/a": "Not a directory", "n" * 300: "too long"}.items():
        with pytest.raises(NotWrittenError, match=reason):
            write_whole_text(tmp_path / name, "1")
    assert names(tmp_path) == ["file", "folder.ckpt"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_a_pipe_or_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotWrittenError, match=r"cannot write .*pipe': a device or a pipe is there"):
        write_whole_text(tmp_path / "pipe", "1")
    assert (tmp_path / "pipe").is_fifo()
    assert names(tmp_path) == ["pipe"]


def test_the_longest_name_that_the_system_takes_is_taken(tmp_path: Path) -> None:
    name = "ä" * 127
    write_whole_text(tmp_path / name, "1")
    assert names(tmp_path) == [name]


def test_a_folder_that_has_vanished_is_made_again(tmp_path: Path) -> None:
    write_whole_text(tmp_path / "a" / "b" / "c", "1")
    assert (tmp_path / "a" / "b" / "c").read_text() == "1"


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_what_is_not_to_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    write_whole_text(tmp_path / "a", "old", replace=False)
    with pytest.raises(FileExistsError):
        write_whole_text(tmp_path / "a", "new", replace=False)
    write_whole_text(tmp_path / "b", "x")

    def overtaken(stream: Any) -> None:
        stream.write(b"late")
        (tmp_path / "c").write_text("first")

    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "c", overtaken, replace=False)
    assert {name: (tmp_path / name).read_text() for name in names(tmp_path)} == {"a": "old", "b": "x", "c": "first"}


def test_a_link_is_replaced_and_not_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "best").write_text("best")
    (tmp_path / "last").symlink_to("best")
    write_whole_text(tmp_path / "last", "last")
    assert (tmp_path / "best").read_text() == "best"
    assert (tmp_path / "last").read_text() == "last"


def test_what_a_killed_program_has_left_is_removed_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    left = tmp_path / f".a.ckpt.{'0' * 32}.unfinished"
    others = [tmp_path / ".a.unfinished", tmp_path / ".hidden"]
    for file in (left, *others):
        file.touch()

    def meanwhile(stream: Any) -> None:
        write_whole_text(tmp_path / "b", "2")
        stream.write(b"1")

    write_whole(tmp_path / "a", meanwhile)
    assert names(tmp_path) == [".a.unfinished", ".hidden", "a", "b"]


def test_without_locks_what_is_left_behind_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_files, "fcntl", None)
    left = tmp_path / f".a.ckpt.{'0' * 32}.unfinished"
    left.touch()
    write_whole_text(tmp_path / "a", "1")
    assert names(tmp_path) == [left.name, "a"]


def test_a_folder_that_cannot_be_forced_to_disk_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def only_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    write_whole_text(tmp_path / "a", "1")
    assert names(tmp_path) == ["a"]


KILLED = """
import os, signal, sys
from pathlib import Path
from laaf_lightning.whole_files import write_whole
file = Path(sys.argv[1])

def killed(stream):
    stream.write(b"x" * 5000)
    os.kill(os.getpid(), signal.SIGKILL)

write_whole(file, killed)
"""


@pytest.mark.slow
def test_a_program_killed_while_it_writes_leaves_the_old_file_and_the_next_one_tidies_up(tmp_path: Path) -> None:
    file = tmp_path / "a.ckpt"
    file.write_text("old")
    assert subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False).returncode == -9
    assert len(names(tmp_path)) == 2
    assert file.read_text() == "old"
    write_whole_text(tmp_path / "b", "1")
    assert names(tmp_path) == ["a.ckpt", "b"]
