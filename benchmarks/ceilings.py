"""What this machine can do at best, in the same run: signatures, SQLite's inserts, libp2p's stream.

A figure of photonic's means little without one of these beside it.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio

from photonic.identity import Identity, is_signed_by
from photonic.p2p.libp2p_transport import Libp2pTransport
from photonic.p2p.transport import Admission, Stream
from photonic.world import World

_PROTOCOL = "/photonic/benchmark/1"
_PIECE = 1 << 20


def _rate(work: Callable[[], object], times: int) -> float:
    began_s = time.perf_counter()
    for _ in range(times):
        work()
    return times / (time.perf_counter() - began_s)


def signatures(size_bytes: int = 700, times: int = 2_000) -> tuple[float, float]:
    """Return how many changes of this size one thread signs and verifies in a second."""
    identity, data = Identity.generate(World()), bytes(size_bytes)
    signature = identity.sign(data)
    return (
        _rate(partial(identity.sign, data), times),
        _rate(partial(is_signed_by, identity.node, signature, data), times),
    )


def insert_s(rows: Iterable[bytes], per_commit: int, folder: Path) -> float:
    """Return the seconds to write these rows into a bare SQLite table, as durably as a journal."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as work,
        closing(sqlite3.connect(Path(work, "bare.db"), isolation_level=None)) as db,
    ):
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE entries (number INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        taken_s, batch = 0.0, list[tuple[bytes]]()
        for row in rows:
            batch.append((row,))
            if len(batch) == per_commit:
                taken_s += _commit(db, batch)
                batch = []
        return taken_s + _commit(db, batch)


def _commit(db: sqlite3.Connection, batch: Sequence[tuple[bytes]]) -> float:
    began_s = time.perf_counter()
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT INTO entries (data) VALUES (?)", batch)
    db.execute("COMMIT")
    return time.perf_counter() - began_s


async def stream_mb_s(megabytes: int = 64) -> float:
    """Return what one libp2p stream carries between two transports of this process."""
    world = World()
    sender, receiver = (
        Libp2pTransport(Identity.generate(world), ("/ip4/127.0.0.1/tcp/0",), world)
        for _ in range(2)
    )
    received, done = 0, anyio.Event()

    async def take(stream: Stream) -> None:
        nonlocal received
        while data := await stream.receive(_PIECE):
            received += len(data)
        done.set()

    async with anyio.create_task_group() as tasks:
        for transport, handlers in ((sender, {}), (receiver, {_PROTOCOL: take})):
            run = partial(transport.run, handlers, {}, _everybody, lambda event: None)
            await tasks.start(run)
        await sender.dial(receiver.node, receiver.addresses())
        stream = await sender.open(receiver.node, _PROTOCOL)
        began_s = time.perf_counter()
        for _ in range(megabytes):
            await stream.send(bytes(_PIECE))
        await stream.close()
        await done.wait()
        taken_s = time.perf_counter() - began_s
        tasks.cancel_scope.cancel()
    return received / 1e6 / taken_s


def _everybody(_node: bytes) -> Admission:
    return Admission.MEMBER
