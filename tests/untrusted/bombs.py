"""Files that would leave a proof if anything of them ran."""

from __future__ import annotations

import functools
import http.server
import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

PROOF = Path("proof")
CALL = {"class_path": "os.system", "init_args": {"command": f"touch {PROOF}"}}
YAML_CALL = f"{{class_path: os.system, init_args: {{command: touch {PROOF}}}}}"


class Bomb:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {PROOF}",)


def save_bomb(path: Path, **content: Any) -> None:
    """Write a checkpoint that runs a command where it is loaded with ``weights_only=False``."""
    torch.save({"state_dict": {}, "pytorch-lightning_version": "2.6.6", **content, "bomb": Bomb()}, path)


def laughs(levels: int = 9) -> str:
    """Write YAML, on one line, that grows ten times with every level when it is followed."""
    names = [f"n{level}" for level in range(levels)]
    inner = [f"&{names[0]} [x]"]
    inner += [f"&{name} [{', '.join([f'*{below}'] * 10)}]" for below, name in itertools.pairwise(names)]
    return f"[{', '.join(inner)}]"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder over http for a while; the address ends with a slash."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
