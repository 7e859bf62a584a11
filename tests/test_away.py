"""What a node let go is not wanted again by itself, nor taken in again; promised, it stays."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
import trio

from photonic import limits
from photonic.attesting import NOT_NOW, Attester
from photonic.blobs.files import FileStore
from photonic.blobs.store import Verdict
from photonic.edits import Chosen
from photonic.identity import Identity
from photonic.ids import BlobId, digest
from photonic.p2p.attestations import PROMISE_PROTOCOL, Instant, Promises, Question, objection
from photonic.p2p.memory_transport import MemoryNetwork
from photonic.p2p.planner import WantsAsked
from photonic.p2p.promising import ask_promises
from photonic.p2p.transport import Admission
from photonic.world import World
from tests.evicting import LIBRARY_ID, photo_bytes
from tests.test_library import REF, Shelf, new_photo, run
from tests.test_trash import Desk, play

BOUND_S = 30.0


def test_what_is_away_is_neither_wanted_nor_taken_in_again(tmp_path: Path) -> None:
    """A role that wants everything would else fetch at once what it has just let go."""

    async def work(shelf: Shelf) -> None:
        library, book = shelf.library, shelf.store.promises
        await library.add([new_photo()])
        await library.keeper.call(
            lambda catalog: library.keeper.index.mark_held([REF.blob], is_held=False)
        )
        asked = WantsAsked(10, frozenset((library.identity.node,)))

        async def wanted() -> list[bytes]:
            return [want.ref.blob for want in (await library.wanted(asked)).wants]

        assert await wanted() == [REF.blob]
        shelf.store.discard(REF.blob)
        assert not await library.known(REF.blob)
        book.note_away([REF.blob])
        assert await wanted() == []
        assert await library.known(REF.blob), "a file in a watched folder brings nothing back"
        library.kept_here = frozenset  # a rule wants it here by now
        assert await wanted() == [REF.blob]
        shelf.store.put(b"original")
        await library.arrived([REF])
        assert book.away([REF.blob]) == frozenset(), "it is here as any other"

    run(tmp_path, work)


def test_what_is_about_to_go_is_not_wanted_either(tmp_path: Path) -> None:
    async def work(shelf: Shelf) -> None:
        library, book = shelf.library, shelf.store.promises
        await library.add([new_photo()])
        book.leave([REF.blob])
        book.prove({REF.blob: b"proof"})
        await library.keeper.call(
            lambda catalog: library.keeper.index.mark_held([REF.blob], is_held=False)
        )
        asked = WantsAsked(10, frozenset((library.identity.node,)))
        assert (await library.wanted(asked)).wants == ()

    run(tmp_path, work)


def test_the_trash_keeps_what_was_promised_until_the_promise_ends(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        (photo,) = await desk.take_in(1)
        await desk.trash.discard(Chosen(ids=[photo.hex()]), confirm=True)
        await desk.trash.empty()  # from here on days are counted
        assert await desk.days(29) == 0
        desk.store.promises.promise({photo: 1}, limits.PROMISE_KEEP_S_MAX)
        desk.clock.advance(24 * 3_600 * 1_000)
        assert (await desk.trash.empty()).photos == 0
        assert desk.store.has(photo)
        assert await desk.days(1) == 1, "and then it goes"

    play(tmp_path, work)


# --- over real streams -------------------------------------------------------------------------

ME, OTHER = Identity(digest(b"asks")), Identity(digest(b"keeps"))
BLOBS = [BlobId(digest(photo_bytes(number))) for number in range(3)]


class Pair:
    """Two nodes on a network in memory, of which one keeps promises."""

    def __init__(self, folder: Path) -> None:
        self.world, network = World(), MemoryNetwork()
        self.store = FileStore.open(folder, self.world)
        for number in range(2):
            self.store.put(photo_bytes(number))
        self.here, self.there = network.transport(ME.node), network.transport(OTHER.node)
        self.gate = trio.Event()
        self.gate.set()
        self.read: list[BlobId] = []
        self.attester = Attester(
            LIBRARY_ID, OTHER, self.store, self._verify, lambda: True, self.world.clock
        )

    async def _verify(self, blobs: object) -> list[Verdict]:
        await self.gate.wait()
        some = list(blobs)  # type: ignore[call-overload]
        self.read += some
        return self.store.verify_many(some)

    def question(self, **more: object) -> Question:
        now = Instant(self.world.clock.now_ms(), self.world.clock.monotonic_s())
        facts: dict[str, object] = {
            "library": LIBRARY_ID, "me": ME.node, "nonce": bytes(32),
            "keep_s": limits.PROMISE_KEEP_S, "blobs": frozenset(BLOBS), "sent": now,
        }  # fmt: skip
        return Question(**(facts | more))  # type: ignore[arg-type]

    async def ask(self, question: Question) -> Promises:
        return await ask_promises(self.here, OTHER.node, question, sorted(question.blobs))


def with_pair(folder: Path, work: object) -> None:
    async def main() -> None:
        with trio.fail_after(BOUND_S):
            pair = Pair(folder)

            def member(_: object) -> Admission:
                return Admission.MEMBER

            async with anyio.create_task_group() as tasks:
                handlers = {PROMISE_PROTOCOL: pair.attester.serve}
                await tasks.start(pair.there.run, handlers, {}, member, lambda _: None)
                await tasks.start(pair.here.run, {}, {}, member, lambda _: None)
                await pair.here.dial(OTHER.node, pair.there.addresses())
                await work(pair)  # type: ignore[operator]
                tasks.cancel_scope.cancel()
            pair.store.close()

    trio.run(main)


def test_what_is_asked_over_a_stream_is_promised_and_signed(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        question = pair.question()
        answer = await pair.ask(question)
        clock = pair.world.clock
        now = Instant(clock.now_ms(), clock.monotonic_s())
        wrong = [objection(one, question, OTHER.node, now) for one in answer.promised]
        assert wrong == [None, None]
        assert [one.blob for one in answer.refused] == [BLOBS[2]]
        assert pair.store.promises.promised(BLOBS) == set(BLOBS[:2])
        await pair.ask(pair.question(nonce=bytes([1]) * 32))
        assert sorted(pair.read) == sorted(BLOBS[:2]), "each was read from the disk once"
        nothing = await pair.ask(pair.question(library=bytes(16)))
        assert nothing.promised == ()

    with_pair(tmp_path, work)


def test_one_peer_has_one_question_at_a_time(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        pair.gate = trio.Event()
        answers: list[Promises] = []

        async def ask() -> None:
            answers.append(await pair.ask(pair.question()))
            pair.gate.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(ask)
        refused, given = answers
        assert {one.reason for one in refused.refused} == {NOT_NOW}
        assert len(given.promised) == 2

    with_pair(tmp_path, work)


@pytest.mark.parametrize("size_max", [1, 80_000])
def test_one_question_costs_the_disk_only_so_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_max: int
) -> None:
    async def work(pair: Pair) -> None:
        monkeypatch.setattr(limits, "PROMISE_BYTES_MAX", size_max)
        answer = await pair.ask(pair.question())
        assert len(answer.promised) == 1, "at least one, however large"
        assert sorted(one.reason for one in answer.refused) == ["it is not here", NOT_NOW]

    with_pair(tmp_path, work)
