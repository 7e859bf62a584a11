"""When stored blobs are verified again, and how fast: pure decisions, to which time comes in.

A blob is due when its last verification is a period old; the oldest come first, so the ledger is
all the state there is, and a restart goes on where the last run ended. Reading keeps to a rate.
What the disk does not give is tried again, later and later; when too much of it waits, the disk is
failing, and reading on would only wear it down.
Not here: threads, disks, and what is told of a finding (`photonic/scrubber.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from photonic import limits
from photonic.blobs.store import Backlog, Held
from photonic.ids import BlobId


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes per second that verifying may read."""

    quiet_bytes_s: float
    busy_bytes_s: float  # while somebody transfers or edits

    @classmethod
    def of(cls, mb_s: int) -> Rates:
        """Return the rates for a setting in megabytes per second."""
        return cls(mb_s * 1e6, mb_s * 1e6 * limits.SCRUB_BUSY_FACTOR)

    def now(self, *, is_busy: bool) -> float:
        return self.busy_bytes_s if is_busy else self.quiet_bytes_s


class Tempo:
    """Spaces reads out: over any time, no more than the rate passes, and one piece."""

    def __init__(self) -> None:
        self._free_s = float("-inf")  # monotonic; when the next piece may be read

    def take(self, size_bytes: int, now_s: float, bytes_s: float) -> float:
        """Return how long to wait before reading a piece; every piece that is asked for is read.

        Idle time is not saved up: a pause is no licence for a burst.
        """
        begin_s = max(now_s, self._free_s)
        self._free_s = begin_s + size_bytes / bytes_s
        return begin_s - now_s


class Retries:
    """The blobs that the disk did not give, and when each is tried again."""

    def __init__(self) -> None:
        self._resting: dict[BlobId, tuple[int, float]] = {}  # tries, and until when

    def __len__(self) -> int:
        return len(self._resting)

    def __contains__(self, blob: BlobId) -> bool:
        return blob in self._resting

    def failed(self, blob: BlobId, now_s: float) -> None:
        """Note one more try that failed."""
        tries = self._resting.get(blob, (0, 0.0))[0]
        rest_s = min(limits.SCRUB_RETRY_MAX_S, limits.SCRUB_RETRY_MIN_S * 4**tries)
        self._resting[blob] = (tries + 1, now_s + rest_s)

    def settled(self, blob: BlobId) -> bool:
        """Forget a blob of which something is known now; tell whether it waited for that."""
        return self._resting.pop(blob, None) is not None

    def due(self, now_s: float) -> list[BlobId]:
        """Return what is to be tried again now, longest waiting first."""
        resting = sorted(self._resting.items(), key=lambda item: (item[1][1], item[0]))
        return [blob for blob, (_, until_s) in resting if until_s <= now_s]

    def is_last_try(self, blob: BlobId) -> bool:
        """Whether a blob that fails once more is to be given up."""
        return self._resting.get(blob, (0, 0.0))[0] >= limits.SCRUB_TRIES_MAX - 1

    @property
    def are_too_many(self) -> bool:
        """Whether the disk fails as a whole, so that only what waits is tried."""
        return len(self._resting) >= limits.SCRUB_UNREADABLE_MAX


def due(
    oldest: Sequence[Held], now_ms: int, period_ms: int, retries: Retries
) -> tuple[BlobId, ...]:
    """Return the next batch to verify out of the `oldest` blobs, which are in that order.

    A verification from the future (the clock was set back) is due at once: nothing is known of it.
    """
    if retries.are_too_many:
        return ()
    batch: list[BlobId] = []
    size_bytes = 0
    for held in oldest:
        age_ms = now_ms - held.verified_at_ms
        if 0 <= age_ms < period_ms or held.ref.blob in retries:
            continue
        if len(batch) == limits.SCRUB_BATCH_BLOBS or size_bytes >= limits.SCRUB_BATCH_BYTES:
            break
        batch.append(held.ref.blob)
        size_bytes += held.ref.size_bytes
    return tuple(batch)


def pause_s(oldest: Sequence[Held], now_ms: int, period_ms: int) -> float:
    """Return how long nothing will be due, at most `limits.SCRUB_IDLE_S`."""
    left = [held.verified_at_ms + period_ms - now_ms for held in oldest[:1]]
    return min([limits.SCRUB_IDLE_S, *(max(0.0, ms / 1_000) for ms in left if ms > 0)])


@dataclass(frozen=True, slots=True)
class Due:
    """What becomes due between two moments, in ms."""

    begin_ms: int
    end_ms: int
    blobs: int
    size_bytes: int


def horizons(now_ms: int, period_ms: int) -> list[int]:
    """Return the moments by which a calendar is divided: now, and each of equal parts of a period.

    All that is stored now is due before the last one.
    """
    parts = limits.SCRUB_CALENDAR_PARTS
    return [now_ms + period_ms * part // parts for part in range(parts + 1)]


def calendar(horizon_ms: Sequence[int], overdue: Sequence[Backlog]) -> list[Due]:
    """Return the parts in which something becomes due, what is due now first.

    `overdue`: for each horizon, all that is due by then.
    """
    found: list[Due] = []
    begin_ms, before = horizon_ms[0], Backlog(0, 0)
    for end_ms, until in zip(horizon_ms, overdue, strict=True):
        if until.blobs > before.blobs:
            size_bytes = until.size_bytes - before.size_bytes
            found.append(Due(begin_ms, end_ms, until.blobs - before.blobs, size_bytes))
        begin_ms, before = end_ms, until
    return found


def finished_ms(parts: Sequence[Due], now_ms: int, bytes_s: float) -> int:
    """Return by when all of a calendar is verified once, reading at a rate without a break."""
    at_ms = float(now_ms)
    for part in parts:
        at_ms = max(max(at_ms, part.begin_ms) + 1_000 * part.size_bytes / bytes_s, part.end_ms)
    return round(at_ms)
