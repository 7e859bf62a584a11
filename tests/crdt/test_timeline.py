"""Places on the timeline are in the order of the times that cameras write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.crdt.timeline import (
    MONTH,
    SLOTS,
    begin_of,
    is_whole,
    moment_text,
    month_of,
    place_of,
    second_of,
    span,
)

MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59))  # noqa: DTZ001
TEXTS = st.builds(lambda at, digits: at.isoformat(timespec=digits), MOMENTS,
                  st.sampled_from(["seconds", "milliseconds", "microseconds"]))  # fmt: skip


def place(text: str) -> int:
    found = begin_of(text)
    assert found is not None
    return found


@given(TEXTS, TEXTS)
def test_what_was_taken_earlier_stands_earlier(one: str, other: str) -> None:
    early, late = sorted((one, other))
    # Less than a millisecond does not count; as texts, whole seconds come before their parts.
    assert place(early) <= place(late) or early[:23] == late[:23]
    assert 0 <= place(one) < 1 << 63
    assert month_of(place(one)) == one[:7]
    assert place(one) // MONTH == int(one[:4]) * 12 + int(one[5:7]) - 1


@given(TEXTS, st.binary(min_size=32, max_size=32))
def test_a_photo_stands_within_its_millisecond(text: str, photo: bytes) -> None:
    assert 0 <= place_of(text, photo) - place(text) < SLOTS
    first, after = second_of(place_of(text, photo))
    assert first <= place(text) < after


@given(TEXTS, st.none() | TEXTS, st.none() | TEXTS)
def test_a_span_lacks_nothing_and_is_exact_between_whole_seconds(
    text: str, start: str | None, end: str | None
) -> None:
    is_within = (start is None or text >= start) and (end is None or text < end)
    first, last = span(start, end)
    is_found = (first is None or place(text) >= first) and (last is None or place(text) < last)
    assert is_found or not is_within
    if is_whole(start) and is_whole(end):
        assert is_found == is_within


@pytest.mark.parametrize(
    "text",
    ["", "2024", "2024-05-17", "2024-13-01T00:00:00", "2024-00-01T00:00:00", "2024-01-32T00:00:00",
     "2024-01-01T24:00:00", "2024-01-01 00:00:00", "2024-01-01T00:00:00Z", "٢٠٢٤-01-01T00:00:00",
     "2024-01-01T00:00:00.", "2024-01-01T00:00:00\n"],
)  # fmt: skip
def test_what_is_no_moment_has_no_place(text: str) -> None:
    assert begin_of(text) is None
    assert not is_whole(text)


def test_any_clock_has_a_place() -> None:
    for moment_ms in (-(1 << 70), -1, 0, 1, 1 << 70):
        assert begin_of(moment_text(moment_ms)) is not None
    at = datetime(2024, 5, 17, 9, 30, tzinfo=UTC)
    assert moment_text((at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)) == (
        "2024-05-17T09:30:00"
    )
