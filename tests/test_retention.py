"""What may go is proven by others; how full the buffer is decides when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.ids import BlobId, NodeId, digest
from photonic.roles.retention import (
    Candidate,
    Floor,
    Level,
    Reason,
    Witness,
    judge,
    level_of,
    ordered,
)

ME, *OTHERS = [NodeId(digest(bytes([n]))) for n in range(7)]
ROLE_NAMES = ("mobile", "central", "archive", "a role of tomorrow")
WITNESSES = st.builds(Witness, st.sampled_from([ME, *OTHERS]), st.sampled_from(ROLE_NAMES))
FLOORS = st.builds(
    Floor,
    st.integers(0, 5),
    st.dictionaries(st.sampled_from(["central", "archive"]), st.integers(0, 2), max_size=2),
    st.integers(-2, 2),
    st.booleans(),
)


def photo(number: int) -> BlobId:
    return BlobId(digest(b"photo %d" % number))


@given(FLOORS, st.lists(WITNESSES, max_size=12))
def test_what_goes_is_on_enough_other_lasting_nodes(floor: Floor, some: list[Witness]) -> None:
    verdict = judge(floor, ME, some)
    if not verdict.may_go:
        assert verdict.lacks
        return
    lasting = {w.node for w in some if w.role in ("central", "archive") and w.node != ME}
    assert not floor.stays
    assert len(lasting) >= max(1, floor.copies)
    for role, least in floor.roles.items():
        assert len({w.node for w in some if w.role == role and w.node != ME}) >= least


@given(FLOORS, st.lists(WITNESSES, max_size=12), WITNESSES)
def test_to_say_it_twice_proves_nothing_more(
    floor: Floor, some: list[Witness], one: Witness
) -> None:
    assert judge(floor, ME, [*some, one]) == judge(floor, ME, [*some, one, one])


@given(FLOORS, st.lists(WITNESSES, max_size=12))
def test_what_a_mobile_or_this_node_itself_says_changes_nothing(
    floor: Floor, some: list[Witness]
) -> None:
    idle = [Witness(ME, "central"), Witness(OTHERS[0], "mobile")]
    if all(w.node not in (ME, OTHERS[0]) for w in some):
        assert judge(floor, ME, [*idle, *some]) == judge(floor, ME, some)


def test_not_even_a_floor_of_nothing_lets_the_only_copy_go() -> None:
    assert judge(Floor(0), ME, []).reason is Reason.TOO_FEW


def test_a_photo_that_no_rule_is_known_of_stays() -> None:
    enough = [Witness(node, "archive") for node in OTHERS]
    assert judge(None, ME, enough).reason is Reason.STAYS
    assert ordered([Candidate(photo(1), 1, 1)], {}) == []


@given(
    st.dictionaries(st.integers(0, 30), FLOORS, max_size=20),
    st.lists(st.integers(0, 5), min_size=31, max_size=31),
)
def test_ranks_go_first_then_the_oldest_and_what_stays_is_not_listed(
    floors: dict[int, Floor], places: list[int]
) -> None:
    known = {photo(number): floor for number, floor in floors.items()}
    candidates = [Candidate(photo(number), 1, place) for number, place in enumerate(places)]
    found = ordered(candidates, known)
    assert {c.photo for c in found} == {p for p, floor in known.items() if not floor.stays}
    keys = [(known[c.photo].rank, c.place) for c in found]
    assert keys == sorted(keys)


@given(
    st.integers(0, 10**12), st.integers(0, 10**12), st.none() | st.integers(1, 10**12),
    st.integers(0, 10**9), st.integers(51, 100), st.integers(1, 50),
)  # fmt: skip
def test_what_is_freed_brings_it_to_the_low_mark_and_no_further(
    stored: int, free: int, buffer: int | None, reserve: int, high: int, low: int
) -> None:
    level = level_of(
        stored_bytes=stored, free_bytes=free, buffer_bytes=buffer, reserve_bytes=reserve,
        high_percent=high, low_percent=low,
    )  # fmt: skip
    assert level.size_bytes <= stored + free
    assert buffer is None or level.size_bytes <= buffer
    assert 0 <= level.to_free_bytes <= stored
    after = Level(stored - level.to_free_bytes, level.size_bytes, level.high, level.low)
    assert after.to_free_bytes == 0
    assert not after.is_high or level.size_bytes == 0 or after.share < level.low + 1e-6


@given(st.integers(0, 2_000), st.just(0.0) | st.floats(1, 1e6))
def test_ingest_is_slowed_only_above_the_high_mark_and_never_for_long(
    used: int, rate: float
) -> None:
    level = Level(used, 1_000, 0.85, 0.7)
    assert (level.pause_s() > 0) <= level.is_high
    assert level.pause_s() <= limits.INGEST_PAUSE_S_MAX
    full_in_s = level.full_in_s(rate)
    if used >= 1_000:
        assert full_in_s == 0
    elif full_in_s is not None:
        assert abs(full_in_s * rate - (1_000 - used)) < 1e-3 * 1_000
