"""Plan my trip: what is asked is read, becomes a history, and its events become a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations import outlook, trips
from simulations.links import PRESETS
from simulations.trace import Event
from simulations.trips import Day, Machine, Trip, TripInvalid
from simulations.units import size_bytes

GB = 10**9
LAPTOP = Machine("laptop", "mobile", 1_700 * GB, 200 * GB)
HOME = (Machine("studio", "central", 6_000 * GB), Machine("vault", "archive", 4_000 * GB))


@pytest.mark.parametrize(
    "text",
    [
        "14 days, hotel-wifi, 120 GB a day",
        "hotel-wifi,120 GB a day,14 days",
        " 120GB a day , 14 days, hotel-wifi ",
    ],
)
def test_a_trip_is_read_in_any_order(text: str) -> None:
    assert trips.parse(text) == Trip(14, "hotel-wifi", 120 * GB)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("14 days, hotel-wifi", "a size a day"),
        ("0 days, hotel-wifi, 1 GB a day", "1 to 365"),
        ("3 days, hotel-wifi, 0 GB a day", "something is shot"),
        ("3 days, moon, 1 GB a day", "'moon' is neither"),
        ("3 days, hotel-wifi, 1.2.3 GB a day", "no quantity"),
        ("", "'' is neither"),
    ],
)
def test_what_is_no_trip_is_told_with_what_one_looks_like(text: str, why: str) -> None:
    with pytest.raises(TripInvalid) as told:
        trips.parse(text)
    assert why in str(told.value)


@given(
    st.integers(1, trips.DAYS_MAX), st.sampled_from(sorted(PRESETS)), st.integers(1, 10**13),
    st.integers(0, 10**13), st.integers(0, 10**13),
)  # fmt: skip
def test_every_trip_is_a_history_in_which_as_much_is_shot(
    days: int, link: str, day_bytes: int, room_bytes: int, held_bytes: int
) -> None:
    trip = Trip(days, link, day_bytes)
    away = Machine("laptop", "mobile", room_bytes, held_bytes)
    scenario = trips.scenario_of(trip, away, HOME, 2)
    count = sum(act.count for act in scenario.timeline if act.do == "shoot")
    photo_bytes = size_bytes(scenario.workload.photo_size)
    assert photo_bytes * count <= max(days * day_bytes, count)
    assert photo_bytes * count > 0.9 * days * day_bytes - count
    times = [act.at_s for act in scenario.timeline]
    assert times == sorted(times)
    assert times[-1] < scenario.lasts_s
    assert (
        scenario.photo_bytes * count <= 2 * 300_000_000
        or scenario.scale == 1
        or (scenario.nodes["laptop"].settings["quota_bytes"] < 10**9)
    )


def test_a_day_says_what_is_kept_evicted_at_risk_and_found_no_room() -> None:
    trip = Trip(2, "hotel-wifi", 6 * GB)
    scenario = trips.scenario_of(trip, LAPTOP, HOME, 2)
    one = size_bytes(scenario.workload.photo_size)
    day_s = scenario.lasts_s / 2

    def event(at_s: float, kind: str, **facts: object) -> Event:
        return Event(at_s, "laptop", kind, facts)

    def held(at_s: float, photo: str, *names: str) -> Event:
        return event(at_s, "copies", photo=photo, holders=list(names))

    events = [
        event(0, "began", min_copies=2),
        event(1, "act", do="shoot", count=3),
        held(2, "a", "laptop"),
        held(2, "b", "laptop"),
        event(2, "accepted", act="shoot", photo="a"),
        event(2, "accepted", act="shoot", photo="b"),
        held(day_s - 1, "a", "laptop", "studio"),
        held(day_s + 1, "a", "laptop", "studio", "vault"),
        held(day_s + 2, "a", "studio", "vault"),
    ]
    assert trips.days_of(events, trip, scenario, "laptop") == [
        Day(1, 3 * one, 2 * one, 0, one, one),
        Day(2, 3 * one, one, one, one, one),
    ]


def test_a_short_trip_is_played_and_drawn(tmp_path: Path) -> None:
    seen = [
        outlook.foresee("1 day, studio-lan, 6 GB a day", LAPTOP, HOME, 2, 5, tmp_path / name)
        for name in ("one.html", "other.html")
    ]
    assert seen[0] == seen[1]
    assert not seen[0].broken
    [day] = seen[0].days
    assert (day.at_risk_bytes, day.refused_bytes) == (0, 0)
    assert day.kept_bytes == day.shot_bytes
    assert "It fits" in outlook.verdict(seen[0])
    page = (tmp_path / "one.html").read_bytes()
    assert page == (tmp_path / "other.html").read_bytes()
    assert page.count(b"<svg") == 2


def test_without_another_machine_there_is_nothing_to_foresee(tmp_path: Path) -> None:
    with pytest.raises(TripInvalid, match="no other machine"):
        outlook.foresee("1 day, studio-lan, 1 GB a day", LAPTOP, (), 2, 5, tmp_path / "x.html")
