"""The pool of worker processes that read foreign files.

One file is read by one process, with a limit on time; a process that dies or hangs costs that one
file (WorkerDied) and is replaced. A stored file is read once more then, for it may have been
somebody else's fault; if that ends the same way, it is put aside (FileSetAside). Nothing is
pickled: frames of msgpack go through pipes, and no other descriptor of the node's goes along.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from photonic import limits, wire
from photonic.errors import FileEmpty, FrameInvalid, PhotonicError, PhotoUnreadable, WorkerDied
from photonic.ids import BlobId
from photonic.ingest.examination import Answer, Examine, Examined, Failed, Ready
from photonic.ingest.suspects import Suspects
from photonic.jail.confinement import WALLS, environment

_READ_BYTES = 256 * limits.KIB
_TIMEOUT_S = limits.METADATA_TIMEOUT_S + limits.RENDITION_TIMEOUT_S
_ERRORS: dict[str, type[PhotonicError]] = {kind.code: kind for kind in (PhotoUnreadable, FileEmpty)}


@dataclass(slots=True)
class _Worker:
    """One process, or the place for one."""

    process: trio.Process | None = None
    reader: wire.FrameReader | None = None
    files: int = 0

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None


class Workers:
    """`count` processes. `examine` may be called by any number of tasks."""

    def __init__(
        self,
        count: int,
        *,
        readable: Sequence[Path],
        suspects: Suspects | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        """Only what lies below the folders `readable` can be read."""
        self._readable, self._suspects, self._timeout_s = tuple(readable), suspects, timeout_s
        self.walls: tuple[str, ...] | None = None  # of the last process; None: none has started
        self._workers = [_Worker() for _ in range(count)]
        self._free, self._idle = trio.open_memory_channel[_Worker](count)
        for worker in self._workers:
            self._free.send_nowait(worker)

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Own the processes until cancelled; they start when they are first needed."""
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                for worker in self._workers:
                    await _end(worker)

    @property
    def missing_walls(self) -> list[str]:
        """What workers should not be able to do and can, on this machine; [] until one started."""
        return [wall for wall in WALLS if wall not in self.walls] if self.walls is not None else []

    async def examine(
        self, path: Path, name: str | None = None, blob: BlobId | None = None
    ) -> Examined:
        """Return what is in the file at absolute `path`; `name` if its own does not say what it is.

        `blob`, if it is a stored one, is put aside when it ends two processes in a row.
        Raises PhotoUnreadable, FileEmpty, WorkerDied, FileSetAside. Cancelling it ends the worker.
        """
        request = Examine(os.fsencode(path), name or _text(path.name))
        if blob is None or self._suspects is None:
            return await self._examine(request)
        known = self._suspects.get(blob)
        if known is not None:
            raise known.error()
        try:
            return await self._examine(request)
        except WorkerDied:
            pass  # by itself, by a full memory, by a person: the next one says
        try:
            return await self._examine(request)
        except WorkerDied as error:
            put = partial(self._suspects.put_aside, blob, request.name, error.message)
            suspect = await trio.to_thread.run_sync(put)
            self._suspects.announce(blob, suspect)
            raise suspect.error() from error

    async def _examine(self, request: Examine) -> Examined:
        worker = await self._idle.receive()
        try:
            found = await self._ask(worker, request)
        finally:
            self._free.send_nowait(worker)
        if isinstance(found, Failed):
            raise _ERRORS.get(found.code, PhotoUnreadable)(found.message)
        return found

    async def _start(self, worker: _Worker) -> None:
        """Start a worker's process and hear which walls it stands behind."""
        worker.files, worker.reader = 0, wire.FrameReader()
        worker.process = await trio.lowlevel.open_process(
            # Never a module from whatever folder the node was started in.
            [sys.executable, "-P", "-m", "photonic.ingest.worker", *map(str, self._readable)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            close_fds=True,  # nothing of the journal, the keys and the peers
            cwd="/",
            env=environment(),
        )
        with trio.fail_after(limits.WORKER_START_TIMEOUT_S):
            self.walls = wire.decode(await _next(worker), Ready).walls

    async def _ask(self, worker: _Worker, request: Examine) -> Answer:
        """Put one request to one worker. Whatever goes wrong, the worker is fit for the next."""
        try:
            if worker.process is None or worker.files >= limits.WORKER_FILES_MAX:
                await _end(worker)
                await self._start(worker)
            worker.files += 1
            with trio.fail_after(self._timeout_s):
                return await _exchange(worker, request)
        except trio.TooSlowError:
            await _end(worker)
            raise WorkerDied(f"{request.name} took longer than it may") from None
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, FrameInvalid):
            how = await _end(worker)
            raise WorkerDied(
                f"reading {request.name} ended the process that read it ({how})"
            ) from None
        except BaseException:
            with trio.CancelScope(shield=True):
                await _end(worker)
            raise


async def _end(worker: _Worker) -> str:
    """Kill the worker's process if it still runs; return how it ended, in words."""
    process, worker.process = worker.process, None
    if process is None:
        return "it did not start"
    process.kill()
    status = await process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            await pipe.aclose()
    return f"signal {-status}" if status < 0 else f"exit status {status}"


async def _exchange(worker: _Worker, request: Examine) -> Answer:
    assert worker.process is not None and worker.process.stdin is not None
    await worker.process.stdin.send_all(wire.frame(wire.encode(request)))
    return wire.decode(await _next(worker), Answer)  # type: ignore[arg-type]


async def _next(worker: _Worker) -> bytes:
    """Return the next thing that a worker says. One that says two things at once is broken."""
    assert worker.process is not None and worker.process.stdout is not None
    assert worker.reader is not None
    while data := await worker.process.stdout.receive_some(_READ_BYTES):
        bodies = worker.reader.feed(bytes(data))
        if len(bodies) > 1:
            raise FrameInvalid("a worker said two things at once")
        if bodies:
            return bodies[0]
    raise trio.BrokenResourceError


def _text(name: str) -> str:
    """Return a file's name as text: what is no UTF-8 in it is replaced."""
    return os.fsencode(name).decode("utf-8", "replace")
