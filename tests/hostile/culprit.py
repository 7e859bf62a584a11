"""A member of real daemons that means harm: it has a member's home folder and the product's parts.

As a program it floods a daemon, until its standard input ends and no less than it was told:
`python -m tests.hostile.culprit HOME ADDRESS PHOTO COUNT` prints "flooding" when it has begun, and
in the end how many changes it pushed.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path

import anyio

from photonic import wire
from photonic.crdt.changes import SignedChange
from photonic.crdt.fields import CAPTION, RATING
from photonic.crdt.keys import change_key, shard_of
from photonic.errors import PhotonicError
from photonic.identity import Identity
from photonic.ids import ALBUM, BlobId, LibraryId, Subject, parse_peer_id, photo_subject
from photonic.layout import Layout
from photonic.p2p.libp2p_transport import Libp2pTransport
from photonic.p2p.messages import CATALOG_PROTOCOL
from photonic.p2p.transport import Admission, Stream
from photonic.world import World
from tests.hostile.kit import Malice, push

WITHIN_S = 60.0


class Culprit:
    """Speaks with one daemon as the member whose home folder it has."""

    def __init__(self, home: Path, victim: str) -> None:
        """`victim` is where a daemon listens."""
        layout, world = Layout(home), World()
        record = layout.read_record()
        assert record is not None
        self.identity = Identity.load_or_create(layout.node_key, world)
        self.malice = Malice(self.identity, LibraryId(record.library))
        self.transport = Libp2pTransport(self.identity, [], world)
        address, _, name = victim.partition("/p2p/")
        self.address, self.victim = address, parse_peer_id(name)
        self.sent = 0

    def run(self, act: Callable[[Stream], object]) -> None:
        anyio.run(self._run, act, backend="trio")

    async def _run(self, act: Callable[[Stream], object]) -> None:
        async def read_all(stream: Stream) -> None:
            while await stream.receive(1 << 20):
                pass

        run = partial(
            self.transport.run, {CATALOG_PROTOCOL: read_all}, {}, lambda _: Admission.MEMBER,
            lambda _: None,
        )  # fmt: skip
        async with anyio.create_task_group() as tasks:
            await tasks.start(run)
            with anyio.move_on_after(WITHIN_S):
                await self.transport.dial(self.victim, [self.address])
                stream = await self.transport.open(self.victim, CATALOG_PROTOCOL)
                await act(stream)  # type: ignore[misc]
            tasks.cancel_scope.cancel()

    async def flood(self, stream: Stream, some: Iterator[SignedChange]) -> None:
        """Push changes, each in a message of its own, as fast as they are taken."""
        for signed in some:
            await stream.send(wire.frame(wire.encode(self.malice.push(signed))))
            self.sent += 1

    async def lie(self, stream: Stream, subject: Subject) -> None:
        """Push changes with wrong signatures until it is cut."""
        try:
            for number in range(1_000):
                signed = self.malice.change(subject, {RATING: number})
                spoilt = bytes([signed.data[0] ^ 1]) + signed.data[1:]
                message = push(shard_of(subject), {change_key(signed.id): spoilt})
                await stream.send(wire.frame(wire.encode(message)))
        except PhotonicError:
            return


def flood_of(malice: Malice, photo: Subject) -> Iterator[SignedChange]:
    """Heads of one photo, albums and tags, without end."""
    for n in count():
        yield malice.change(photo, {CAPTION: f"lie {n}"}, at=n << 16)
        yield malice.change(Subject(ALBUM, n.to_bytes(16, "big")), {"name": f"x {n}"})
        yield malice.change(photo, adds={"tags": tuple(f"{n} {i}" for i in range(20))})


def main(home: str, address: str, photo: str, least: str) -> None:
    malice, is_over, sent = Culprit(Path(home), address).malice, threading.Event(), 0

    def wait_over() -> None:
        sys.stdin.read()
        is_over.set()

    def some() -> Iterator[SignedChange]:
        nonlocal sent
        for signed in flood_of(malice, photo_subject(BlobId(bytes.fromhex(photo)))):
            if is_over.is_set() and sent >= int(least):
                return
            yield signed
            sent += 1
            if sent == 1:
                print("flooding", flush=True)

    threading.Thread(target=wait_over, daemon=True).start()
    while not (is_over.is_set() and sent >= int(least)):
        culprit = Culprit(Path(home), address)
        with suppress(BaseExceptionGroup, PhotonicError):  # it was held up for long: once more
            culprit.run(partial(culprit.flood, some=some()))
    print(sent, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
