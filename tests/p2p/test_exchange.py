"""Two machines joined without a socket move blobs, and nothing but what was asked gets through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits, wire
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.memory import MemoryStore
from photonic.errors import BlobCorrupt, FrameInvalid
from photonic.ids import HASH_BYTES
from photonic.p2p.blob_messages import (
    Answer,
    AskBlob,
    AskChunks,
    AskList,
    Busy,
    GiveBlob,
    GiveChunk,
    GiveList,
    Missing,
    Question,
)
from photonic.p2p.exchange import (
    Answered,
    Asker,
    ChunkCame,
    ChunksWanted,
    Giver,
    ListCame,
    ListWanted,
    Refused,
    Wanted,
    WholeWanted,
)
from photonic.p2p.fetching import Stored, store_effects
from photonic.world import World
from tests.blobs.samples import noise

DATA = noise(2_500_000)
FOUND = scan_bytes(DATA)
SMALL = noise(300_000, 1)
SMALL_FOUND = scan_bytes(SMALL)
PIECES = [DATA[a:b] for a, b in pairwise(FOUND.chunks.offsets)]
ALL = tuple(range(len(PIECES)))


def answers(question: Question) -> list[Answer]:
    """Answer as an honest peer does that holds both blobs."""
    match question:
        case AskList(number):
            return [GiveList(number, FOUND.chunks.encoded)]
        case AskBlob(number):
            return [GiveBlob(number, SMALL_FOUND.chunks.encoded, SMALL)]
        case AskChunks(number, _, _, indices):
            return [GiveChunk(number, index, PIECES[index]) for index in indices]


def _parse(body: bytes, kind: Any) -> Any:
    """Decode one of a union of messages, for which the type checker has no name."""
    return wire.decode(body, kind)


@dataclass
class Joined:
    """An asker, a giver, and a store behind the asker; every message goes over the wire format."""

    store: MemoryStore = field(default_factory=lambda: MemoryStore(World()))
    asker: Asker = field(default_factory=Asker)
    giver: Giver = field(default_factory=Giver)
    seen: list[object] = field(default_factory=list)

    def run(
        self,
        wants: Sequence[Wanted],
        twist: Callable[[list[Answer]], list[Answer]] = lambda given: given,
    ) -> None:
        """Ask for everything at once, then answer; raises what the machines or the store raise."""
        asked = [wire.encode(self.asker.ask(wanted)) for wanted in wants]
        questions = [_parse(body, Question) for body in asked]
        replies = [reply for q in questions for reply in answers(self.giver.handle(q))]
        reader = wire.FrameReader()
        for reply in twist(replies):
            for body in reader.feed(wire.frame(wire.encode(reply))):
                effects = self.asker.handle(_parse(body, Answer))
                self.seen += effects
                outcomes, error = store_effects(self.store, effects)
                self.seen += outcomes
                if error is not None:
                    raise error


def test_a_list_and_then_its_chunks_make_the_blob() -> None:
    joined = Joined()
    joined.run([ListWanted(FOUND.ref), ChunksWanted(FOUND.ref, FOUND.chunks, ALL)])
    partial = joined.store.resume(FOUND.ref)
    assert partial is not None
    partial.finish()
    assert joined.store.read(FOUND.ref.blob) == DATA
    assert joined.asker.unanswered() == ()


def test_small_blobs_come_whole_and_pipelined() -> None:
    joined = Joined()
    joined.run([WholeWanted(SMALL_FOUND.ref)] * limits.REQUESTS_PIPELINED_MAX)
    kinds = [type(effect) for effect in joined.seen]
    assert kinds.count(Answered) == 2 * limits.REQUESTS_PIPELINED_MAX  # an effect and an outcome
    partial = joined.store.resume(SMALL_FOUND.ref)
    assert partial is not None
    assert partial.finish().ref == SMALL_FOUND.ref


def test_an_answer_is_whole_only_with_its_last_chunk() -> None:
    asker = Asker()
    wanted = ChunksWanted(FOUND.ref, FOUND.chunks, (1, 3))
    asker.ask(wanted)
    assert asker.handle(GiveChunk(1, 1, PIECES[1])) == [
        ChunkCame(FOUND.ref, FOUND.chunks, 1, PIECES[1])
    ]
    assert asker.unanswered() == (wanted,)
    assert asker.handle(GiveChunk(1, 3, PIECES[3]))[-1] == Answered(wanted)
    assert asker.unanswered() == ()


@pytest.mark.parametrize("kind", [Missing, Busy])
def test_a_refusal_ends_its_question_and_no_other(kind: type[Missing | Busy]) -> None:
    asker = Asker()
    first, second = ChunksWanted(FOUND.ref, FOUND.chunks, (0, 1)), ListWanted(FOUND.ref)
    asker.ask(first)
    asker.ask(second)
    asker.handle(GiveChunk(1, 0, PIECES[0]))
    assert asker.handle(kind(1)) == [Refused(first, is_busy=kind is Busy)]
    assert asker.handle(GiveList(2, FOUND.chunks.encoded)) == [
        ListCame(FOUND.ref, FOUND.chunks),
        Answered(second),
    ]


LIES: list[Callable[[list[Answer]], list[Answer]]] = [
    lambda given: [*given, given[-1]],  # once more than asked
    lambda given: given[::-1],  # in another order
    lambda given: given[1:],  # without the first
    lambda given: [GiveChunk(1, 0, PIECES[1]), *given[1:]],  # another chunk's bytes
    lambda given: [GiveChunk(1, 0, PIECES[0][:-1] + b"\0"), *given[1:]],  # the last byte wrong
    lambda given: [GiveChunk(1, 0, PIECES[0] + b"\0"), *given[1:]],  # oversized
    lambda given: [GiveChunk(1, 0, b""), *given[1:]],
    lambda given: [GiveChunk(1, -1, PIECES[-1]), *given[1:]],
    lambda given: [GiveChunk(7, 0, PIECES[0]), *given[1:]],  # another question's number
    lambda given: [GiveList(1, FOUND.chunks.encoded), *given],  # another question's kind
    lambda given: [GiveBlob(1, FOUND.chunks.encoded, DATA), *given],
    lambda given: [Missing(2), *given],
]


@pytest.mark.parametrize("lie", LIES)
def test_what_was_not_asked_is_refused_and_not_stored(
    lie: Callable[[list[Answer]], list[Answer]],
) -> None:
    joined = Joined()
    with pytest.raises((BlobCorrupt, FrameInvalid)):
        joined.run([ChunksWanted(FOUND.ref, FOUND.chunks, ALL)], lie)
    for outcome in joined.seen:
        if isinstance(outcome, Stored):
            assert outcome.size_bytes == sum(len(PIECES[index]) for index in outcome.indices)
    partial = joined.store.begin(FOUND.ref, FOUND.chunks)
    for index in partial.missing():
        partial.write(index, PIECES[index])
    assert partial.finish().ref == FOUND.ref


@pytest.mark.parametrize(
    "answer",
    [
        GiveBlob(1, SMALL_FOUND.chunks.encoded, SMALL[:-1]),
        GiveBlob(1, SMALL_FOUND.chunks.encoded, SMALL[:-1] + b"\0"),
        GiveBlob(1, FOUND.chunks.encoded, DATA),
        GiveBlob(1, b"", SMALL),
        GiveBlob(1, b"PCL1", SMALL),
        GiveList(1, SMALL_FOUND.chunks.encoded),
    ],
)
def test_a_small_blob_that_is_another_is_refused(answer: Answer) -> None:
    joined = Joined()
    with pytest.raises((BlobCorrupt, FrameInvalid)):
        joined.run([WholeWanted(SMALL_FOUND.ref)], lambda given: [answer])
    assert not any(isinstance(seen, Stored) for seen in joined.seen[1:])
    assert not joined.store.has(SMALL_FOUND.ref.blob)


def test_a_list_that_is_another_is_refused() -> None:
    asker = Asker()
    asker.ask(ListWanted(FOUND.ref))
    with pytest.raises(BlobCorrupt):
        asker.handle(GiveList(1, SMALL_FOUND.chunks.encoded))


messages = st.one_of(
    st.builds(GiveBlob, st.integers(0, 3), st.binary(max_size=99), st.binary(max_size=99)),
    st.builds(GiveList, st.integers(0, 3), st.sampled_from([b"", FOUND.chunks.encoded])),
    st.builds(GiveChunk, st.integers(0, 3), st.integers(-1, 9), st.sampled_from([b"", *PIECES])),
    st.builds(Missing, st.integers(0, 3)),
    st.builds(Busy, st.integers(0, 3)),
)


@settings(deadline=None)
@given(st.lists(messages, max_size=8))
def test_whatever_a_peer_says_only_right_bytes_are_stored(said: list[Answer]) -> None:
    store, asker = MemoryStore(World()), Asker()
    for wanted in (ListWanted(FOUND.ref), ChunksWanted(FOUND.ref, FOUND.chunks, (0, 2, 3))):
        asker.ask(wanted)
    for answer in said:
        try:
            effects = asker.handle(answer)
        except (BlobCorrupt, FrameInvalid):
            break
        outcomes, error = store_effects(store, effects)
        for outcome in outcomes:
            assert not isinstance(outcome, Stored) or set(outcome.indices) <= {0, 2, 3}
        if error is not None:
            break
    partial = store.resume(FOUND.ref)
    for index in ALL:
        if partial is not None and index not in partial.missing():
            assert partial.pieces[index] == PIECES[index]  # type: ignore[attr-defined]


@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_are_no_message(data: bytes, is_question: bool) -> None:
    kind = Question if is_question else Answer
    try:
        message = _parse(data, kind)
    except FrameInvalid:
        return
    assert _parse(wire.encode(message), kind) == message


H = bytes(HASH_BYTES)


@pytest.mark.parametrize(
    "question",
    [
        AskList(0, H, H),
        AskList(1, b"short", H),
        AskBlob(1, H, b""),
        AskChunks(1, H, H, ()),
        AskChunks(1, H, H, (3, 2)),
        AskChunks(1, H, H, (2, 2)),
        AskChunks(1, H, H, (-1,)),
        AskChunks(1, H, H, (limits.CHUNKS_PER_BLOB_MAX,)),
        AskChunks(1, H, H, tuple(range(limits.CHUNKS_PER_REQUEST_MAX + 1))),
    ],
)
def test_a_question_that_cannot_be_is_refused(question: Question) -> None:
    with pytest.raises(FrameInvalid):
        Giver().handle(question)


def test_a_giver_takes_only_so_many_questions_at_a_time() -> None:
    giver = Giver()
    for number in range(1, limits.REQUESTS_PIPELINED_MAX + 1):
        giver.handle(AskList(number, H, H))
    with pytest.raises(FrameInvalid):
        giver.handle(AskList(1_000, H, H))
    giver.done()
    giver.handle(AskList(1_000, H, H))
    giver.done()
    with pytest.raises(FrameInvalid):
        giver.handle(AskList(1_000, H, H))


def test_an_asker_says_when_it_may_not_ask() -> None:
    asker = Asker()
    while asker.can_ask:
        asker.ask(ListWanted(FOUND.ref))
    assert len(asker.unanswered()) == limits.REQUESTS_PIPELINED_MAX
    asker.handle(Missing(1))
    assert asker.can_ask
