"""How the tests of the command line run it: a served node in a thread, and command lines."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
import trio

from photonic.api.app import create_app
from photonic.api.server import serve
from photonic.cli.app import main
from photonic.cli.client import NodeFile
from photonic.home import NODE_FILE
from photonic.ids import peer_id
from photonic.world import World
from tests.api.local_node import HERE, MemoryNode

BOUND_S = 30.0


@dataclass(frozen=True)
class Outcome:
    """What a command line left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer; with --json it is one line and nothing else."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        assert self.err.count("\n") == 1, self.err
        return json.loads(self.err)


class CommandLine:
    """Runs `photonic` in this process, for one home folder."""

    def __init__(self, home: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.home, self._capture = home, capture

    def __call__(self, *arguments: str) -> Outcome:
        self._capture.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["--home", str(self.home), *arguments])
        out, err = self._capture.readouterr()
        assert isinstance(end.value.code, int)
        return Outcome(end.value.code, out, err)


@contextmanager
def serving(
    home: Path, photos: Path, *, named: str = peer_id(HERE), world: World | None = None
) -> Iterator[MemoryNode]:
    """Serve a node over a socket and say so in `home`, as the daemon does."""
    node = MemoryNode(photos, world)
    is_up = threading.Event()
    told: list[tuple[str, trio.lowlevel.TrioToken, anyio.Event]] = []

    async def run() -> None:
        shutdown = anyio.Event()
        with anyio.fail_after(BOUND_S):
            async with anyio.create_task_group() as tasks:
                start = partial(serve, create_app(node), "127.0.0.1", 0, shutdown=shutdown)
                url: str = await tasks.start(start)
                told.append((url, trio.lowlevel.current_trio_token(), shutdown))
                is_up.set()

    thread = threading.Thread(target=partial(anyio.run, run, backend="trio"))
    thread.start()
    assert is_up.wait(BOUND_S)
    url, token, shutdown = told[0]
    file = NodeFile(pid=0, http=url, node=named)
    (home / NODE_FILE).write_bytes(msgspec.json.encode(file))
    try:
        yield node
    finally:
        trio.from_thread.run_sync(shutdown.set, trio_token=token)
        thread.join(BOUND_S)
        assert not thread.is_alive()
