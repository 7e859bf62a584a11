"""A malicious member of real daemons, over real libp2p: a flood, then nonsense; others go on.

It joined with an invitation as anybody does; what speaks with its key is `tests/hostile/kit.py`.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import pytest

from photonic import wire
from photonic.crdt.changes import SignedChange
from photonic.crdt.fields import CAPTION, RATING
from photonic.crdt.keys import change_key, shard_of
from photonic.errors import PeerShunned, PhotonicError
from photonic.identity import Identity
from photonic.ids import ALBUM, BlobId, LibraryId, Subject, parse_peer_id, photo_subject
from photonic.layout import Layout
from photonic.p2p.libp2p_transport import Libp2pTransport
from photonic.p2p.messages import CATALOG_PROTOCOL
from photonic.p2p.transport import Admission, Stream
from photonic.world import World
from simulations.daemons import Daemon, daemons, join, photonic
from tests.cameras import make_camera_files
from tests.hostile.kit import Malice, push
from tests.system.test_strangers import (
    EDITS,
    GROWN_MB_MAX,
    SLOWER_MAX,
    SLOWER_MS,
    WITHIN_S,
    Watcher,
    descriptors,
    latencies_ms,
    resident_mb,
)  # fmt: skip

MANY = 3_000  # changes in each flood: what two cores take in beside the rest
# The member that floods shares the two processors with those whom it floods.
MEMBER_SLOWER_MS = 150.0


class Culprit:
    """Speaks with one daemon as the member whose home folder it has."""

    def __init__(self, home: Path, victim: Daemon) -> None:
        layout, world = Layout(home), World()
        record = layout.read_record()
        assert record is not None
        self.identity = Identity.load_or_create(layout.node_key, world)
        self.malice = Malice(self.identity, LibraryId(record.library))
        self.transport = Libp2pTransport(self.identity, [], world)
        address, _, name = victim.listen[0].partition("/p2p/")
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

    async def flood(self, stream: Stream, some: list[SignedChange]) -> None:
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


def _flood_of(culprit: Culprit, photo: Subject) -> list[SignedChange]:
    make, third = culprit.malice.change, MANY // 3
    return [
        *(make(photo, {CAPTION: f"lie {n}"}, at=n << 16) for n in range(third)),
        *(make(Subject(ALBUM, n.to_bytes(16, "big")), {"name": f"x {n}"}) for n in range(third)),
        *(make(photo, adds={"tags": tuple(f"{n} {i}" for i in range(20))}) for n in range(third)),
    ]


def test_members_go_on_while_one_of_them_floods_and_lies(tmp_path: Path) -> None:
    with daemons(tmp_path / "first", tmp_path / "second", tmp_path / "bad") as (first, second, bad):
        make_camera_files(tmp_path / "card")
        first.start()
        photonic(first.home, "import", str(tmp_path / "card"), check=False)
        join(first, second)
        join(first, bad)
        second.start("--peer", first.listen[0])
        photos = list(first.photos())
        second.wait_until(lambda: len(second.photos()) == len(photos))
        culprit = Culprit(bad.home, first)
        target = photo_subject(BlobId(bytes.fromhex(photos[0])))
        flood = _flood_of(culprit, target)
        with Watcher(second) as watcher:
            normal = latencies_ms(first, watcher, photos[1])
            before_mb, before_files = resident_mb(first), descriptors(first)
            thread = threading.Thread(
                target=culprit.run, args=(lambda stream: culprit.flood(stream, flood),)
            )
            thread.start()
            there: list[float] = []
            most_mb = before_mb
            until_s = time.monotonic() + WITHIN_S
            while len(there) < EDITS or (thread.is_alive() and time.monotonic() < until_s):
                there.append(watcher.latency_ms(first, photos[1], len(there) % 5 + 1))
                most_mb = max(most_mb, resident_mb(first))
            thread.join()
        calm, busy = statistics.median(normal), statistics.median(there)
        print(
            f"\nan edit is visible after {calm:.0f} ms, flooded {busy:.0f} ms,"
            f" at worst {max(there):.0f};"
            f" {culprit.sent} changes were pushed; {before_mb:.0f} MB, flooded {most_mb:.0f}"
        )
        assert culprit.sent == len(flood)
        assert busy <= SLOWER_MAX * calm + SLOWER_MS + MEMBER_SLOWER_MS
        assert most_mb - before_mb < GROWN_MB_MAX
        assert descriptors(first) - before_files < 20

        culprit.run(lambda stream: culprit.lie(stream, target))
        first.wait_until(
            lambda: any(p["code"] == PeerShunned.code for p in first.status()["problems"]), WITHIN_S
        )
        refused = Culprit(bad.home, first)
        with pytest.raises(BaseException) as caught:  # in a group, as its nursery has it
            refused.run(lambda stream: refused.flood(stream, flood[:1]))
        assert caught.group_contains(PhotonicError), "it is let in by no gate for a while"
        with Watcher(second) as watcher:
            watcher.latency_ms(first, photos[1], 2)
        first.send("PATCH", f"/photos/{photos[0]}", {"caption": "the truth"})
        second.wait_until(lambda: _has_said(second, photos[0], "the truth"), WITHIN_S)
        assert [node.status()["photos"] for node in (first, second)] == [len(photos)] * 2


def _has_said(node: Daemon, photo: str, caption: str) -> bool:
    """Whether a caption is shown, among all that the flood said, too."""
    field = node.get(f"/photos/{photo}")["fields"]["caption"]
    return bool(field["value"] == caption)
