"""Evictions: this node lets originals go that enough others have just promised to keep.

The order of steps is that of safety, and each holds if the power goes after it:

1. the blobs *leave*: from here on this node promises nobody to keep them, so two nodes that evict
   at one time can never both rely on each other;
2. others are asked, with a new nonce each, and what they answer is judged by the roster of now;
3. what proves that a blob may go is written down, durably;
4. the catalog says, durably, that this node does not hold it any more;
5. the proof is judged once more, for time has passed, and the file goes;
6. it is remembered as away, so that it is not fetched by itself, and written into the audit log
   with its attestations.

After a crash before 5 the blob is here, and said to be (`Library.reconcile`); after it, `settle`
writes down what is lacking of 6. What cannot be proven stays, and it is said why.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from photonic import limits
from photonic.attesting import NOT_HELD, NOT_SOUND
from photonic.blobs.files import FileStore
from photonic.catalog_thread import CatalogThread
from photonic.crdt.catalog import Catalog
from photonic.crdt.index import PhotoIndex
from photonic.crdt.query import PhotoQuery
from photonic.crdt.rights import Roster
from photonic.errors import PhotonicError
from photonic.events import Event
from photonic.eviction_proofs import Proof, decode_proofs, encode_proofs, evicted
from photonic.ids import BlobId, LibraryId, NodeId, peer_id
from photonic.p2p.attestations import (
    Instant,
    Promises,
    Question,
    left_s,
    objection,
    read_attestation,
)
from photonic.prospects import Deep, InVain, Judged, Part, Prospects, going_bytes
from photonic.roles.retention import (
    Candidate,
    Floor,
    Floors,
    Reason,
    Verdict,
    Witness,
    is_lasting,
    judge,
)
from photonic.world import World

log = logging.getLogger(__name__)

_NONCE_BYTES = 32
_FRUITLESS_MAX = 4  # batches of which nothing could go: then others are not worth asking either
AskPeer = Callable[[NodeId, Question, Collection[BlobId]], Awaitable[Promises]]


@dataclass(slots=True)
class Batch:
    """Some photos that are to go together, and what is known of each."""

    candidates: dict[BlobId, Candidate]
    floors: Mapping[BlobId, Floor]
    proofs: dict[BlobId, list[Proof]] = field(default_factory=dict)
    objections: dict[BlobId, str] = field(default_factory=dict)


class Evictions:
    """One node's. One run at a time."""

    def __init__(
        self,
        library: LibraryId,
        me: NodeId,
        query: PhotoQuery,
        store: FileStore,
        thread: CatalogThread,
        index: PhotoIndex,
        floors: Floors,
        roster: Callable[[], Roster],
        reachable: Callable[[], Collection[NodeId]],
        ask: AskPeer,
        world: World,
        announce: Callable[[Event], object],
        opened_lately: Callable[[], Collection[BlobId]] = frozenset,
    ) -> None:
        """`reachable`: connected peers; `opened_lately`: photos that somebody works with."""
        self._library, self._me, self._store = library, me, store
        self._thread, self._index = thread, index
        self._prospects, self.in_vain = Prospects(query, me, floors), InVain(world.clock)
        self._deep: Deep | None = None
        self._roster, self._reachable, self._ask_peer = roster, reachable, ask
        self._world, self._announce, self._opened = world, announce, opened_lately
        self._turn = trio.Lock()
        self.count = self.size_bytes = 0  # that went since the start; they only grow

    # --- what could go -----------------------------------------------------------------------

    async def plan(self, need_bytes: int) -> list[Judged]:
        """Return what would go until so much is free, and what stays in between. Asks nobody."""
        reachable = self._witnesses()
        part = await trio.to_thread.run_sync(self._prospects.part, None)
        found = await self._foreseen(part, reachable, need_bytes)
        lacking_bytes = need_bytes - going_bytes(found)
        if lacking_bytes > 0 and part.end is not None and reachable:
            found += await self._behind(part.end, reachable, lacking_bytes)
        return found

    async def _behind(
        self, end: int, reachable: Mapping[NodeId, str], need_bytes: int
    ) -> list[Judged]:
        """Foresee what is behind the oldest part; the more it costs, the more seldom anew."""
        began_s = self._world.clock.monotonic_s()
        known = self._deep
        if known is not None and began_s < known.until_s and need_bytes <= known.need_bytes:
            return known.judged
        found: list[Judged] = []
        parts = self._prospects.parts(end)
        while going_bytes(found) < need_bytes:
            part = await trio.to_thread.run_sync(next, parts, None)
            if part is None:
                break
            some = await self._foreseen(part, reachable, need_bytes - going_bytes(found))
            found += [one for one in some if one.verdict.may_go]
        now_s = self._world.clock.monotonic_s()
        pause_s = max(limits.EVICTION_LOOK_S, limits.SAFETY_PAUSE_FACTOR * (now_s - began_s))
        self._deep = Deep(found, need_bytes, now_s + pause_s)
        return found

    async def _foreseen(
        self, part: Part, reachable: Mapping[NodeId, str], need_bytes: int
    ) -> list[Judged]:
        blobs = [one.photo for one in part.line]
        promised = await trio.to_thread.run_sync(self._store.promises.promised, blobs)
        found: list[Judged] = []
        freed_bytes = 0
        for one in part.line:
            if freed_bytes >= need_bytes:
                break
            verdict = self._foresee(one, part.floors[one.photo], promised, reachable)
            freed_bytes += one.size_bytes if verdict.may_go else 0
            found.append(Judged(one, verdict, tuple(sorted(one.holders & reachable.keys()))))
        return found

    def _foresee(
        self,
        one: Candidate,
        floor: Floor,
        promised: Collection[BlobId],
        reachable: Mapping[NodeId, str],
    ) -> Verdict:
        if one.photo in promised:
            return Verdict(Reason.PROMISED, "another node relies on this one keeping it")
        if one.photo in self._opened():
            return Verdict(Reason.OPENED, "somebody opened it lately")
        if (refused := self.in_vain.verdict(one.photo)) is not None:
            return refused
        able = one.holders & reachable.keys()
        return judge(floor, self._me, [Witness(node, reachable[node]) for node in able])

    def _witnesses(self) -> dict[NodeId, str]:
        """Return who can be asked now, and whose promise would count: with their roles."""
        return self._counting(self._reachable(), self._roster())

    def _counting(self, nodes: Iterable[NodeId], roster: Roster) -> dict[NodeId, str]:
        now_ms = self._world.clock.now_ms()
        roles = {
            node: roster.members[node].certificate.role
            for node in nodes
            if node != self._me and roster.keeps(node) and roster.admits(node, now_ms)
        }
        return {node: role for node, role in roles.items() if is_lasting(role)}

    # --- letting go --------------------------------------------------------------------------

    async def free(self, need_bytes: int) -> list[Judged]:
        """Let the oldest photos go that may, until so much is free; return what was judged."""
        async with self._turn:
            await self._settle()  # what an error left behind
            judged: list[Judged] = []
            end: int | None = None
            fruitless = 0
            while fruitless < _FRUITLESS_MAX:
                part = await trio.to_thread.run_sync(self._prospects.part, end)
                fruitless = await self._free_of(part, need_bytes, judged, fruitless)
                end = part.end
                if end is None or going_bytes(judged) >= need_bytes:
                    break
            return judged

    async def _free_of(
        self, part: Part, need_bytes: int, judged: list[Judged], fruitless: int
    ) -> int:
        """Let photos of a part go; return how many batches came to nothing one after another."""
        line = iter(part.line)
        while fruitless < _FRUITLESS_MAX and going_bytes(judged) < need_bytes:
            some, left_bytes = list[Candidate](), need_bytes - going_bytes(judged)
            for one in line:
                # By the peers, and what is open, of this moment: each batch takes its time.
                witnesses = self._witnesses()
                verdict = self._foresee(one, part.floors[one.photo], (), witnesses)
                if verdict.may_go:
                    some.append(one)
                elif len(judged) < limits.EVICTION_CANDIDATES_MAX:
                    able = tuple(sorted(one.holders & witnesses.keys()))
                    judged.append(Judged(one, verdict, able))
                is_enough = sum(c.size_bytes for c in some) >= left_bytes
                if is_enough or len(some) == limits.PROMISE_BLOBS_MAX:
                    break
            if not some:
                break
            done = await self._evict(Batch({one.photo: one for one in some}, part.floors))
            self.in_vain.note([one for one in done if _is_final(one)])
            judged += done
            fruitless = 0 if going_bytes(done) else fruitless + 1
        return fruitless

    async def _evict(self, batch: Batch) -> list[Judged]:
        book, blobs = self._store.promises, list(batch.candidates)
        leaving = await trio.to_thread.run_sync(book.leave, blobs)
        doubtful: set[BlobId] = set()  # a crash, or a cancelled wait, may have let them go
        try:
            there = await trio.to_thread.run_sync(self._store.has_many, leaving)
            await self._ask(batch, there)
            # That took its time, and meanwhile somebody may have set a rule, or opened one.
            batch.floors = await trio.to_thread.run_sync(self._prospects.floors, blobs)
            known = [blob for blob in blobs if blob in there and blob not in self._opened()]
            may = [blob for blob in known if self._verdict(batch, blob, self._roster()).may_go]
            gone: list[BlobId] = []
            if may:
                proofs = {blob: encode_proofs(batch.proofs[blob]) for blob in may}
                await trio.to_thread.run_sync(book.prove, proofs)
                doubtful |= set(may)
                gone = await self._drop(batch, may)
                doubtful.clear()
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(book.stay, leaving - doubtful)
        return [self._judged(batch, blob, leaving, gone) for blob in blobs]

    def _judged(
        self, batch: Batch, blob: BlobId, leaving: Collection[BlobId], gone: Collection[BlobId]
    ) -> Judged:
        one = batch.candidates[blob]
        nodes = tuple(sorted({proof.node for proof in batch.proofs.get(blob, ())}))
        if blob in gone:
            return Judged(one, Verdict(Reason.PROVEN), nodes)
        if blob not in leaving:
            return Judged(one, Verdict(Reason.PROMISED, "another node relies on it"), nodes)
        verdict = self._verdict(batch, blob, self._roster())
        if blob in self._opened():
            verdict = Verdict(Reason.OPENED, "somebody opened it lately")
        if verdict.may_go:  # it was taken in again meanwhile, or time was over
            verdict = Verdict(Reason.ABSENT, "it changed meanwhile")
        why = batch.objections.get(blob)
        lacks = f"{verdict.lacks}; {why}" if why else verdict.lacks
        return Judged(one, Verdict(verdict.reason, lacks), nodes)

    # --- asking ------------------------------------------------------------------------------

    async def _ask(self, batch: Batch, blobs: Collection[BlobId]) -> None:
        """Ask one node after another, until each blob is proven or nobody is left."""
        for node in sorted(self._witnesses()):
            lacking = [
                blob
                for blob in sorted(blobs)
                if node in batch.candidates[blob].holders
                and not self._verdict(batch, blob, self._roster()).may_go
            ]
            if lacking:
                await self._ask_one(batch, node, lacking)

    async def _ask_one(self, batch: Batch, node: NodeId, blobs: Sequence[BlobId]) -> None:
        question = Question(
            self._library, self._me, self._world.entropy.token(_NONCE_BYTES),
            limits.PROMISE_KEEP_S, frozenset(blobs), self._now(),
        )  # fmt: skip
        try:
            answer = await self._ask_peer(node, question, blobs)
        except PhotonicError as error:
            batch.objections |= dict.fromkeys(blobs, f"{peer_id(node)} did not answer: {error}")
            return
        for refused in answer.refused:
            if refused.blob in question.blobs:
                why = f"{peer_id(node)} says: {refused.reason}"
                batch.objections[BlobId(refused.blob)] = why
        now = self._now()
        for signed in answer.promised:
            wrong = objection(signed, question, node, now)
            if wrong is not None:
                log.warning("an attestation of %s does not count: %s", peer_id(node), wrong)
                why = f"{peer_id(node)} attests wrongly: {wrong}"
                batch.objections |= dict.fromkeys(blobs, why)
                continue
            blob = BlobId(read_attestation(signed).blob)
            batch.proofs.setdefault(blob, []).append(Proof(signed, question, node))

    def _verdict(self, batch: Batch, blob: BlobId, roster: Roster) -> Verdict:
        """Judge a blob by what is proven of it, by the clocks and the roster of now."""
        now = self._now()
        fresh = [p.node for p in batch.proofs.get(blob, ()) if left_s(p.question, now) > 0]
        counting = self._counting(fresh, roster)
        witnesses = [Witness(node, role) for node, role in counting.items()]
        return judge(batch.floors.get(blob), self._me, witnesses)

    def _now(self) -> Instant:
        clock = self._world.clock
        return Instant(clock.now_ms(), clock.monotonic_s())

    # --- dropping ----------------------------------------------------------------------------

    async def _drop(self, batch: Batch, blobs: Sequence[BlobId]) -> list[BlobId]:
        """Say that blobs are dropped, then drop them; return those that went."""
        me, index, store = self._me, self._index, self._store

        def say(catalog: Catalog) -> None:
            catalog.hold(dict.fromkeys(blobs, False))
            index.mark_held(blobs, is_held=False)

        def go(catalog: Catalog) -> list[BlobId]:
            """Unlink on the catalog's thread, where nobody can take a photo in again meanwhile."""
            gone: list[BlobId] = []
            for blob in blobs:
                if catalog.directory.holding(blob, me):
                    continue  # it was taken in again, so somebody wants it
                if not self._verdict(batch, blob, catalog.roster).may_go:
                    catalog.hold({blob: True})
                    index.mark_held([blob])
                    continue
                store.discard(blob)
                gone.append(blob)
            return gone

        await self._thread.call(say)
        gone = await self._thread.call(go)
        for blob in gone:
            one = batch.candidates[blob]
            self.count, self.size_bytes = self.count + 1, self.size_bytes + one.size_bytes
            signed = [proof.signed for proof in batch.proofs[blob]]
            self._announce(evicted(blob, signed, {"bytes": str(one.size_bytes)}))
        await trio.to_thread.run_sync(store.promises.note_away, gone)  # the proof goes after it
        return gone

    async def settle(self) -> None:
        """Complete what a crash interrupted; the catalog is to be there."""
        async with self._turn:
            await self._settle()

    async def _settle(self) -> None:
        """Complete what a crash, or an error, interrupted. Whoever calls has the turn."""
        book = self._store.promises
        proofs = await trio.to_thread.run_sync(book.proofs)
        there = await trio.to_thread.run_sync(self._store.has_many, proofs)
        gone = [blob for blob in proofs if blob not in there]

        def say(catalog: Catalog) -> None:
            catalog.hold({blob: blob in there for blob in proofs})
            self._index.mark_held(gone, is_held=False)
            self._index.mark_held(there)

        if proofs:
            await self._thread.call(say)
            await trio.to_thread.run_sync(book.note_away, gone)
            for blob in gone:
                self._announce(evicted(blob, decode_proofs(proofs[blob]), {"after": "a crash"}))
            await trio.to_thread.run_sync(book.stay, list(proofs))


def _is_final(judged: Judged) -> bool:
    """Whether somebody who is said to hold it does not; who did not answer may do so next time."""
    return any(reason in judged.verdict.lacks for reason in (NOT_HELD, NOT_SOUND))
