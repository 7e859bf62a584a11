"""Rates and schedules are read as people write them, and errors point at the character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits, wire
from photonic.errors import LimitsInvalid
from photonic.p2p.rates import (
    DAY_MIN,
    Bandwidth,
    Direction,
    PeerBandwidth,
    check,
    parse_rate,
    parse_schedule,
    show_rate,
)

MB = 1_000_000


@pytest.mark.parametrize(
    ("text", "bytes_s"),
    [
        ("2MB/s", 2 * MB),
        ("2 mB", 2 * MB),
        (" 1.5MB/s ", 1_500_000),
        ("500kB/s", 500_000),
        ("512 KiB/s", 512 * 1024),
        ("1GiB/s", 1 << 30),
        ("16Mbit/s", 2 * MB),
        ("16mbit/s", 2 * MB),
        ("20000B/s", 20_000),
        ("full", None),
        ("FULL", None),
    ],
)
def test_rates_are_read_as_people_write_them(text: str, bytes_s: int | None) -> None:
    assert parse_rate(text) == bytes_s


@pytest.mark.parametrize(
    ("text", "position", "length", "word"),
    [
        ("", 0, 1, "expected"),
        ("fast", 0, 4, "expected"),
        ("2Mb/s", 1, 2, "bits or bytes"),
        ("  2 mb", 4, 2, "bits or bytes"),
        ("5", 0, 1, "unit is missing"),
        ("5 parsec", 2, 6, "parsec is no unit"),
        ("0MB/s", 0, 5, "as good as nothing"),
        ("1kB/s", 0, 5, "10kB/s"),
        ("-2MB/s", 0, 6, "expected"),
        ("9999999GB/s", 0, 11, "no limit"),
    ],
)
def test_a_wrong_rate_is_pointed_at(text: str, position: int, length: int, word: str) -> None:
    with pytest.raises(LimitsInvalid) as failure:
        parse_rate(text)
    assert (failure.value.position, failure.value.length) == (position, length)
    why, shown, pointer = failure.value.message.split("\n")
    assert word in why
    assert pointer.index("^") - 2 == position
    assert pointer.count("^") == length
    assert shown == "  " + text


@given(st.integers(limits.RATE_BYTES_S_MIN, limits.RATE_BYTES_S_MAX))
def test_a_shown_rate_is_read_back_exactly(bytes_s: int) -> None:
    assert parse_rate(show_rate(bytes_s)) == bytes_s


@given(st.text(max_size=40))
def test_any_text_is_a_rate_and_a_schedule_or_an_error_that_points_into_it(text: str) -> None:
    for parse in (parse_rate, parse_schedule):
        position: int | None = 0
        try:
            parse(text)
        except LimitsInvalid as error:
            position = error.position
        assert position is not None
        assert 0 <= position <= len(text)


def test_the_schedule_of_the_handbook() -> None:
    schedule = parse_schedule("08:00-22:00 2MB/s, otherwise full")
    hours = {hour: schedule.rate(hour * 60) for hour in range(24)}
    assert {hour for hour, rate in hours.items() if rate == 2 * MB} == set(range(8, 22))
    assert {rate for hour, rate in hours.items() if not 8 <= hour < 22} == {None}
    assert schedule.rate(22 * 60 - 1) == 2 * MB
    assert schedule.rate(22 * 60) is None


def test_spans_may_go_over_midnight_and_fill_the_day() -> None:
    schedule = parse_schedule("22:30-6 full,6:00-8:00 500 kB/s, otherwise 1MB/s")
    assert [schedule.rate(at) for at in (22 * 60 + 29, 22 * 60 + 30, 0, 359)] == [
        MB, None, None, None
    ]  # fmt: skip
    assert [schedule.rate(at) for at in (360, 479, 480)] == [500_000, 500_000, MB]
    whole = parse_schedule("00:00-24:00 1MB/s")
    assert {whole.rate(minute) for minute in range(DAY_MIN)} == {MB}


@pytest.mark.parametrize(
    ("text", "marked", "word"),
    [
        ("08:00-25:00 2MB/s", "25:00", "a time such as"),
        ("8:60-9:00 2MB/s", "8:60", "a time such as"),
        ("24:00-9:00 2MB/s", "24:00", "a time such as"),
        ("morning 2MB/s", "morning 2MB/s", "a span such as"),
        ("08:00-22:00", "", "expected a rate"),
        ("08:00-22:00 2Mb/s", "Mb", "bits or bytes"),
        ("08:00-22:00 1MB/s, 21:00-23:00 2MB/s", "21:00-23:00", "overlaps with 08:00-22:00"),
        ("08:00-08:00 1MB/s", "08:00-08:00", "is empty"),
        ("otherwise full, 08:00-22:00 2MB/s", "otherwise", "stands last"),
        ("08:00-22:00 2MB/s,, otherwise full", ",", "missing"),
        ("08:00-22:00 2MB/s, otherwise", "", "expected a rate"),
        ("08:00-22:00 2MB/s, otherwise 1", "1", "unit is missing"),
    ],
)
def test_a_wrong_schedule_is_pointed_at(text: str, marked: str, word: str) -> None:
    with pytest.raises(LimitsInvalid) as failure:
        parse_schedule(text)
    assert word in failure.value.message
    position, length = failure.value.position or 0, failure.value.length
    if marked:
        assert text[position : position + length] == marked
    else:
        assert position == len(text)


times = st.integers(0, DAY_MIN - 1)


@given(st.lists(times, min_size=2, max_size=12, unique=True), st.booleans())
def test_each_minute_has_the_rate_of_its_span(edges: list[int], is_turned: bool) -> None:
    """Spans between sorted edges never overlap, the last one over midnight."""
    edges = sorted(edges)
    pairs = list(zip(edges, [*edges[1:], edges[0]], strict=True))[::2]
    rates = {pair: (number + 1) * MB for number, pair in enumerate(pairs)}
    if is_turned:
        pairs.reverse()

    def clock(minute: int) -> str:
        return f"{minute // 60:02}:{minute % 60:02}"

    text = ", ".join(f"{clock(a)}-{clock(b)} {show_rate(rates[a, b])}" for a, b in pairs)
    schedule = parse_schedule(f"{text}, otherwise 77MB/s")
    for minute in range(DAY_MIN):
        inside = [
            rates[a, b] for a, b in pairs if (a <= minute < b if a < b else not b <= minute < a)
        ]
        assert schedule.rate(minute) == (inside[0] if inside else 77 * MB)


def test_the_lowest_of_all_limits_counts() -> None:
    bandwidth = Bandwidth(in_bytes_s=5 * MB, schedule="08:00-22:00 2MB/s")
    noon, night = 12 * 60, 3 * 60
    assert bandwidth.rate(Direction.IN, noon) == 2 * MB
    assert bandwidth.rate(Direction.IN, night) == 5 * MB
    assert bandwidth.rate(Direction.OUT, noon) == 2 * MB
    assert bandwidth.rate(Direction.OUT, night) is None
    metered = Bandwidth(in_bytes_s=5 * MB, metered=True, metered_bytes_s=100_000)
    assert metered.rate(Direction.IN, noon) == metered.rate(Direction.OUT, noon) == 100_000
    assert not metered.holds_originals
    assert Bandwidth(metered=True).holds_originals
    assert not Bandwidth().holds_originals


@pytest.mark.parametrize(
    ("bandwidth", "word"),
    [
        (Bandwidth(in_bytes_s=1), "in: "),
        (Bandwidth(out_bytes_s=limits.RATE_BYTES_S_MAX + 1), "out: "),
        (Bandwidth(peers={"leia": PeerBandwidth(out_bytes_s=0)}), "out of leia"),
        (Bandwidth(metered_bytes_s=MB), "metered"),
        (Bandwidth(parallel=0), "parallel"),
        (Bandwidth(parallel=limits.PARALLEL_MAX + 1), "parallel"),
        (Bandwidth(schedule="x"), "span"),
        (Bandwidth(schedule="0" * 1_000), "characters"),
        (Bandwidth(peers={str(n): PeerBandwidth() for n in range(300)}), "nodes"),
    ],
)
def test_what_may_not_be_used_is_told(bandwidth: Bandwidth, word: str) -> None:
    with pytest.raises(LimitsInvalid, match=word):
        check(bandwidth)


def test_the_settings_travel_as_plain_data() -> None:
    bandwidth = Bandwidth(
        5 * MB, None, {"leia": PeerBandwidth(MB)}, "08:00-22:00 2MB/s", True, 100_000, 4
    )
    assert wire.decode(wire.encode(check(bandwidth)), Bandwidth) == bandwidth
