from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from laaf_lightning.data.images.download import download, write_whole
from laaf_lightning.data.images.formats import DamagedFileError
from laaf_lightning.errors import ConfigurationError

CONTENT = bytes(range(256)) * 4000


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):  # until the other side hangs up
                while True:
                    self.wfile.write(CONTENT)
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:5000] if self.path == "/half" else CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def accept(file: Path) -> None:
    if file.read_bytes() != CONTENT:
        raise DamagedFileError(file, "its checksum is wrong", "delete it")


def test_file_comes_whole_over_http_into_a_new_folder(tmp_path: Path, server: str) -> None:
    file = tmp_path / "new" / "set.gz"
    download(file, [f"{server}/set.gz"], accept, "put it there")
    assert file.read_bytes() == CONTENT
    assert list(file.parent.iterdir()) == [file]


def test_file_url_works(tmp_path: Path) -> None:
    source = tmp_path / "source.gz"
    source.write_bytes(CONTENT)
    download(tmp_path / "set.gz", [source.as_uri()], accept, "put it there")
    assert (tmp_path / "set.gz").read_bytes() == CONTENT


def test_next_address_is_tried_after_each_way_to_fail(tmp_path: Path, server: str) -> None:
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(b"not the set")
    urls = [f"{server}/missing", f"{server}/half", damaged.as_uri(), "no address", f"{server}/set.gz"]
    download(tmp_path / "new" / "set.gz", urls, accept, "put it there")
    assert (tmp_path / "new" / "set.gz").read_bytes() == CONTENT


def test_failure_names_every_address_with_its_reason_and_leaves_nothing(tmp_path: Path, server: str) -> None:
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(b"not the set")
    urls = [f"{server}/missing", f"{server}/half", damaged.as_uri()]
    with pytest.raises(ConfigurationError) as caught:
        download(tmp_path / "new" / "set.gz", urls, accept, "put it there")
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'new' / 'set.gz'} is missing and could not be downloaded (")
    assert f"{server}/missing: HTTP Error 404" in text
    assert f"{server}/half: the connection ended after 5000 of {len(CONTENT)} bytes" in text
    assert f"{damaged.as_uri()}: what came is damaged, its checksum is wrong" in text
    assert text.endswith("): put it there")
    assert not (tmp_path / "new").exists()


def test_address_that_delivers_without_end_is_left(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laaf_lightning.data.images.download._MOST_BYTES", 3_000_000)
    with pytest.raises(ConfigurationError, match="endless: it delivers more than 3000000 bytes"):
        download(tmp_path / "set.gz", [f"{server}/endless"], accept, "put it there")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (os.mkfifo, "it is a named pipe instead of a file"),
        (Path.mkdir, "it is a folder instead of a file"),
        (lambda file: file.symlink_to("/dev/zero"), "it is a device instead of a file"),
        (lambda file: file.symlink_to(file), r"it cannot be read \(Too many levels of symbolic links\)"),
        (lambda file: None, r"it cannot be read \(No such file or directory\)"),
    ],
    ids=["pipe", "folder", "device", "circle", "nothing"],
)
def test_address_of_no_file_is_neither_waited_for_nor_read_without_end(
    tmp_path: Path, make: Callable[[Path], object], problem: str
) -> None:
    make(tmp_path / "source")
    with pytest.raises(
        ConfigurationError, match=rf"could not be downloaded \(file:.*source: .*{problem}\): put it there"
    ):
        download(tmp_path / "new" / "set.gz", [(tmp_path / "source").as_uri()], accept, "put it there")
    assert not (tmp_path / "new").exists()


def test_disk_that_is_full_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    def content() -> Iterator[bytes]:
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(ConfigurationError, match=r"batch cannot be written \(No space left on device\): make room"):
        write_whole(tmp_path / "batch", content(), lambda file: None)
    assert list(tmp_path.iterdir()) == []


def test_refused_connection_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"could not be downloaded \(http://127.0.0.1:9/x: .*\): put it"):
        download(tmp_path / "set.gz", ["http://127.0.0.1:9/x"], accept, "put it there")


def test_a_failure_leaves_no_folder_that_was_not_there(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for root in (tmp_path / "data", tmp_path / "new"):
        with pytest.raises(ConfigurationError, match="could not be downloaded"):
            download(root / "MNIST" / "raw" / "file", [(tmp_path / "nowhere").as_uri()], accept, "help yourself")
    assert [path.name for path in tmp_path.rglob("*")] == ["data"]


def test_file_that_is_there_is_never_fetched(tmp_path: Path) -> None:
    file = tmp_path / "set.gz"
    file.write_bytes(b"mine")
    download(file, ["http://127.0.0.1:9/x"], accept, "put it there")
    assert file.read_bytes() == b"mine"


def test_interrupted_download_leaves_no_file_under_the_final_name(tmp_path: Path) -> None:
    source = tmp_path / "source.gz"
    source.write_bytes(CONTENT)

    def interrupt(file: Path) -> None:
        assert file.parent == tmp_path / "new"
        assert file.read_bytes() == CONTENT
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(tmp_path / "new" / "set.gz", [source.as_uri()], interrupt, "put it there")
    assert list((tmp_path / "new").iterdir()) == []


def test_unwritable_folder_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file, not a folder")
    with pytest.raises(ConfigurationError, match=r"set\.gz is missing and cannot be written .*set root or .*LAAF_DATA"):
        download(tmp_path / "occupied" / "set.gz", ["http://127.0.0.1:9/x"], accept, "put it there")
