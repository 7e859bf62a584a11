"""A blob is promised or leaving and never both; promises hold over restarts and wrong clocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.blobs.files import FileStore
from photonic.blobs.promises import PromiseBook
from photonic.errors import BlobPromised
from photonic.ids import BlobId, digest
from photonic.world import World

A, B, C = (BlobId(digest(name)) for name in (b"a", b"b", b"c"))
AT = {A: 1_000, B: 2_000}
KEEP_S, MARGIN_S = 3_600.0, limits.PROMISE_MARGIN_S


@dataclass
class TwoClocks:
    """Both clocks of a machine, which a test moves."""

    monotonic: float = 100.0
    wall: int = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.wall

    def monotonic_s(self) -> float:
        return self.monotonic


@pytest.fixture
def clock() -> TwoClocks:
    return TwoClocks()


@pytest.fixture
def book(tmp_path: Path, clock: TwoClocks) -> Iterator[PromiseBook]:
    opened = PromiseBook(tmp_path / "promises.db", clock)
    yield opened
    opened.close()


def reopened(book: PromiseBook, tmp_path: Path, clock: TwoClocks) -> PromiseBook:
    book.close()
    clock.monotonic = 5.0  # another boot
    return PromiseBook(tmp_path / "promises.db", clock)


def test_what_is_promised_does_not_leave_and_what_leaves_is_not_promised(book: PromiseBook) -> None:
    assert book.promise({A: 1}, KEEP_S) == {A}
    assert book.leave([A, B]) == {B}
    assert book.promise({A: 1, B: 2}, KEEP_S) == {A}
    book.stay([B])
    assert book.promise({B: 2}, KEEP_S) == {B}


def test_two_cannot_let_the_same_blob_leave(book: PromiseBook) -> None:
    assert book.leave([A]) == {A}
    assert book.leave([A]) == frozenset()


def test_a_promise_ends_after_its_time_and_the_margin_and_not_before(
    book: PromiseBook, clock: TwoClocks
) -> None:
    book.promise({A: 1}, KEEP_S)
    clock.monotonic += KEEP_S + MARGIN_S - 1
    assert book.promised([A]) == {A}
    clock.monotonic += 2
    assert book.promised([A]) == frozenset()
    assert book.leave([A]) == {A}


def test_a_second_promise_makes_the_first_longer_and_never_shorter(
    book: PromiseBook, clock: TwoClocks
) -> None:
    book.promise({A: 1}, KEEP_S)
    book.promise({A: 1}, 1)
    clock.monotonic += KEEP_S
    assert book.promised([A]) == {A}


def test_a_promise_holds_over_a_restart_whatever_the_wall_clock_says(
    book: PromiseBook, tmp_path: Path, clock: TwoClocks
) -> None:
    book.promise({A: 1}, KEEP_S)
    clock.wall += 400 * 24 * 3_600 * 1_000
    again = reopened(book, tmp_path, clock)
    assert again.promised([A]) == {A}
    assert again.leave([A]) == frozenset()
    clock.monotonic += KEEP_S + MARGIN_S + 1
    assert again.promised([A]) == frozenset()
    again.close()


def test_time_that_was_told_counts_over_a_restart(
    book: PromiseBook, tmp_path: Path, clock: TwoClocks
) -> None:
    book.promise({A: 1}, KEEP_S)
    clock.monotonic += KEEP_S
    book.tick()
    again = reopened(book, tmp_path, clock)
    assert again.promised([A]) == {A}
    clock.monotonic += MARGIN_S + 1
    assert again.promised([A]) == frozenset()
    again.close()


def test_a_crash_ends_what_leaves_and_keeps_what_was_proven(
    book: PromiseBook, tmp_path: Path, clock: TwoClocks
) -> None:
    book.leave([A, B])
    book.prove({A: b"proof"})
    assert book.away([A, B]) == {A}
    again = reopened(book, tmp_path, clock)
    assert again.proofs() == {A: b"proof"}
    assert again.promise({B: 2}, KEEP_S) == {B}
    again.stay([A])
    assert again.proofs() == {}
    again.close()


def test_a_verification_counts_only_if_the_ledger_still_says_the_same(
    book: PromiseBook, clock: TwoClocks
) -> None:
    book.promise(AT, KEEP_S)
    clock.monotonic += 60
    assert book.ages(AT) == {A: 60.0, B: 60.0}
    assert book.ages({A: 1_001}) == {}, "it came anew since, or somebody else read it"
    book.promise({A: 1_000}, KEEP_S)
    assert book.ages(AT)[A] == 60.0, "to promise it again is not to read it again"


def test_what_was_evicted_is_away_until_somebody_wants_it(book: PromiseBook) -> None:
    book.note_away([A])
    assert book.away([A, B]) == {A}
    book.call_back([A])
    assert book.away([A]) == frozenset()


def test_a_book_that_cannot_be_read_keeps_everything_for_the_longest_time(
    book: PromiseBook, tmp_path: Path, clock: TwoClocks
) -> None:
    book.close()
    for path in tmp_path.glob("promises.db*"):
        path.write_bytes(b"not a database at all" * 400)
    again = PromiseBook(tmp_path / "promises.db", clock)
    assert again.promised([C]) == {C}
    assert again.leave([C]) == frozenset()
    clock.monotonic += limits.PROMISE_KEEP_S_MAX + MARGIN_S + 1
    assert again.leave([C]) == {C}
    again.close()


def test_a_store_refuses_to_discard_what_is_promised_and_after_a_restart_too(
    tmp_path: Path,
) -> None:
    store = FileStore.open(tmp_path, World())
    blob = store.put(b"x" * 100_000).ref.blob
    store.promises.promise({blob: 1}, KEEP_S)
    with pytest.raises(BlobPromised):
        store.discard(blob)
    store.close()
    store = FileStore.open(tmp_path, World())
    with pytest.raises(BlobPromised):
        store.discard(blob)
    assert store.has(blob)
    store.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("plsdt"), st.sampled_from([A, B, C])), max_size=40))
def test_in_any_order_nothing_is_promised_and_leaves(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, BlobId]]
) -> None:
    clock = TwoClocks()
    path = tmp_path_factory.mktemp("book") / "promises.db"
    book, leaving, until = PromiseBook(path, clock), set[BlobId](), dict[BlobId, float]()
    for what, blob in steps:
        live = {b for b, at in until.items() if at > clock.monotonic}
        if what == "p":
            assert (blob in book.promise({blob: 1}, KEEP_S)) == (blob not in leaving)
            if blob not in leaving:
                until[blob] = clock.monotonic + KEEP_S + MARGIN_S
        elif what == "l":
            assert (blob in book.leave([blob])) == (blob not in live and blob not in leaving)
            leaving |= {blob} - live
        elif what == "s":
            book.stay([blob])
            leaving.discard(blob)
        elif what == "d":  # a crash, and a start
            book.close()
            book, leaving = PromiseBook(path, clock), set()
        else:
            clock.monotonic += KEEP_S / 2
        assert book.promised([A, B, C]).isdisjoint(leaving)
    book.close()
