"""Who makes the file of a new index: a process of its own, or this one where that cannot be.

Both take in shards of the catalog, again where one changed since, and then merge them into a file
beside the index in use (`crdt/loader.py`). Blocking for moments only: the catalog's thread owns it.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

import photonic
from photonic import limits, wire
from photonic.crdt.batches import Batch
from photonic.crdt.loader import Loader, discard, made_beside
from photonic.crdt.place_seal import PlaceSeal
from photonic.crdt.sealing import KeyName
from photonic.errors import FrameInvalid
from photonic.ids import LibraryId
from photonic.index_messages import (
    Begin,
    Build,
    Built,
    Failed,
    Merged,
    Order,
    Report,
    Said,
    Stage,
    Staged,
)

log = logging.getLogger(__name__)

_READ_BYTES = 64 * limits.KIB


class BuilderFailed(Exception):
    """The process that made the index cannot go on."""


class Builder(Protocol):
    """Makes one file. After what any of it raises only `stop` may follow."""

    @property
    def is_apart(self) -> bool:
        """Whether it takes in shards beside this process, which has other things to do."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether there is nothing to do but to wait for it."""
        ...

    @property
    def staged(self) -> int:
        """How many shards were taken in."""
        ...

    @property
    def merged(self) -> tuple[int, int]:
        """How many photos are in the file, of how many; of 0 while shards are taken in."""
        ...

    def stage(self, shards: Sequence[int]) -> None:
        """Take in shards as they are now, or are when their turn comes."""
        ...

    def build(self) -> None:
        """Merge: everything was told."""
        ...

    def step(self) -> Path | None:
        """Do a piece of it; return the file when it is whole and durable."""
        ...

    def stop(self) -> None:
        """End it early, and throw away what was made."""
        ...


class BuilderHere:
    """Projects on the thread that calls `step`, piece by piece, and merges on one of its own."""

    is_apart = False

    def __init__(
        self,
        index: Path,
        now_ms: int,
        project: Callable[[int], Iterable[Batch]],
        seal: PlaceSeal | None = None,
    ) -> None:
        """`project` gives what a shard comes to, in pieces; `seal` is the index's."""
        self._loader, self._project = Loader(index, now_ms, seal), project
        self._waiting: deque[int] = deque()
        self._pieces: Iterator[Batch] | None = None  # of the shard that is being staged
        self._is_told_all = False
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._is_built = False
        self.staged = 0

    @property
    def is_busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def merged(self) -> tuple[int, int]:
        return self._loader.progress if self._thread is not None else (0, 0)

    def stage(self, shards: Sequence[int]) -> None:
        self._waiting += shards

    def build(self) -> None:
        self._is_told_all = True

    def step(self) -> Path | None:
        if self._thread is not None:
            return self._step_on() if not self._thread.is_alive() else None
        if self._pieces is None and self._waiting:
            number = self._waiting.popleft()
            self._loader.begin(number)
            self._pieces = iter(self._project(number))
        if self._pieces is not None:
            batch = next(self._pieces, None)
            if batch is not None:
                self._loader.add(batch)
                return None
            self._pieces = None
            self.staged += 1
        elif self._is_told_all:
            self._thread = threading.Thread(target=self._build, name="index")
            self._thread.start()
        return None

    def _step_on(self) -> Path | None:
        if self._error is not None:
            raise self._error
        return self._loader.path if self._is_built else None

    def _build(self) -> None:
        try:
            if self._loader.build():
                self._loader.close()
                self._is_built = True
        except BaseException as error:  # noqa: BLE001 - raised by `step` on the catalog's thread
            self._error = error

    def stop(self) -> None:
        if self._thread is not None:
            self._loader.stop()
            self._thread.join()
        self._loader.abandon()


@dataclass(frozen=True, slots=True)
class Sources:
    """What a process of its own reads to make an index."""

    library: LibraryId
    directory: Path
    store: Path


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens the catalog, and what seals places in the index."""

    seal: PlaceSeal = field(default_factory=PlaceSeal)
    secrets: Mapping[KeyName, bytes] = field(default_factory=dict, repr=False)


class BuilderApart:
    """Lets `python -m photonic.indexer` do it. Raises BuilderFailed, at once or later."""

    is_apart = True

    def __init__(self, sources: Sources, index: Path, now_ms: int, keys: Keys) -> None:
        self._index = index
        self._path: Path | None = None
        self._failure: str | None = None
        self.staged, self.merged = 0, (0, 0)
        try:
            self._process = start_indexer()
        except OSError as error:
            raise BuilderFailed(f"its process cannot be started: {error}") from error
        assert self._process.stdin is not None and self._process.stdout is not None
        self._orders = self._process.stdin
        self._reports = threading.Thread(
            target=self._hear, args=(self._process.stdout,), name="index"
        )
        self._reports.start()
        self._tell(
            Begin(
                sources.library,
                os.fsencode(sources.directory),
                os.fsencode(sources.store),
                os.fsencode(index),
                now_ms,
                keys.seal.key,
                {bytes(name): secret for name, secret in keys.secrets.items()},
            )
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_busy(self) -> bool:
        return self._path is None and self._failure is None

    def stage(self, shards: Sequence[int]) -> None:
        self._tell(Stage(tuple(shards)))

    def build(self) -> None:
        self._tell(Build())

    def _tell(self, order: Order) -> None:
        # What ended the process is known to `_hear`, and told by `step`.
        with suppress(OSError):
            self._orders.write(wire.frame(wire.encode(order)))
            self._orders.flush()

    def step(self) -> Path | None:
        if self._failure is not None:
            raise BuilderFailed(self._failure)
        if self._path is not None:
            self._end()
        return self._path

    def stop(self) -> None:
        self._process.kill()
        self._end()
        discard(self._index)

    def _end(self) -> None:
        with suppress(OSError):
            self._orders.close()  # what ends the process
        self._reports.join()

    # --- on its own thread -------------------------------------------------------------------

    def _hear(self, reports: IO[bytes]) -> None:
        """Take in what the process says until it has ended."""
        reader = wire.FrameReader()
        try:
            while data := os.read(reports.fileno(), _READ_BYTES):
                for body in reader.feed(data):
                    self._note(wire.decode(body, Report))  # type: ignore[arg-type]
        except (OSError, FrameInvalid) as error:
            self._failure = str(error)
            self._process.kill()
        finally:
            reports.close()
            status = self._process.wait()
        if self._path is None and self._failure is None:
            self._failure = f"its process ended ({_how(status)})"

    def _note(self, report: Report) -> None:
        match report:
            case Staged():
                self.staged = report.shards
            case Merged():
                self.merged = (report.photos, report.of)
            case Said():
                log.warning("the process that makes the index: %s", report.text)
            case Built():
                self._path, _ = made_beside(self._index)
            case Failed():
                self._failure = report.text


def _how(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def start_indexer() -> subprocess.Popen[bytes]:
    """Start the process; it ends when its standard input does. Raises OSError."""
    environment = {
        **os.environ,
        "MALLOC_ARENA_MAX": "2",
        "PYTHONPATH": str(Path(photonic.__file__).parents[1]),
    }
    return subprocess.Popen(
        # Never a module from whatever folder the node was started in.
        [sys.executable, "-P", "-m", "photonic.indexer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
