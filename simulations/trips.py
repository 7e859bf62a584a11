"""A trip as a scenario: what becomes of a laptop's buffer, day by day, if the library is as it is.

By day the laptop is away and shoots; each night, for twelve hours, it is at a place whose network
is what it is, and sends home what it can. A byte of the simulation stands for many, and a second of
the night for many; days, on which nothing moves, are shorter still.
The machines run the product; only how much is shot, and when, is made up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from photonic import limits
from simulations.acts import Act
from simulations.copies import Copies
from simulations.links import PRESETS
from simulations.scenario import NodePlan, Scenario, Workload
from simulations.trace import Event
from simulations.units import UnitInvalid, size_bytes

_NIGHT_H = 12.0
_HURRY = 144.0  # of the night, which takes five minutes
_NIGHT_S, _DAYTIME_S = _NIGHT_H * 3_600 / _HURRY, 40.0  # as they are played
_DAY_S = _DAYTIME_S + _NIGHT_S
_SHOOTS_A_DAY = 6
_PHOTOS_MAX, _PHOTOS_A_DAY_MAX = 480, 48  # that are simulated: each stands for many
# That are moved. With fewer, what is said of photos would weigh more than the photos.
_REAL_BYTES = 300_000_000
_AT_ONCE = 2  # photos on their way: half of one that stands for many is much
_NAMED = "keep on"  # in a rule about machines by their names, which the simulated ones have not
_AWAY, _HOME, _CELLAR = "away", "home", "cellar"
_DAYS = re.compile(r"(\d+) days?")
_SIZE = re.compile(r"([\d.]+ ?[kMGT]B) a day")
DAYS_MAX = 365


class TripInvalid(ValueError):
    """A trip that cannot be read; the text says what one looks like."""


class Trip(NamedTuple):
    """So many days; what the network is like at night; how much is shot each day."""

    days: int
    link: str
    day_bytes: int


class Machine(NamedTuple):
    """A member. `room_bytes` is what its library may keep; `held_bytes` what it has by now."""

    name: str
    role: str
    room_bytes: int
    held_bytes: int = 0


class Day(NamedTuple):
    """How it stands on the morning after a day. Bytes of originals; `refused` found no room."""

    number: int
    shot_bytes: int
    kept_bytes: int
    evicted_bytes: int
    at_risk_bytes: int  # on fewer machines than the library wants
    refused_bytes: int


def parse(text: str) -> Trip:
    """Read `14 days, hotel-wifi, 120 GB a day`, in any order. Raises TripInvalid."""
    days = link = size = None
    for part in (part.strip() for part in text.split(",")):
        if found := _DAYS.fullmatch(part):
            days = int(found[1])
        elif found := _SIZE.fullmatch(part):
            size = _bytes(found[1])
        elif part in PRESETS:
            link = part
        else:
            raise TripInvalid(f"{part!r} is neither days, nor a network, nor a size; {_usage()}")
    if days is None or link is None or size is None:
        raise TripInvalid(f"days, a network and a size a day are needed; {_usage()}")
    if not (1 <= days <= DAYS_MAX and size > 0):
        raise TripInvalid(f"1 to {DAYS_MAX} days, and something is shot; {_usage()}")
    return Trip(days, link, size)


def _bytes(text: str) -> int:
    try:
        return size_bytes(text)
    except UnitInvalid as error:
        raise TripInvalid(str(error)) from error


def _usage() -> str:
    return f"write: 14 days, hotel-wifi, 120 GB a day (networks: {', '.join(sorted(PRESETS))})"


def scenario_of(
    trip: Trip,
    away: Machine,
    others: Sequence[Machine],
    min_copies: int,
    rules: Sequence[str] = (),
) -> Scenario:
    """Return the history of a trip; `others` stay at home."""
    shoots = max(1, min(_SHOOTS_A_DAY, _PHOTOS_MAX // trip.days))
    at_once = max(1, min(_PHOTOS_A_DAY_MAX, _PHOTOS_MAX // trip.days) // shoots)
    photo_bytes = max(1, trip.day_bytes // shoots // at_once)
    free_bytes = max(2 * photo_bytes, away.room_bytes - away.held_bytes)
    total_bytes = photo_bytes * at_once * shoots * trip.days
    scale = max(1, min(total_bytes // _REAL_BYTES, free_bytes // limits.QUOTA_BYTES_MIN))
    nodes = {
        machine.name: NodePlan(
            role=machine.role,
            disk=f"{machine.room_bytes} B",
            place=_CELLAR if number else _HOME,
        )
        for number, machine in enumerate(others)
    }
    nodes[away.name] = NodePlan(
        role=away.role,
        disk=f"{away.room_bytes + free_bytes} B",  # what is full is the buffer, not the disk
        place=_HOME,
        settings={"quota_bytes": free_bytes // scale},
    )
    common = {"limit_parallel": _AT_ONCE, "min_copies": min_copies}
    nodes = {
        name: msgspec.structs.replace(plan, settings=common | plan.settings)
        for name, plan in nodes.items()
    }
    return Scenario(
        name="trip",
        title=f"{trip.days} days, {trip.link} at night, {trip.day_bytes / 1e9:,.0f} GB a day",
        lasts=f"{trip.days * _DAY_S * _HURRY:.0f}s",
        settles="4d",
        scale=scale,
        hurry=_HURRY,
        min_copies=min_copies,
        rules=tuple(rule for rule in rules if _NAMED not in rule),
        nodes=nodes,
        places=dict.fromkeys((_HOME, _AWAY, _CELLAR), "studio-lan"),
        links={
            f"{_HOME} {_AWAY}": trip.link,
            f"{_CELLAR} {_AWAY}": trip.link,  # by way of home: whoever attests can be asked
            f"{_HOME} {_CELLAR}": "studio-lan",
        },
        timeline=tuple(_timeline(trip, away.name, shoots, at_once)),
        workload=Workload(photo_size=f"{photo_bytes} B"),
    )


def _timeline(trip: Trip, name: str, shoots: int, at_once: int) -> Iterable[Act]:
    for day in range(trip.days):
        begins_s = day * _DAY_S
        yield Act(at_s=begins_s + 1, do="leave", node=name)
        for shoot in range(shoots):
            at_s = begins_s + 2 + (_DAYTIME_S - 8) * shoot / shoots
            yield Act(at_s=at_s, do="shoot", node=name, count=at_once)
        yield Act(at_s=begins_s + _DAYTIME_S, do="arrive", node=name, place=_AWAY)


def days_of(events: Iterable[Event], trip: Trip, scenario: Scenario, name: str) -> list[Day]:
    """Return how it stands after each day and night, from the events of its history."""
    return list(_Diary(trip, scenario, name).read(events))


class _Diary:
    """What is known up to an event."""

    def __init__(self, trip: Trip, scenario: Scenario, name: str) -> None:
        self._trip, self._name = trip, name
        self._photo_bytes = size_bytes(scenario.workload.photo_size)
        self._copies, self._holds = Copies(), set[str]()
        self._shot = self._stored = self._evicted = 0

    def read(self, events: Iterable[Event]) -> Iterable[Day]:
        day = 0
        for event in events:
            while day < self._trip.days and event.at_s >= (day + 1) * _DAY_S:
                day += 1
                yield self._day(day)
            self._note(event)
        while day < self._trip.days:
            day += 1
            yield self._day(day)

    def _note(self, event: Event) -> None:
        self._copies.note(event)
        if event.kind == "copies":
            self._note_holders(str(event.facts["photo"]), event.facts["holders"])
        elif event.kind == "act" and event.facts.get("do") == "shoot":
            self._shot += int(event.facts.get("count", 1))
        elif event.kind == "accepted" and event.facts["act"] == "shoot":
            self._stored += 1

    def _note_holders(self, photo: str, holders: Sequence[str]) -> None:
        if self._name in holders:
            self._holds.add(photo)
        elif photo in self._holds:
            self._holds.discard(photo)
            self._evicted += 1

    def _day(self, number: int) -> Day:
        safe = self._copies.min_copies
        at_risk = sum(self._copies.levels()[:safe]) if safe <= 3 else 0
        counts = (self._shot, len(self._holds), self._evicted, at_risk, self._shot - self._stored)
        return Day(number, *(count * self._photo_bytes for count in counts))
