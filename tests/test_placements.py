"""The index is asked for what the rules decide, and only admins set rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.crdt.answers import AtRisk
from photonic.crdt.batches import AlbumRow, Batch
from photonic.crdt.changes import Draft
from photonic.crdt.index import PhotoIndex
from photonic.crdt.matching import MatchQuery
from photonic.crdt.query import PhotoQuery
from photonic.crdt.roster import MEMBER_SCOPES
from photonic.errors import NotAllowed, RuleInvalid
from photonic.ids import BlobId, digest, peer_id
from photonic.placement.decision import Member, most, placement
from photonic.placement.demands import levels
from photonic.placement.policy import PLACEMENT_POLICY, Entry, Saying
from photonic.placement.rules import Floor, Need, Rank, Rule, Rules
from photonic.placements import Known, Placements, member_of
from photonic.search.sample import Sample
from photonic.world import SystemClock
from tests.api.client import run
from tests.crdt.photo_rows import NODES, blob, index_of, libraries, row_of
from tests.memory_library import HERE, THERE, MemoryLibrary
from tests.placement.rule_lists import floors, rules
from tests.search.queries import ALBUMS

FLOOR = Floor()
LAPTOP, STUDIO, ATTIC = (
    Member(NODES[0], "mobile", "laptop"),
    Member(NODES[1], "central", "studio", wants_all=True),
    Member(NODES[2], "archive", "attic", wants_all=True),
)


def placements(
    index: PhotoIndex,
    texts: Sequence[str] = (),
    me: Member = LAPTOP,
    library: MemoryLibrary | None = None,
    floor: Floor = FLOOR,
) -> Placements:
    engine = index.engine
    made = Placements(
        library or MemoryLibrary(), PhotoQuery(engine), MatchQuery(engine), SystemClock(), me, floor
    )
    listed = [Entry(f"rule/{text}", (Saying(text, NODES[0], 1),)) for text in texts]
    made.know(Known(listed, (LAPTOP, STUDIO, ATTIC)))
    return made


class Given(Placements):
    """Rules that are values already."""

    given: Rules = Rules()

    def rules(self) -> Rules:
        return self.given


def with_rules(some: Sequence[Sample], said: Sequence[Rule], floor: Floor) -> Given:
    engine = index_of(some).engine
    made = Given(
        MemoryLibrary(), PhotoQuery(engine), MatchQuery(engine), SystemClock(), LAPTOP, floor
    )
    made.know(Known((), (LAPTOP, STUDIO, ATTIC)))
    made.given = Rules(tuple(said))
    return made


@settings(max_examples=60, deadline=None)
@given(libraries(8, has_brake=True), st.lists(rules(), max_size=4), floors())
def test_a_batch_of_blobs_needs_what_is_decided_for_each_photo(
    some: list[Sample], said: list[Rule], floor: Floor
) -> None:
    made = with_rules(some, said, floor)
    decided = {
        sample.photo: placement(sample, made.given, made.members, (), floor).demand
        for sample in some
    }
    needs = made.needs([sample.photo for sample in some])
    assert needs == {photo: wanted.need_of(LAPTOP) for photo, wanted in decided.items()}
    for photo, wanted in decided.items():
        assert made.demand_of(photo) == wanted


@settings(max_examples=60, deadline=None)
@given(libraries(8), st.lists(rules(), max_size=4), floors(), st.booleans())
def test_time_to_safe_counts_by_the_copies_of_the_rules(
    some: list[Sample], said: list[Rule], floor: Floor, counts_here: bool
) -> None:
    made = with_rules(some, said, floor)
    wanted = {
        sample.photo: placement(sample, made.given, made.members, (), floor).demand.copies
        for sample in some
    }
    few = [one for one in some if one.copies < wanted[one.photo] and not one.trashed]
    assert made.at_risk(floor.copies, counts_here=counts_here) == AtRisk(
        len(few),
        sum(1_000 * (wanted[one.photo] - one.copies) for one in few),
        sum(one.held and one.copies < 1 + counts_here for one in few),
        sum(one.copies == 0 and not one.held for one in few),
        max((wanted[one.photo] for one in few), default=0),
    )


@settings(max_examples=40, deadline=None)
@given(libraries(8), st.integers(1, 4), st.booleans())
def test_without_rules_it_counts_as_the_index_does(
    some: list[Sample], copies: int, counts_here: bool
) -> None:
    made = placements(index_of(some), floor=Floor(copies))
    known = PhotoQuery(made._query._engine).at_risk(copies, counts_here=counts_here)
    found = made.at_risk(copies, counts_here=counts_here)
    assert replace(found, copies=0) == known
    assert [level.copies for level in levels((), Floor(copies))] == [copies]


def test_what_no_photo_calls_its_original_is_never_given_up() -> None:
    index = index_of([Sample(photo=BlobId(digest(b"one")), has_sidecar=True)])
    made = placements(index, ["everything: copies 1, evict first"])
    one = BlobId(digest(b"one"))
    sidecar, preview = (blob(f"{kind} of {one.hex()}").blob for kind in ("sidecar", "preview"))
    nobodys = BlobId(digest(b"nobody's"))
    needs = made.needs([one, sidecar, preview, nobodys])
    assert needs[one] == Need(1, (), Rank.FIRST)
    assert {needs[other].rank for other in (sidecar, preview, nobodys)} == {Rank.NEVER}
    assert {needs[other].copies for other in (sidecar, preview, nobodys)} == {2}


def test_a_blob_that_two_photos_call_theirs_needs_what_the_more_careful_one_says() -> None:
    one, other = (Sample(photo=BlobId(digest(b"%d" % n)), rating=5 * n) for n in range(2))
    index = index_of([one, other])
    row = row_of(other)
    shared = msgspec.structs.replace(row, blobs=(*row.blobs, row_of(one).blobs[0]))
    index.apply(Batch(rows=[shared]), 2)
    texts = ["where rating:5: copies 3, evict last", "where rating:0: copies 1, evict first"]
    needs = placements(index, texts).needs([one.photo])
    assert needs == {
        one.photo: most([Need(1, (), Rank.FIRST), Need(3, (), Rank.LAST)]),
    }


def test_rules_know_albums_and_a_node_that_is_named() -> None:
    album, name = ALBUMS[0]
    inside = Sample(photo=BlobId(digest(b"in")), albums=((album, name),))
    other = Sample(photo=BlobId(digest(b"out")))
    made = placements(index_of([inside, other]), [f"where album:{album}: keep on laptop"])
    needs = made.needs([inside.photo, other.photo])
    assert [needs[one.photo].rank for one in (inside, other)] == [Rank.NEVER, Rank.NORMAL]
    found = PhotoQuery(made._query._engine).page(made.originals(), 9, None)
    assert [item.row.photo for item in found.items] == [inside.photo]
    assert placements(index_of([inside]), me=STUDIO).needs([inside.photo])


def test_a_rule_with_an_album_that_cannot_be_read_holds_evictions_back() -> None:
    index = index_of([Sample(photo=BlobId(digest(b"one")))])
    index.apply(Batch(albums=[AlbumRow(bytes(16), "odd", "rating:99", ())]), 2)
    made = placements(index, ["where album:odd: copies 1", "everything: evict first"])
    assert made.needs([BlobId(digest(b"one"))]) == {BlobId(digest(b"one")): Need(2, (), Rank.NEVER)}


def test_only_a_node_with_the_scope_sets_rules() -> None:
    async def main() -> None:
        made = placements(index_of([]), library=MemoryLibrary(here_scopes=MEMBER_SCOPES))
        with pytest.raises(NotAllowed, match="policy"):
            await made.set(["everything: copies 3"])
        await made.load()
        assert made.listed == []

    run(main)


def test_rules_are_set_by_one_change_and_read_again() -> None:
    async def main() -> None:
        library = MemoryLibrary()
        made = placements(index_of([]), library=library, me=member_of(HERE, "central", ""))
        for texts in (["everything: copies 3"], ["everything: copies 3"], [], []):
            listed = await made.set(texts)
            assert [one.texts for one in listed] == [[text] for text in texts]
            assert [rule.text for rule in made.rules().rules] == texts
        assert len(library.catalog.changes(PLACEMENT_POLICY)) == 2
        assert {one.node: one.role for one in made.members} == {HERE: "central", THERE: "mobile"}

    run(main)


def test_rules_that_cannot_be_read_or_name_nobody_are_not_set() -> None:
    async def main() -> None:
        library = MemoryLibrary()
        made = placements(index_of([]), library=library)
        for text in ("everything: copies 0", "everything: keep on yoda", "nonsense"):
            with pytest.raises(RuleInvalid, match="rule 2: "):
                await made.set(["everything: copies 2", text])
        await made.load()
        assert made.listed == []
        listed = await made.set([f"everything: keep on {peer_id(THERE)}"])
        assert len(listed) == 1

    run(main)


def test_a_rule_of_a_newer_photonic_stays_when_others_are_set() -> None:
    async def main() -> None:
        library = MemoryLibrary()
        made = placements(index_of([]), library=library)
        await made.set(["everything: copies 3"])
        library.do(
            lambda catalog: catalog.write(
                [Draft(PLACEMENT_POLICY, {"rule/zz": "tomorrow: something"})]
            )
        )
        await made.load()
        kept = [text for one in made.listed for text in one.texts]
        assert made.rules().unread == ("tomorrow: something",)
        await made.set([*kept, "everything: evict last"])
        assert [one.texts for one in made.listed] == [
            ["everything: copies 3"], ["tomorrow: something"], ["everything: evict last"],
        ]  # fmt: skip

    run(main)
