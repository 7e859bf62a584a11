"""What a trip will do to a laptop: played, and drawn as a page with a table and a picture.

The table has a line for each day and the night after it; the picture shows how full the buffer is
each morning, and how much of it is at risk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, tostring

from simulations import pages, trips
from simulations.drawing import Frame, amount, element, path, picture
from simulations.histories import draw
from simulations.play import play
from simulations.trips import Day, Machine, TripInvalid

_WIDE, _NARROW = (1_200.0, 92.0, 126.0), (420.0, 4.0, 8.0)  # width, left, right
_TOP, _HEIGHT, _AXIS_PX = 24.0, 180.0, 24.0
_COLUMNS = ("day", "shot", "on the laptop", "evicted", "at risk", "no room")


class Outlook(NamedTuple):
    """What is foreseen. `full_on`: the first day on which something found no room, if any."""

    title: str
    room_bytes: int
    days: tuple[Day, ...]
    full_on: int | None
    broken: tuple[str, ...]


def foresee(
    text: str,
    away: Machine,
    others: Sequence[Machine],
    min_copies: int,
    seed: int,
    out: Path,
    rules: Sequence[str] = (),
) -> Outlook:
    """Play a trip with these machines and draw it to `out`.

    Raises ValueError for a trip that cannot be read, OSError.
    """
    trip = trips.parse(text)
    if not others:
        raise TripInvalid("no other machine is a member: nothing could go home, or be evicted")
    scenario = trips.scenario_of(trip, away, others, min_copies, rules)
    outcome, trace = play(scenario, draw(scenario, seed), keep=True)
    days = tuple(trips.days_of(trace.events, trip, scenario, away.name))
    broken = [f"{violation.checker}: {violation.text}" for violation in outcome.violations]
    if outcome.error:
        broken.append(outcome.error.strip().splitlines()[-1])
    full_on = next((day.number for day in days if day.refused_bytes), None)
    room_bytes = max(0, away.room_bytes - away.held_bytes)
    seen = Outlook(scenario.title, room_bytes, days, full_on, tuple(broken))
    out.write_bytes(_page(seen))
    return seen


def machine(name: str, role: str, room_bytes: int, held_bytes: int) -> Machine:
    """Return a member as `foresee` takes it."""
    return Machine(name, role, room_bytes, held_bytes)


def facts(seen: Outlook) -> dict[str, object]:
    """Return all of it as JSON has it."""
    return {
        "title": seen.title,
        "room_bytes": seen.room_bytes,
        "full_on": seen.full_on,
        "verdict": verdict(seen),
        "days": [day._asdict() for day in seen.days],
        "broken": list(seen.broken),
    }


def verdict(seen: Outlook) -> str:
    """Return what matters in a sentence."""
    last = seen.days[-1]
    risk = f"At the end {amount(last.at_risk_bytes)} are on too few machines."
    if not last.at_risk_bytes:
        risk = "At the end all that was taken in is safe."
    if seen.full_on is None:
        most = max(day.kept_bytes for day in seen.days)
        return f"It fits: at most {amount(most)} of {amount(seen.room_bytes)}. {risk}"
    return (
        f"The buffer is full on day {seen.full_on}; {amount(last.refused_bytes)} find no room."
        f" {risk}"
    )


def rows(seen: Outlook) -> list[tuple[str, ...]]:
    """Return the table: what is shot on each day, the rest as it stands next morning."""
    made, before = list[tuple[str, ...]](), 0
    for day in seen.days:
        shot, before = day.shot_bytes - before, day.shot_bytes
        values = (day.kept_bytes, day.evicted_bytes, day.at_risk_bytes, day.refused_bytes)
        made.append((str(day.number), amount(shot), *(amount(value) for value in values)))
    return made


def columns() -> tuple[str, ...]:
    return _COLUMNS


def _page(seen: Outlook) -> bytes:
    article = element("article", element("p", "photonic · plan my trip", class_="kicker"))
    is_well = seen.full_on is None and not seen.broken
    article.append(element("h1", seen.title))
    article.append(element("p", verdict(seen), class_="verdict" if is_well else "verdict bad"))
    article.append(element("h2", "The buffer, morning by morning"))
    drawn = (_buffer(seen, Frame(*sizes, 1.0)) for sizes in (_WIDE, _NARROW))
    article.append(element("figure", *drawn))
    article.append(pages.table(_COLUMNS, ((row, "") for row in rows(seen))))
    page = pages.page([seen.title], [article])
    return f"<!doctype html>\n{tostring(page, encoding='unicode', method='html')}\n".encode()


def _buffer(seen: Outlook, frame: Frame) -> Element:
    """Return what is on the laptop each morning: at risk below, the rest above; its room."""
    most = max(seen.room_bytes, *(day.kept_bytes + 1 for day in seen.days))
    base, px_each = _TOP + _HEIGHT, _HEIGHT / most
    inside = list[Element]()
    width = frame.inner / len(seen.days)
    for day in seen.days:
        x, risk = frame.left + width * (day.number - 1), min(day.at_risk_bytes, day.kept_bytes)
        middle = {"x": x + width / 2, "y": base + 16, "text_anchor": "middle"}
        if day.number == 1 or day.number % max(1, int(30 / width) + 1) == 0:
            inside.append(element("text", str(day.number), class_="value", **middle))
        below = 0.0
        for class_, word, size_bytes in (
            ("none", "at risk", risk),
            ("many", "safe elsewhere, too", day.kept_bytes - risk),
        ):
            tall = size_bytes * px_each
            bar = element(
                "rect", element("title", f"day {day.number}: {amount(size_bytes)} {word}"),
                x=x + 1, y=base - below - tall, width=max(1.0, width - 2), height=tall,
                class_=class_,
            )  # fmt: skip
            inside.append(bar)
            below += tall
    y = base - seen.room_bytes * px_each
    inside.append(element("path", d=path([(frame.left, y), (frame.end, y)]), class_="ideal"))
    at = {"x": frame.left + 4, "y": y - 6}
    inside.append(element("text", f"room for {amount(seen.room_bytes)}", class_="halo", **at))
    line = element("line", x1=frame.left, x2=frame.end, y1=base, y2=base, class_="base")
    title = "how full the laptop is each morning"
    return picture(frame, base + _AXIS_PX, title, *inside, line)
