"""What was let go and others lost by now is fetched again, and never goes back and forth."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.blobs.promises import PromiseBook
from photonic.crdt.query import PhotoQuery
from photonic.ids import BlobId, NodeId, digest
from photonic.p2p.planner import WantsAsked
from photonic.placement.decision import Demand, Member, demand, lacks_without
from photonic.placement.rules import Floor, Rules
from photonic.recalls import Recalls
from photonic.roles.retention import Floor as Keeping
from photonic.roles.retention import Level, Witness, judge
from photonic.search.criteria import Is, Tree
from photonic.search.sample import Sample
from tests.crdt.photo_rows import NODES, index_of
from tests.placement.rule_lists import NODES as MEMBERS
from tests.placement.rule_lists import floors, members, rules
from tests.test_library import REF, Shelf, new_photo
from tests.test_library import run as with_shelf
from tests.test_placements import placements

CENTRAL, OTHER = NODES[1], NODES[2]
TABLET = Member(NODES[3], "mobile", "tablet")
ROOMY = Level(0, 10_000, 0.85, 0.70)  # an original has 1,000 bytes
GONE = [Sample(photo=BlobId(digest(b"gone %d" % n)), copies=1) for n in range(3)]
ANYBODY = frozenset(NODES)


class Clock:
    """Time that a test moves."""

    now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def now_ms(self) -> int:
        return round(self.now_s * 1_000)


class Case:
    """A tablet that let some photos go, and an index that says who holds what."""

    def __init__(self, folder: Path, some: Sequence[Sample], texts: Sequence[str] = ()) -> None:
        index = index_of(some)
        self.clock, self.woken, self.paused = Clock(), 0, list[Tree]()
        self.there: frozenset[NodeId] = ANYBODY
        self.book = PromiseBook(folder / "promises.db", self.clock)
        self.recalls = Recalls(
            placements(index, texts, TABLET), PhotoQuery(index.engine), self.book,
            lambda: self.paused[0] if self.paused else None, lambda: self.there, self.clock,
            self.wake,
        )  # fmt: skip

    def wake(self) -> None:
        self.woken += 1

    async def found(self, level: Level = ROOMY) -> list[BlobId]:
        async def look() -> Level:
            return level

        await self.recalls.look(look)
        return [want.ref.blob for want in self.recalls.wants(99, ANYBODY)]


def ids(some: Sequence[Sample]) -> set[BlobId]:
    return {one.photo for one in some}


def play(case: Case, work: Callable[[Case], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(30):
            await work(case)
        case.book.close()

    trio.run(main)


def test_what_went_and_is_on_too_few_others_is_wanted_once_who_is_to_fetch_it_is_late(
    tmp_path: Path,
) -> None:
    async def work(case: Case) -> None:
        assert await case.found() == [], "nothing went yet"
        case.book.note_away([GONE[0].photo])
        assert await case.found() == [], "studio and attic fetch everything by themselves"
        case.clock.now_s += limits.RECALL_OVERDUE_S
        assert await case.found() == [GONE[0].photo], "and of the others this node let none go"
        assert await case.found() == [GONE[0].photo]
        assert case.woken == 1
        case.book.call_back([GONE[0].photo])  # it is here
        assert case.recalls.wants(99, ANYBODY) == []

    play(Case(tmp_path, GONE), work)


def test_nothing_waits_for_members_that_do_not_fetch_it(tmp_path: Path) -> None:
    async def work(case: Case) -> None:
        case.book.note_away(ids(GONE))
        assert set(await case.found()) == ids(GONE)

    play(Case(tmp_path, GONE, ["everything: copies 4"]), work)


def test_enough_copies_the_trash_a_pause_and_a_rule_leave_it_where_it_is(tmp_path: Path) -> None:
    some = [
        Sample(photo=BlobId(digest(b"enough")), copies=4),
        Sample(photo=BlobId(digest(b"trashed")), copies=1, trashed=True),
        Sample(photo=BlobId(digest(b"here")), copies=1, held=True),
    ]

    async def work(case: Case) -> None:
        case.book.note_away(ids(some) | ids(GONE))
        assert set(await case.found()) == ids(GONE)
        case.paused = [Is("held")]
        assert set(await case.found()) == ids(GONE)
        case.paused = [Is("trashed"), Is("held")]
        assert set(await case.found()) == ids(GONE)

    play(Case(tmp_path, [*some, *GONE], ["everything: copies 4"]), work)


def test_only_what_fits_below_the_high_mark_comes_back(tmp_path: Path) -> None:
    async def work(case: Case) -> None:
        case.book.note_away(ids(GONE))
        assert len(await case.found(Level(7_400, 10_000, 0.85, 0.70))) == 1
        assert await case.found(Level(8_400, 10_000, 0.85, 0.70)) == []

    play(Case(tmp_path, GONE, ["everything: copies 4"]), work)


def test_only_somebody_who_is_there_and_says_to_hold_it_is_asked(tmp_path: Path) -> None:
    async def work(case: Case) -> None:
        case.book.note_away([GONE[0].photo])
        assert await case.found() == [GONE[0].photo]
        assert case.recalls.wants(99, frozenset([NODES[2]])) == []
        (want,) = case.recalls.wants(99, frozenset([NODES[0]]))
        assert want.holders == frozenset([NODES[0]])

    play(Case(tmp_path, GONE, ["everything: copies 4"]), work)


def test_what_nobody_has_or_others_fetch_takes_no_place_from_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECALL_PHOTOS_MAX", 2)
    lost = [Sample(photo=BlobId(digest(b"lost %d" % n)), taken=f"2030-01-0{n + 1}T00:00:00")
            for n in range(5)]  # fmt: skip

    async def work(case: Case) -> None:
        case.book.note_away(ids(lost) | ids(GONE[:1]))
        assert await case.found(Level(7_400, 10_000, 0.85, 0.70)) == [GONE[0].photo]
        case.there = frozenset()
        assert await case.found() == []
        case.there = ANYBODY
        assert await case.found() == [GONE[0].photo]

    play(Case(tmp_path, [*lost, *GONE], ["everything: copies 4"]), work)


def test_all_that_went_is_looked_through_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECALL_PHOTOS_MAX", 2)
    monkeypatch.setattr(limits, "RECALL_PAGES_MAX", 1)
    some = [Sample(photo=BlobId(digest(b"%d" % n)), copies=4 if n else 1) for n in range(9)]

    async def work(case: Case) -> None:
        case.book.note_away(ids(some))
        seen = [await case.found() for _ in range(6)]
        assert [some[0].photo] in seen

    play(Case(tmp_path, some, ["everything: copies 4"]), work)


def test_it_is_looked_again_and_again(tmp_path: Path) -> None:
    case = Case(tmp_path, GONE, ["everything: copies 4"])

    async def look() -> Level:
        return ROOMY

    async def main() -> None:
        with trio.move_on_after(3 * limits.RECALL_LOOK_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(case.recalls.run, look)
                await trio.testing.wait_all_tasks_blocked()
                case.book.note_away(ids(GONE))

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.05))
    assert {want.ref.blob for want in case.recalls.wants(99, ANYBODY)} == ids(GONE)
    case.book.close()


def test_a_card_brings_back_what_went_and_the_others_lost(tmp_path: Path) -> None:
    """Else a photo that is on a card still would be taken for known, and exist nowhere."""

    async def work(shelf: Shelf) -> None:
        library, book = shelf.library, shelf.store.promises
        await library.add([new_photo()])
        shelf.store.discard(REF.blob)
        await library.withdraw([REF.blob])
        book.note_away([REF.blob])
        assert await library.known(REF.blob), "others hold it"
        library.lacks_elsewhere = lambda photo: photo == REF.blob
        assert not await library.known(REF.blob)
        shelf.store.put(b"original")
        await library.add([new_photo()])
        assert await library.known(REF.blob)
        assert book.away([REF.blob]) == frozenset(), "it is here as any other"

    with_shelf(tmp_path, work)


def test_whoever_is_to_fetch_it_does_not_make_a_card_superfluous(tmp_path: Path) -> None:
    async def work(case: Case) -> None:
        case.book.note_away(ids(GONE))
        assert case.recalls.is_lacking(GONE[0].photo), "two are wanted, one is there"
        await trio.lowlevel.checkpoint()

    play(Case(tmp_path, GONE), work)


def test_it_comes_before_all_else_that_is_wanted_but_not_on_a_metered_link(tmp_path: Path) -> None:
    async def work(shelf: Shelf) -> None:
        library = shelf.library
        await library.add([new_photo()])
        asked = WantsAsked(10, frozenset((library.identity.node,)))
        case = Case(tmp_path, GONE, ["everything: copies 4"])
        case.book.note_away(ids(GONE))
        await case.found()
        library.recalled = lambda limit, _: case.recalls.wants(limit, ANYBODY)
        wants = (await library.wanted(asked)).wants
        assert {want.ref.blob for want in wants[: len(GONE)]} == ids(GONE)
        library.holds_originals = lambda: True
        assert not ids(GONE) & {want.ref.blob for want in (await library.wanted(asked)).wants}
        case.book.close()
        assert REF.blob not in ids(GONE)

    with_shelf(tmp_path, work)


# --- the decision --------------------------------------------------------------------------------


def wanted_of(copies: int, not_on: frozenset[str] = frozenset()) -> Demand:
    plain = demand(Rules(), (), (), Floor(copies, 1))
    return Demand(plain.rules, copies, (), frozenset(), not_on, frozenset(), plain.rank, ())


@pytest.mark.parametrize(
    ("copies", "holders", "is_overdue", "is_lacking"),
    [
        (2, [CENTRAL, OTHER], False, False),
        (2, [CENTRAL], False, False),  # the other one fetches it
        (2, [CENTRAL], True, True),
        (2, [NODES[0]], False, False),  # what oneself says to hold is no copy elsewhere
        (3, [CENTRAL, OTHER], False, True),  # nobody else will
    ],
)
def test_who_let_it_go_takes_it_back_where_nobody_else_does(
    copies: int, holders: list[NodeId], is_overdue: bool, is_lacking: bool
) -> None:
    me = Member(NODES[0], "mobile", "laptop")
    house = [
        me,
        Member(CENTRAL, "central", "studio", wants_all=True),
        Member(OTHER, "archive", "attic", wants_all=True),
    ]
    wanted = wanted_of(copies)
    assert lacks_without(me, wanted, house, holders, is_overdue=is_overdue) == is_lacking
    unwelcome = wanted_of(copies, frozenset({"mobile"}))
    assert not lacks_without(me, unwelcome, house, holders, is_overdue=is_overdue)


@given(
    members(),
    st.lists(rules(), max_size=4),
    floors(),
    st.sets(st.sampled_from(MEMBERS)),
    st.booleans(),
)
def test_what_may_go_is_never_wanted_again(
    house: list[Member], said: list[object], floor: Floor, holders: set[NodeId], is_overdue: bool
) -> None:
    """The proof that lets a photo go is more than what would bring it back: no going to and fro."""
    listed = Rules(tuple(said))  # type: ignore[arg-type]
    wanted = demand(listed, listed.rules, house, floor)
    for me in house:
        need = wanted.need_of(me)
        keeping = Keeping(need.copies, dict(need.on))
        witnesses = [Witness(one.node, one.role) for one in house if one.node in holders]
        if judge(keeping, me.node, witnesses).may_go:
            assert not lacks_without(me, wanted, house, holders, is_overdue=is_overdue)
