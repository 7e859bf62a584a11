"""Promises to others: reads blobs from the disk, writes the promise down, and only then signs it.

Whoever is asked takes no part in the decision: it says what it has found on its disk a moment ago,
and keeps what it promised (`blobs/promises.py`). A node whose role keeps nothing for good, or that
is no member which may hold, promises nothing, for it would not count. Reading is the scrub's, at
its rate, so whoever asks for much waits for its disk like everything else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import trio

from photonic import limits
from photonic.blobs.promises import PromiseBook
from photonic.blobs.store import Held, Soundness, Verdict
from photonic.events import BlobsPromised, Event
from photonic.identity import Identity
from photonic.ids import BlobId, LibraryId, NodeId
from photonic.p2p.attestations import AskPromises, NotPromised, Promises, attest
from photonic.p2p.frames import send_message
from photonic.p2p.promising import read_ask
from photonic.p2p.transport import Stream
from photonic.world import Clock

Verify = Callable[[Sequence[BlobId]], Awaitable[Sequence[Verdict]]]

NOT_HELD, NOT_SOUND = "it is not here", "reading it from the disk found it wrong"
LEAVES, NOT_NOW, NO_KEEPER = "it is about to go here, too", "not now", "this node keeps no promises"


class Stored(Protocol):
    """What is asked of the store. Blocking."""

    @property
    def promises(self) -> PromiseBook: ...

    def held(self, blob: BlobId) -> Held | None: ...


def reading_with(order: Callable[[Reading], object]) -> Verify:
    """Return what has blobs read by whoever takes orders (`Scrubber.order`)."""

    async def verify(blobs: Sequence[BlobId]) -> Sequence[Verdict]:
        reading = Reading(blobs)
        order(reading)
        await reading.done.wait()
        return reading.verdicts

    return verify


@dataclass(slots=True)
class Reading:
    """A verification that somebody waits for: implements `scrubber.Work`."""

    blobs: Sequence[BlobId]
    verdicts: list[Verdict] = field(default_factory=list)
    done: trio.Event = field(default_factory=trio.Event)

    async def pieces(self) -> AsyncGenerator[Sequence[BlobId], None]:
        for blob in self.blobs:
            yield [blob]

    def note(self, verdicts: Sequence[Verdict]) -> None:
        self.verdicts += verdicts

    def ended(self, error: Exception | None) -> None:
        del error  # what was not read is not among the verdicts
        self.done.set()


class Attester:
    """Answers members that want to evict. Used on the event loop's thread."""

    def __init__(
        self,
        library: LibraryId,
        identity: Identity,
        store: Stored,
        verify: Verify,
        may_promise: Callable[[], bool],
        clock: Clock,
        announce: Callable[[Event], object] = lambda _: None,
    ) -> None:
        """`verify` reads blobs from the disk; `may_promise`: whether this node's promise counts."""
        self._library, self._identity, self._store = library, identity, store
        self._verify, self._may_promise, self._clock = verify, may_promise, clock
        self._announce = announce
        self._waiting: set[NodeId] = set()
        self.given = 0  # attestations; only grows

    async def serve(self, stream: Stream) -> None:
        """Answer one question: the handler of `PROMISE_PROTOCOL`."""
        peer = stream.peer
        try:
            asked = await read_ask(stream)
            if peer in self._waiting or len(self._waiting) >= limits.PROMISES_WAITING_MAX:
                await send_message(stream, _refused(asked.blobs, NOT_NOW))
                return
            self._waiting.add(peer)
            try:
                answer = await self._answer(asked, peer)
            finally:
                self._waiting.discard(peer)
            await send_message(stream, answer)
        finally:
            await stream.close()

    async def _answer(self, asked: AskPromises, peer: NodeId) -> Promises:
        if asked.library != self._library or not self._may_promise():
            return _refused(asked.blobs, NO_KEEPER)
        blobs = [BlobId(blob) for blob in dict.fromkeys(asked.blobs)]
        held, fresh = await trio.to_thread.run_sync(self._look_up, blobs)
        reasons = {blob: NOT_HELD for blob in blobs if blob not in held}
        unread = _some([one for one in held.values() if one.ref.blob not in fresh])
        reasons |= {blob: NOT_NOW for blob in held if blob not in fresh and blob not in unread}
        sound = {blob: held[blob].verified_at_ms for blob in fresh}
        for verdict in await self._verify(unread) if unread else ():
            if verdict.soundness is Soundness.SOUND and verdict.held is not None:
                sound[verdict.blob] = verdict.held.verified_at_ms
            else:
                reasons[verdict.blob] = NOT_SOUND
        reasons |= {blob: NOT_NOW for blob in unread if blob not in sound and blob not in reasons}
        promised = await trio.to_thread.run_sync(self._promise, sound, asked.keep_s)
        reasons |= {blob: LEAVES for blob in sound if blob not in promised}
        self.given += len(promised)
        if promised:
            self._announce(BlobsPromised(tuple(promised), peer, asked.keep_s))
        now_ms = self._clock.now_ms()
        return Promises(
            tuple(
                attest(self._identity, asked, blob, peer, at_ms=now_ms, verified_s=int(age_s))
                for blob, age_s in promised.items()
            ),
            tuple(NotPromised(blob, reason) for blob, reason in reasons.items()),
        )

    # --- on a thread of the pool -------------------------------------------------------------

    def _look_up(self, blobs: Sequence[BlobId]) -> tuple[dict[BlobId, Held], list[BlobId]]:
        """Return which blobs are held, and which were read from the disk lately enough."""
        found = {blob: self._store.held(blob) for blob in blobs}
        held = {blob: one for blob, one in found.items() if one is not None}
        ages = self._store.promises.ages({b: one.verified_at_ms for b, one in held.items()})
        # What is signed is what is true when it arrives, not when it was looked up.
        enough_s = limits.PROMISE_FRESH_S - limits.PROMISE_ANSWER_S
        return held, [blob for blob in held if ages.get(blob, enough_s) < enough_s]

    def _promise(self, sound: dict[BlobId, int], keep_s: int) -> dict[BlobId, float]:
        """Promise, durably, what is here still; return how long ago each was read."""
        book = self._store.promises
        promised = book.promise(sound, keep_s)
        # After it is written down nothing can leave: what is here now, stays.
        there = [b for b in sound if b in promised and self._store.held(b) is not None]
        ages = book.ages({blob: sound[blob] for blob in there})
        return {blob: ages[blob] for blob in there if blob in ages}


def _some(held: Sequence[Held]) -> list[BlobId]:
    """Return as many blobs as are read for one question: at least one, however large."""
    taken, size_bytes = list[BlobId](), 0
    for one in held:
        if taken and size_bytes + one.ref.size_bytes > limits.PROMISE_BYTES_MAX:
            break
        taken.append(one.ref.blob)
        size_bytes += one.ref.size_bytes
    return taken


def _refused(blobs: Sequence[bytes], reason: str) -> Promises:
    return Promises(refused=tuple(NotPromised(blob, reason) for blob in blobs))
