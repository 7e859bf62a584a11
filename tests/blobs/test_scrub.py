"""The schedule: oldest first, each blob once a period, never faster than the rate."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.blobs.scrub import (
    Rates,
    Retries,
    Tempo,
    calendar,
    due,
    finished_ms,
    horizons,
    pause_s,
)
from photonic.blobs.store import Backlog, Held, Origin
from photonic.ids import BlobId, digest
from photonic.photos import BlobRef

PERIOD_MS = 30 * 24 * 3_600_000


def held(number: int, verified_at_ms: int, size_bytes: int = 1_000) -> Held:
    blob = BlobId(digest(str(number).encode()))
    return Held(BlobRef(blob, size_bytes, bytes(32)), verified_at_ms, Origin.LOCAL)


def in_order(blobs: list[Held]) -> list[Held]:
    return sorted(blobs, key=lambda one: one.verified_at_ms)


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 2 * 1024**2)), min_size=1, max_size=60),
    st.floats(1e5, 1e9),
)
def test_over_any_time_no_more_than_the_rate_and_a_piece_is_read(
    asked: list[tuple[float, int]], rate: float
) -> None:
    tempo, now_s, reads = Tempo(), 0.0, list[tuple[float, int]]()
    for pause, size_bytes in asked:
        now_s += pause
        now_s += tempo.take(size_bytes, now_s, rate)
        reads.append((now_s, size_bytes))
    biggest = max(size_bytes for _, size_bytes in reads)
    for start, (start_s, _) in enumerate(reads):
        read_bytes = 0
        for end_s, size_bytes in reads[start:]:
            read_bytes += size_bytes
            assert read_bytes <= rate * (end_s - start_s) * (1 + 1e-9) + biggest + 1


def test_idle_time_is_not_saved_for_a_burst() -> None:
    tempo = Tempo()
    assert tempo.take(1_000, 0.0, 1_000.0) == 0.0
    assert tempo.take(1_000, 1_000.0, 1_000.0) == 0.0
    assert tempo.take(1_000, 1_000.0, 1_000.0) == 1.0


def test_while_somebody_works_the_rate_is_lower() -> None:
    rates = Rates.of(40)
    assert rates.now(is_busy=False) == 40e6
    assert 0 < rates.now(is_busy=True) <= rates.now(is_busy=False) / 4


@given(st.lists(st.integers(0, 2 * PERIOD_MS), max_size=40), st.integers(0, 3 * PERIOD_MS))
def test_what_is_due_is_due_and_the_oldest_is_in_it(ages: list[int], now_ms: int) -> None:
    blobs = in_order([held(number, at_ms) for number, at_ms in enumerate(ages)])
    batch = due(blobs, now_ms, PERIOD_MS, Retries())
    ages_ms = {one.ref.blob: now_ms - one.verified_at_ms for one in blobs}
    assert all(not 0 <= ages_ms[blob] < PERIOD_MS for blob in batch)
    late = [one.ref.blob for one in blobs if ages_ms[one.ref.blob] >= PERIOD_MS]
    assert late == [blob for blob in batch if ages_ms[blob] >= PERIOD_MS]
    if not batch and blobs:
        wait_s = pause_s(blobs, now_ms, PERIOD_MS)
        assert 0 < wait_s <= limits.SCRUB_IDLE_S
        soon_ms = now_ms + round(wait_s * 1_000)
        assert wait_s == limits.SCRUB_IDLE_S or due(blobs, soon_ms, PERIOD_MS, Retries())


def test_a_batch_is_bounded_and_takes_a_giant_alone() -> None:
    many = [held(number, number) for number in range(2 * limits.SCRUB_BATCH_BLOBS)]
    assert len(due(many, 2 * PERIOD_MS, PERIOD_MS, Retries())) == limits.SCRUB_BATCH_BLOBS
    giants = [held(number, number, 10 * limits.SCRUB_BATCH_BYTES) for number in range(3)]
    assert due(giants, 2 * PERIOD_MS, PERIOD_MS, Retries()) == (giants[0].ref.blob,)


@given(st.integers(1, 300), st.integers(1, 50), st.integers(0, 2**32))
def test_in_virtual_time_every_blob_is_verified_once_a_period(
    count: int, days: int, seed: int
) -> None:
    """Runs the schedule for two periods; a restart at any time changes nothing."""
    period_ms = days * 24 * 3_600_000
    blobs = {number: held(number, (number * seed) % period_ms, 30 << 20) for number in range(count)}
    by_name = {one.ref.blob: number for number, one in blobs.items()}
    now_ms, tempo, reads = period_ms, Tempo(), list[tuple[int, int]]()
    while now_ms < 3 * period_ms:
        batch = due(in_order(list(blobs.values())), now_ms, period_ms, Retries())
        for blob in batch:
            wait_s = tempo.take(30 << 20, now_ms / 1_000, 40e6)
            now_ms += round(wait_s * 1_000)
            number = by_name[blob]
            reads.append((number, now_ms - blobs[number].verified_at_ms))
            blobs[number] = held(number, now_ms, 30 << 20)
        if not batch:
            next_ms = min(one.verified_at_ms for one in blobs.values()) + period_ms
            now_ms = max(now_ms + 1, next_ms)  # skips the looks at which nothing is due
    slack_ms = count * 1_000  # what verifying all of them takes at this rate
    assert all(period_ms <= age_ms <= 2 * period_ms + slack_ms for _, age_ms in reads[:count])
    assert all(period_ms <= age_ms <= period_ms + slack_ms for _, age_ms in reads[count:])
    assert {number for number, _ in reads} == set(range(count))


def test_what_the_disk_does_not_give_is_tried_again_ever_later_and_then_given_up() -> None:
    retries, blob, now_s = Retries(), BlobId(digest(b"a")), 0.0
    waits: list[float] = []
    while not retries.is_last_try(blob):
        retries.failed(blob, now_s)
        assert blob in retries
        assert retries.due(now_s) == []
        step_s = limits.SCRUB_RETRY_MIN_S
        began_s = now_s
        while not retries.due(now_s):
            now_s += step_s
        waits.append(now_s - began_s)
    assert waits == sorted(waits)
    assert waits[0] < waits[-1] <= limits.SCRUB_RETRY_MAX_S
    assert len(waits) == limits.SCRUB_TRIES_MAX - 1
    assert retries.settled(blob)
    assert not retries.settled(blob)
    assert not retries.is_last_try(blob)


def test_a_disk_that_fails_as_a_whole_is_left_alone() -> None:
    blobs = [held(number, number) for number in range(3 * limits.SCRUB_UNREADABLE_MAX)]
    retries = Retries()
    for one in blobs[: limits.SCRUB_UNREADABLE_MAX - 1]:
        retries.failed(one.ref.blob, 0.0)
    batch = due(blobs, 2 * PERIOD_MS, PERIOD_MS, retries)
    assert len(batch) == len(blobs) - len(retries), "what waits is passed over, and only that"
    retries.failed(batch[0], 0.0)
    assert due(blobs, 2 * PERIOD_MS, PERIOD_MS, retries) == ()


def test_a_verification_from_the_future_says_nothing() -> None:
    (one,) = [held(1, 10_000)]
    assert due([one], 9_999, PERIOD_MS, Retries()) == (one.ref.blob,)
    assert due([one], 10_000, PERIOD_MS, Retries()) == ()


_PERIOD_MS = 1_000_000
_STORED = st.lists(st.tuples(st.integers(0, 2 * _PERIOD_MS), st.integers(1, 10_000)), max_size=20)


@given(_STORED, st.integers(1, 1_000))
def test_a_calendar_has_all_that_is_stored_and_promises_no_earlier_than_one_could_read_it(
    stored: list[tuple[int, int]], bytes_s: int
) -> None:
    now_ms = 2 * _PERIOD_MS
    ends = horizons(now_ms, _PERIOD_MS)
    backlogs = []
    for end_ms in ends:  # as the ledger counts
        late = [size for at_ms, size in stored if at_ms < end_ms - _PERIOD_MS + 1]
        backlogs.append(Backlog(len(late), sum(late)))
    parts = calendar(ends, backlogs)
    known = [(at_ms, size) for at_ms, size in stored if at_ms <= now_ms]
    assert sum(part.blobs for part in parts) == len(known)
    assert sum(part.size_bytes for part in parts) == sum(size for _, size in known)
    exact_ms = float(now_ms)  # each file as soon as it is due, one after the other
    for at_ms, size in sorted(known):
        exact_ms = max(exact_ms, at_ms + _PERIOD_MS) + 1_000 * size / bytes_s
    told_ms = finished_ms(parts, now_ms, bytes_s)
    slice_ms = _PERIOD_MS / limits.SCRUB_CALENDAR_PARTS
    last_ms = max((1_000 * size / bytes_s for _, size in known), default=0)
    assert exact_ms - sum(1_000 * size / bytes_s for _, size in known) <= told_ms
    assert told_ms <= exact_ms + slice_ms + last_ms + 1
    for before, after in pairwise(parts):
        assert before.end_ms <= after.begin_ms
