"""What every step of a run was trained on, and its loss: a run that is resumed must repeat it."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torch.utils._pytree import tree_leaves

_HEADER = "run,batch,step,loss,checksum\n"
_MAX_WORDS = 1 << 16
_MAX_KINDS = 16
_SECONDS = 1.0


class Entry(NamedTuple):
    """One step of a run.

    Attributes:
        step: of the optimiser.
        loss: of the batch; NaN where the module gave none.
        checksum: of the batch.
    """

    step: int
    loss: float
    checksum: int


class Journal:
    """Files of one line for every batch, written about once a second, so that no step waits for the device.

    Args:
        files: where it is kept, beside the checkpoints; with other runs' lines, if these share a folder.
        run: tells this run's lines from those.
        earlier: what was noted before, by number of the batch, to compare with.
    """

    def __init__(self, files: Iterable[Path], run: str, earlier: Mapping[int, Entry] | None = None) -> None:
        self.files = [*files]
        self.run = run
        self._earlier = earlier or {}
        self._noted: list[tuple[int, int, Tensor, Tensor]] = []
        self._written_at = time.monotonic()
        self._checksums = _Checksums()

    def note(self, number: int, step: int, loss: Tensor | None, batch: Any) -> list[tuple[int, Entry, Entry]]:
        """Note a batch that was trained on.

        Args:
            number: of the batch, over all epochs.
            step: of the optimiser.
            loss: 0-dim; None where there is none.
            batch: on the device.

        Returns:
            What differs from what was noted before, if it was time to write.
        """
        if not self.files and not self._earlier:
            return []
        value = torch.tensor(math.nan) if loss is None else loss.detach()
        self._noted.append((number, step, value, self._checksums.of(batch)))
        return self.write() if time.monotonic() - self._written_at > _SECONDS else []

    def write(self) -> list[tuple[int, Entry, Entry]]:
        """Write what was noted.

        Returns:
            Number of the batch, what was noted before and now, where these differ.
        """
        self._written_at = time.monotonic()
        if not self._noted:
            return []
        numbers, steps, losses, checksums = zip(*self._noted, strict=True)
        self._noted = []
        values = [loss.to(torch.float64).reshape(()) for loss in losses]
        entries = map(Entry, steps, _fetched(values), _fetched(checksums))
        noted: dict[int, Entry] = dict(zip(numbers, entries, strict=True))
        for file in [*self.files]:
            self._append(file, noted)
        return [
            (number, self._earlier[number], entry)
            for number, entry in noted.items()
            if number in self._earlier and _bits(self._earlier[number]) != _bits(entry)
        ]

    def _append(self, path: Path, noted: Mapping[int, Entry]) -> None:
        lines = [f"{self.run},{number},{e.step},{e.loss.hex()},{e.checksum}\n" for number, e in noted.items()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(_HEADER if file.tell() == 0 else _line_end(path))
                file.writelines(lines)
        except OSError as error:  # the run is worth more than its journal
            first = next(iter(noted.values())).step
            rank_zero_warn(f"the journal {path} is not kept from step {first} on: {error.strerror}")
            self.files.remove(path)


def _line_end(path: Path) -> str:
    """Return what ends the half line of a run that was killed while it wrote."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return "" if file.read() == b"\n" else "\n"


def read_journal(file: Path, run: str | None = None) -> dict[int, Entry]:
    """Read what an earlier run has noted.

    Args:
        file: the journal; none there gives nothing, as does a line that is not whole.
        run: whose lines; None for all.

    Returns:
        By number of the batch; the latest where a batch was trained on several times.
    """
    return dict(_entries(file, run)) if file.is_file() else {}


def _entries(file: Path, wanted: str | None) -> Iterator[tuple[int, Entry]]:
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines()[1:]:
        with contextlib.suppress(ValueError):  # the last line of a run that was killed
            run, number, step, loss, checksum = line.split(",")
            if wanted in (None, run):
                yield int(number), Entry(int(step), float.fromhex(loss), int(checksum))


def _fetched(values: Sequence[Tensor]) -> list[Any]:
    return torch.stack([value.to(values[0].device) for value in values]).tolist()


def _bits(entry: Entry) -> tuple[str, int]:
    return entry.loss.hex(), entry.checksum


class _Checksums:
    """Sums up the bits of batches, each word times its position; of large tensors every k-th word."""

    def __init__(self) -> None:
        self._batch: Any = None  # the last one, held so that no other takes its place
        self._tensors: list[Tensor] = []
        self._versions: list[int] = []
        self._total = torch.zeros((), dtype=torch.int64)
        self._positions: dict[tuple[int, torch.device], Tensor] = {}

    def of(self, batch: Any) -> Tensor:
        if batch is self._batch and self._versions == [*map(_version, self._tensors)]:
            return self._total  # a full batch is the same at every step
        self._tensors = [leaf for leaf in tree_leaves(_plain(batch)) if isinstance(leaf, Tensor) and leaf.numel()]
        self._batch, self._versions = batch, [*map(_version, self._tensors)]
        self._total = torch.zeros((), dtype=torch.int64, device=self._tensors[0].device if self._tensors else None)
        for number, tensor in enumerate(self._tensors, start=1):
            self._total = self._total * 31 + self._sum(tensor).to(self._total.device) * number
        return self._total

    def _sum(self, tensor: Tensor) -> Tensor:
        data = torch.view_as_real(tensor.detach()) if tensor.is_complex() else tensor.detach()
        words = data.contiguous().reshape(-1).view(torch.uint8)
        words = words.view(torch.int32) if len(words) % 4 == 0 else words
        words = words[:: -(-len(words) // _MAX_WORDS)].to(torch.int64)
        position = (len(words), words.device)
        if position not in self._positions:
            if len(self._positions) == _MAX_KINDS:
                self._positions.clear()
            self._positions[position] = torch.arange(1, len(words) + 1, device=words.device)
        return (words * self._positions[position]).sum()


def _version(tensor: Tensor) -> int:
    """Count its changes in place, where torch does."""
    return -1 if tensor.is_inference() else tensor._version


def _plain(batch: Any) -> Any:
    return vars(batch) if hasattr(batch, "__dict__") and not isinstance(batch, (Tensor, dict)) else batch
