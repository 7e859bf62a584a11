"""The pool of worker processes that read foreign files.

One file is read by one process, with a limit on time; a process that dies or hangs costs that one
file (WorkerDied) and is replaced. Nothing is pickled: frames of msgpack go through pipes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import trio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

import photonic
from photonic import limits, wire
from photonic.errors import FileEmpty, FrameInvalid, PhotonicError, PhotoUnreadable, WorkerDied
from photonic.ingest.examination import Answer, Examine, Examined, Failed

_READ_BYTES = 256 * limits.KIB
_TIMEOUT_S = limits.METADATA_TIMEOUT_S + limits.RENDITION_TIMEOUT_S
_ERRORS: dict[str, type[PhotonicError]] = {kind.code: kind for kind in (PhotoUnreadable, FileEmpty)}


@dataclass(slots=True)
class _Worker:
    """One process, or the place for one."""

    process: trio.Process | None = None
    files: int = 0

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None


class Workers:
    """`count` processes. `examine` may be called by any number of tasks."""

    def __init__(self, count: int, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
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

    async def examine(self, path: Path, name: str | None = None) -> Examined:
        """Return what is in the file at absolute `path`; `name` if its own does not say what it is.

        Raises PhotoUnreadable, FileEmpty, WorkerDied. Cancelling it ends the worker.
        """
        request = Examine(os.fsencode(path), name or _text(path.name))
        worker = await self._idle.receive()
        try:
            found = await self._ask(worker, request)
        finally:
            self._free.send_nowait(worker)
        if isinstance(found, Failed):
            raise _ERRORS.get(found.code, PhotoUnreadable)(found.message)
        return found

    async def _ask(self, worker: _Worker, request: Examine) -> Answer:
        """Put one request to one worker. Whatever goes wrong, the worker is fit for the next."""
        try:
            if worker.process is None or worker.files >= limits.WORKER_FILES_MAX:
                await _end(worker)
                worker.process, worker.files = await _start(), 0
            worker.files += 1
            with trio.fail_after(self._timeout_s):
                return await _exchange(worker.process, request)
        except trio.TooSlowError:
            await _end(worker)
            raise WorkerDied(f"{request.name} took longer than {self._timeout_s:.0f} s") from None
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, FrameInvalid):
            how = await _end(worker)
            raise WorkerDied(
                f"reading {request.name} ended the process that read it ({how})"
            ) from None
        except BaseException:
            with trio.CancelScope(shield=True):
                await _end(worker)
            raise


async def _start() -> trio.Process:
    # One thread each: the pool is what uses the cores.
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "PYTHONPATH": str(Path(photonic.__file__).parents[1]),
    }
    return await trio.lowlevel.open_process(
        # Never a module from whatever folder the node was started in.
        [sys.executable, "-P", "-m", "photonic.ingest.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


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


async def _exchange(process: trio.Process, request: Examine) -> Answer:
    assert process.stdin is not None and process.stdout is not None
    await process.stdin.send_all(wire.frame(wire.encode(request)))
    reader = wire.FrameReader()
    while data := await process.stdout.receive_some(_READ_BYTES):
        for body in reader.feed(bytes(data)):
            return wire.decode(body, Answer)  # type: ignore[arg-type]
    raise trio.BrokenResourceError


def _text(name: str) -> str:
    """Return a file's name as text: what is no UTF-8 in it is replaced."""
    return os.fsencode(name).decode("utf-8", "replace")
