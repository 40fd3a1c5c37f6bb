"""Errors in the user's own code: where they are, and the part of the traceback that is theirs."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from traceback import FrameSummary

_OURS = Path(__file__).resolve().parents[1]
_PYTHONS = tuple(Path(sysconfig.get_paths()[name]).resolve() for name in ("stdlib", "platstdlib"))
_INSTALLED = {"site-packages", "dist-packages"}
_GENERATED = "torchinductor"  # what torch.compile writes into a temporary folder


def about_users_code(error: BaseException) -> str | None:
    """Write what the user is to see of an error that their own code raised, or led to.

    Args:
        error: with its causes.

    Returns:
        File, line, function and message of the deepest frame that is theirs; then their frames. None without one.
    """
    raised, frames = _deepest(error)
    if not frames:
        return None
    message = "".join(traceback.format_exception_only(raised))
    first = f"{_place(frames[-1])}: {' '.join(message.split())}\n"
    heading = "Your part of the traceback, most recent call last (LAAF_TRACEBACK=1 shows all of it):\n"
    return first + heading + "".join(traceback.format_list(frames)) + message


def place_in_users_code(error: BaseException) -> str:
    """Say where in the user's code a wrong request was made.

    Args:
        error: with its causes.

    Returns:
        A clause that begins with ``"; "``; empty if none of their code ran.
    """
    _, frames = _deepest(error)
    return f"; at {_place(frames[-1])}" if frames else ""


def _deepest(error: BaseException) -> tuple[BaseException, list[FrameSummary]]:
    """Return the innermost cause with frames of the user's, and these."""
    for raised in reversed([*_causes(error)]):
        if frames := [frame for frame in traceback.extract_tb(raised.__traceback__) if _is_users(frame.filename)]:
            return raised, frames
    return error, []


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _is_users(filename: str) -> bool:
    if filename.startswith("<"):
        return False
    path = Path(filename).resolve()
    if not path.is_file():  # compiled from a file that is elsewhere
        return False
    if any(part in _INSTALLED or part.startswith(_GENERATED) for part in path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in (_OURS, *_PYTHONS))


def _place(frame: FrameSummary) -> str:
    """Write a place as editors and terminals know it."""
    return f"{_shortest(Path(frame.filename))}:{frame.lineno}, in {frame.name}"


def _shortest(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
