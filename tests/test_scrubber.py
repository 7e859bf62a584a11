"""Looking after a store: on a schedule in virtual time, on demand, and with damage told once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from photonic import limits
from photonic.blobs.memory import MemoryStore
from photonic.blobs.store import Backlog, Damage, Held, Soundness, Verdict
from photonic.blobs.verify import Pace, at_once
from photonic.errors import BlobDamaged, BlobUnreadable, NotAllowed
from photonic.events import BlobChecked, Event, ScrubChanged, SubjectsChanged, TransferProgress
from photonic.ids import BlobId, digest
from photonic.problems import Problems
from photonic.scrubber import Scrubber
from photonic.world import SystemFiles, World
from tests.blobs.samples import noise

DAY_S = 24 * 3_600


class VirtualClock:
    """The event loop's own time, which a test moves."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_clock()

    def monotonic_s(self) -> float:
        return self._token.current_time()

    def now_ms(self) -> int:
        return 1_700_000_000_000 + round(self.monotonic_s() * 1_000)


@dataclass
class ListedStore:
    """A store of made-up blobs; reading takes no time but what the pace takes."""

    clock: VirtualClock
    blobs: dict[BlobId, Held] = field(default_factory=dict)
    wrong: set[BlobId] = field(default_factory=set)
    unread: set[BlobId] = field(default_factory=set)
    aside: dict[BlobId, Held] = field(default_factory=dict)
    reads: list[tuple[float, BlobId]] = field(default_factory=list)

    def put(self, number: int, size_bytes: int = 1 << 20) -> BlobId:
        made = MemoryStore(World(clock=self.clock)).put(noise(100, number))
        ref = type(made.ref)(made.ref.blob, size_bytes, made.ref.chunks)
        self.blobs[ref.blob] = Held(ref, self.clock.now_ms(), made.origin)
        return ref.blob

    def held(self, blob: BlobId) -> Held | None:
        return self.blobs.get(blob)

    def verify_many(
        self, blobs: Sequence[BlobId], pace: Pace = at_once, *, gives_up: bool = False
    ) -> list[Verdict]:
        return [self._verify(blob, pace, gives_up) for blob in blobs]

    def _verify(self, blob: BlobId, pace: Pace, gives_up: bool) -> Verdict:
        held = self.blobs.get(blob)
        if held is None:
            return Verdict(blob, Soundness.ABSENT)
        pace(held.ref.size_bytes)
        self.reads.append((self.clock.monotonic_s(), blob))
        if blob in self.unread and not gives_up:
            return Verdict(blob, Soundness.UNREADABLE, held, "Input/output error")
        if blob in self.wrong or blob in self.unread:
            self.aside[blob] = self.blobs.pop(blob)
            return Verdict(blob, Soundness.DAMAGED, what="1 of 1 chunks are wrong")
        self.blobs[blob] = Held(held.ref, self.clock.now_ms(), held.origin)
        return Verdict(blob, Soundness.SOUND, self.blobs[blob])

    def repair(self, blob: BlobId) -> None:
        self.wrong.discard(blob)
        self.unread.discard(blob)
        self.blobs[blob] = self.aside.pop(blob)

    def oldest(self, limit: int, now_ms: int) -> list[Held]:
        return sorted(self.blobs.values(), key=lambda one: one.verified_at_ms)[:limit]

    def overdue(self, before_ms: int) -> Backlog:
        late = [h for h in self.blobs.values() if h.verified_at_ms < before_ms]
        return Backlog(len(late), sum(h.ref.size_bytes for h in late))

    def damaged(self) -> tuple[Damage, ...]:
        return tuple(Damage(blob, held.ref) for blob, held in self.aside.items())


class Kept:
    """A scrubber, the store it looks after, and what was told."""

    def __init__(self, folder: Path, clock: MockClock, *, days: int = 30, mb_s: int = 40) -> None:
        self.virtual = VirtualClock()
        self.clock, self.store = clock, ListedStore(self.virtual)
        self.events: list[Event] = []
        self.withdrawn: list[BlobId] = []
        self.moved_bytes = 0
        self.refusals = 0
        self.problems = Problems()
        self.scrubber = Scrubber(
            self.store,
            World(clock=self.virtual, files=SystemFiles()),
            self.problems,
            self.events.append,
            self._withdraw,
            lambda: self.moved_bytes,
            folder / "scrub-paused",
            days=days,
            mb_s=mb_s,
        )

    async def _withdraw(self, blobs: Sequence[BlobId]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise NotAllowed("the catalog refuses")
        self.withdrawn.extend(blobs)

    def codes(self) -> list[str]:
        return [problem.code for problem in self.problems.list()]

    def told(self) -> list[tuple[bytes, str]]:
        return [(e.blob, e.state) for e in self.events if isinstance(e, BlobChecked)]

    async def settle(self) -> None:
        """Let threads and tasks come to rest, in real time, without moving the clock."""
        for _ in range(4):
            await trio.to_thread.run_sync(lambda: None)
            await trio.testing.wait_all_tasks_blocked(0.001)

    async def pass_time(self, seconds: float, step_s: float) -> None:
        """Move the clock in steps, letting everybody act after each."""
        end_s = trio.current_time() + seconds
        while trio.current_time() < end_s:
            self.clock.jump(min(step_s, end_s - trio.current_time()))
            await self.settle()


def run(folder: Path, main: Callable[[Kept], Awaitable[None]], **settings: int) -> None:
    clock = MockClock()

    async def alone() -> None:
        kept = Kept(folder, clock, **settings)
        with trio.fail_after(400 * DAY_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(kept.scrubber.run)
                await kept.settle()
                await main(kept)
                nursery.cancel_scope.cancel()

    trio.run(alone, clock=clock)


def test_each_blob_is_verified_again_when_its_period_is_over(tmp_path: Path) -> None:
    async def main(kept: Kept) -> None:
        blobs = [kept.store.put(number) for number in range(3)]
        await kept.pass_time(29.9 * DAY_S, 10 * DAY_S)
        assert kept.store.reads == []
        await kept.pass_time(0.2 * DAY_S, 0.02 * DAY_S)
        assert [blob for _, blob in kept.store.reads] == blobs
        await kept.pass_time(29 * DAY_S, 10 * DAY_S)
        assert len(kept.store.reads) == 3
        await kept.pass_time(1.2 * DAY_S, 0.1 * DAY_S)
        assert [blob for _, blob in kept.store.reads] == blobs * 2
        assert kept.scrubber.counters.blobs_verified == 6

    run(tmp_path, main)


@pytest.mark.parametrize("trouble", ["none", "transfers", "edits", "bytes out"])
def test_reading_keeps_to_the_rate_and_gives_way_to_people(tmp_path: Path, trouble: str) -> None:
    async def main(kept: Kept) -> None:
        for number in range(200):
            kept.store.put(number)
        await kept.pass_time(31 * DAY_S, 31 * DAY_S)
        kept.store.reads.clear()
        await kept.scrubber.pause(True)
        for number in range(200):
            kept.store.put(number)
        kept.clock.jump(31 * DAY_S)
        before = kept.scrubber.counters.bytes_verified
        await kept.scrubber.pause(False)
        for _ in range(100):  # ten seconds
            match trouble:
                case "transfers":
                    kept.scrubber.hear(TransferProgress(b"", "", 0, 1, 1))
                case "edits":
                    kept.scrubber.hear(SubjectsChanged(()))
                case "bytes out":
                    kept.moved_bytes += 1
            await kept.pass_time(0.1, 0.1)
        share = (kept.scrubber.counters.bytes_verified - before) / (10 * 4e6)
        if trouble == "none":
            assert 0.8 < share < 1.1
        else:
            assert share < 0.4, "nobody should notice"

    run(tmp_path, main, mb_s=4)


def test_what_a_peer_does_is_nobody_working_here(tmp_path: Path) -> None:
    async def main(kept: Kept) -> None:
        peer = SubjectsChanged((), origin=digest(b"peer"))  # type: ignore[arg-type]
        kept.scrubber.hear(peer)
        assert kept.scrubber._stirred_s == float("-inf")

    run(tmp_path, main)


def test_a_pause_holds_at_once_and_over_restarts(tmp_path: Path) -> None:
    async def first(kept: Kept) -> None:
        kept.store.put(1)
        assert (await kept.scrubber.pause(True)).paused
        await kept.pass_time(40 * DAY_S, DAY_S)
        assert kept.store.reads == []
        assert kept.events == [ScrubChanged(True)]

    async def second(kept: Kept) -> None:
        assert kept.scrubber.is_paused
        kept.store.put(1)
        await kept.pass_time(40 * DAY_S, DAY_S)
        assert kept.store.reads == []
        await kept.scrubber.pause(False)
        await kept.pass_time(60, 1)
        assert len(kept.store.reads) == 1

    run(tmp_path, first)
    run(tmp_path, second)
    assert list(tmp_path.iterdir()) == []


def test_without_a_period_nothing_is_read_unless_somebody_asks(tmp_path: Path) -> None:
    async def main(kept: Kept) -> None:
        blob = kept.store.put(1)
        await kept.pass_time(400 * DAY_S - 10, 40 * DAY_S)
        assert kept.store.reads == []
        work = Asked([[blob]])
        kept.scrubber.order(work)
        await kept.settle()
        assert [v.soundness for v in work.verdicts] == [Soundness.SOUND]
        assert work.ends == [None]

    run(tmp_path, main, days=0)


@dataclass
class Asked:
    """What somebody asked for."""

    some: list[list[BlobId]]
    error: Exception | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    ends: list[Exception | None] = field(default_factory=list)

    async def pieces(self) -> AsyncGenerator[Sequence[BlobId], None]:
        for piece in self.some:
            yield piece
        if self.error is not None:
            raise self.error

    def note(self, verdicts: Sequence[Verdict]) -> None:
        self.verdicts += verdicts

    def ended(self, error: Exception | None) -> None:
        self.ends.append(error)


def test_what_somebody_asks_for_comes_first_and_is_not_slowed_down(tmp_path: Path) -> None:
    async def main(kept: Kept) -> None:
        blobs = [kept.store.put(number, 100 << 20) for number in range(20)]
        kept.clock.jump(31 * DAY_S)
        await kept.pass_time(20, 1)  # in the middle of the schedule's own batch
        assert 0 < len(kept.store.reads) < 20
        work, bug = Asked([blobs[-2:], blobs[-1:]]), Asked([], ZeroDivisionError("a bug"))
        kept.scrubber.order(work)
        kept.scrubber.order(bug)
        began_s = trio.current_time()
        await kept.pass_time(70, 7)  # the read that waits for its turn is over then
        read = [blob for at_s, blob in kept.store.reads if at_s >= began_s]
        first = read.index(blobs[-2])
        assert read[first : first + 3] == [blobs[-2], blobs[-1], blobs[-1]]
        assert work.ends == [None]
        assert isinstance(bug.ends[0], ZeroDivisionError)

    run(tmp_path, main, mb_s=2)


def test_damage_is_withdrawn_then_told_once_and_its_repair_too(tmp_path: Path) -> None:
    async def main(kept: Kept) -> None:
        blob = kept.store.put(1)
        kept.store.wrong.add(blob)
        kept.scrubber.order(Asked([[blob]]))
        await kept.settle()
        assert kept.withdrawn == [blob]
        assert kept.codes() == [BlobDamaged.code]
        assert "1 of 1 chunks" in kept.problems.list()[0].message
        assert kept.told() == [(blob, "damaged")]
        assert kept.scrubber.damaged == {blob}
        await kept.pass_time(60, 1)
        assert kept.withdrawn == [blob]
        assert (await kept.scrubber.view()).damaged == 1
        kept.store.repair(blob)
        await kept.pass_time(2 * limits.SCRUB_REPAIR_S, 1)
        assert kept.codes() == []
        assert kept.told() == [(blob, "damaged"), (blob, "repaired")]
        view = await kept.scrubber.view()
        assert (view.damaged, view.repaired) == (0, 1)
        assert kept.scrubber.counters.blobs_damaged == kept.scrubber.counters.blobs_repaired == 1

    run(tmp_path, main)


def test_damage_that_another_process_found_is_seen_by_itself(tmp_path: Path) -> None:
    async def main(kept: Kept) -> None:
        blob = kept.store.put(1)
        kept.store.aside[blob] = kept.store.blobs.pop(blob)
        await kept.pass_time(2 * limits.SCRUB_IDLE_S, 1)
        assert kept.withdrawn == [blob]
        assert kept.codes() == [BlobDamaged.code]

    run(tmp_path, main)


def test_nothing_is_told_of_that_the_catalog_does_not_say_yet(tmp_path: Path) -> None:
    async def main(kept: Kept) -> None:
        blob = kept.store.put(1)
        kept.store.aside[blob] = kept.store.blobs.pop(blob)
        kept.refusals = 1
        with pytest.raises(NotAllowed):
            await kept.scrubber._look_for_damage()
        assert kept.codes() == []
        await kept.scrubber._look_for_damage()
        assert kept.withdrawn == [blob]
        assert kept.codes() == [BlobDamaged.code]

    clock = MockClock()
    trio.run(lambda: main(Kept(tmp_path, clock)), clock=clock)


def test_a_read_error_is_told_as_one_tried_again_and_given_up(tmp_path: Path) -> None:
    async def main(kept: Kept) -> None:
        blob, sound = kept.store.put(1), kept.store.put(2)
        kept.store.unread.add(blob)
        kept.clock.jump(31 * DAY_S)
        await kept.settle()
        await kept.pass_time(20, 1)
        assert kept.codes() == [BlobUnreadable.code]
        assert kept.told() == [(blob, "unreadable")]
        assert kept.withdrawn == [], "its bytes may well be right"
        assert (await kept.scrubber.view()).unreadable == 1
        assert sound in [b for _, b in kept.store.reads], "others are verified meanwhile"
        await kept.pass_time(6 * 3_600, 60)
        tries = [at_s for at_s, b in kept.store.reads if b == blob]
        assert len(tries) == limits.SCRUB_TRIES_MAX
        assert kept.withdrawn == [blob]
        assert kept.codes() == [BlobDamaged.code]

    run(tmp_path, main)


def test_a_read_error_that_goes_away_is_forgotten(tmp_path: Path) -> None:
    async def main(kept: Kept) -> None:
        blob = kept.store.put(1)
        kept.store.unread.add(blob)
        kept.clock.jump(31 * DAY_S)
        await kept.pass_time(20, 1)
        kept.store.unread.clear()
        await kept.pass_time(2 * limits.SCRUB_RETRY_MIN_S, 10)
        assert kept.codes() == []
        assert (await kept.scrubber.view()).unreadable == 0
        assert kept.withdrawn == []

    run(tmp_path, main)


def test_the_view_counts_what_is_overdue(tmp_path: Path) -> None:
    async def main(kept: Kept) -> None:
        assert (await kept.scrubber.view()).oldest is None
        await kept.scrubber.pause(True)
        kept.store.put(1, 500)
        assert (await kept.scrubber.view()).oldest is not None, "an old look said: nothing here"
        kept.clock.jump(31 * DAY_S)
        view = await kept.scrubber.view()
        assert (view.overdue, view.overdue_bytes, view.days) == (1, 500, 30)
        age_days = kept.scrubber.age_days(view)
        assert age_days is not None
        assert 30.9 < age_days < 31.1

    run(tmp_path, main)
