"""A document's entries stay few, and no byte is written again and again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.journal.segments import is_full, is_tail_long, plan_merge, tail_length

sizes = st.lists(
    st.one_of(st.integers(1, 4_000), st.integers(1, limits.UPDATE_BYTES_MAX)), max_size=700
)


@given(sizes)
def test_a_merge_is_bounded_and_leaves_full_entries_alone(some: list[int]) -> None:
    plan = plan_merge(some)
    if plan is None:
        assert not is_tail_long(tail_length(some))
        return
    chosen = some[plan.start : plan.stop]
    assert 2 <= len(chosen) <= limits.JOURNAL_MERGED_MAX
    assert sum(chosen) <= limits.SEGMENT_BYTES_MAX
    assert not any(map(is_full, chosen))


def merged(some: list[int]) -> tuple[list[int], int]:
    """Merge until nothing is worth it; return the sizes then, and how many bytes were written."""
    some, written = list(some), 0
    while (plan := plan_merge(some)) is not None:
        total = sum(some[plan.start : plan.stop])
        some[plan.start : plan.stop] = [total]
        written += total
    return some, written


@given(sizes)
def test_merging_ends_with_a_short_document(some: list[int]) -> None:
    after, _ = merged(some)
    assert sum(after) == sum(some)
    full = sum(map(is_full, after))
    assert len(after) <= 2 * full + limits.JOURNAL_UPDATES_PER_SEGMENT


def test_a_document_that_grows_is_written_again_a_few_times_whatever_its_length() -> None:
    for count in (1_000, 4_000, 16_000):
        some: list[int] = []
        written = 0
        for _ in range(count):
            some, more = merged([*some, 1_000])
            written += more
        assert written < 5 * sum(some), f"{count} updates"


def test_a_backlog_of_small_updates_is_written_again_a_few_times_too() -> None:
    for size in (50, 1_000, 100_000):
        after, written = merged([size] * 8_000)
        assert written < 5 * sum(after), f"updates of {size} bytes"
