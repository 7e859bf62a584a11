"""Which entries of a document to merge next, so that it stays a few big ones and a short tail.

A document is a list of full entries (more than half of SEGMENT_BYTES_MAX) and a tail of smaller
ones. Only neighbours are merged, full entries never: each byte is written again a number of times
that grows with the logarithm of a full entry's size and not with the document. Pure decisions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from photonic import limits

_NEWEST_MERGED_MIN = limits.JOURNAL_UPDATES_PER_SEGMENT // 2


def is_full(size_bytes: int) -> bool:
    """Whether an entry is so big that it is never merged again."""
    return size_bytes > limits.SEGMENT_BYTES_MAX // 2


def is_tail_long(entries: int) -> bool:
    """Whether so many entries behind the newest full one are worth a merge."""
    return entries > limits.JOURNAL_UPDATES_PER_SEGMENT


def tail_length(sizes_bytes: Sequence[int]) -> int:
    """Return how many entries follow the newest full one; sizes are oldest first."""
    count = 0
    for size in reversed(sizes_bytes):
        if is_full(size):
            break
        count += 1
    return count


def plan_merge(sizes_bytes: Sequence[int]) -> range | None:
    """Return the positions of the neighbours to merge next; None if nothing is worth it.

    Sizes are oldest first. The merged entries are at least two, at most JOURNAL_MERGED_MAX, and
    fit into SEGMENT_BYTES_MAX together.
    """
    for run in _runs(sizes_bytes):
        is_tail = run.stop == len(sizes_bytes)
        if len(run) < 2 or (is_tail and not is_tail_long(len(run))):
            continue
        total = sum(sizes_bytes[run.start : run.stop])
        if len(run) > limits.JOURNAL_MERGED_MAX or total > limits.SEGMENT_BYTES_MAX:
            return _oldest(sizes_bytes, run)
        return _newest(sizes_bytes, run) if is_tail else run
    return None


def _runs(sizes: Sequence[int]) -> Iterator[range]:
    """Yield the longest ranges of neighbours that are not full, oldest first."""
    start = 0
    for position, size in enumerate(sizes):
        if is_full(size):
            if start < position:
                yield range(start, position)
            start = position + 1
    if start < len(sizes):
        yield range(start, len(sizes))


def _oldest(sizes: Sequence[int], run: range) -> range:
    """Return as many of a long run's oldest entries as fit into one merge.

    An entry that is bigger than all that would join it is passed over: it was merged already, and
    writing it again for each window of a long tail would cost the square of the tail.
    """
    count = limits.JOURNAL_MERGED_MAX
    for start in run[:-1]:
        if sizes[start] <= sum(sizes[start + 1 : min(start + count, run.stop)]):
            break
    else:
        start = run.start
    total, stop = 0, start
    while stop < min(run.stop, start + count):
        if total + sizes[stop] > limits.SEGMENT_BYTES_MAX:
            break
        total += sizes[stop]
        stop += 1
    return range(start, stop)


def _newest(sizes: Sequence[int], run: range) -> range:
    """Return the newest entries, and those before them that are no bigger than what joins them."""
    start = max(run.start, run.stop - _NEWEST_MERGED_MIN)
    total = sum(sizes[start : run.stop])
    while start > run.start and sizes[start - 1] <= total:
        start -= 1
        total += sizes[start]
    return range(start, run.stop)
