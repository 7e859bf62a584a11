"""What one trace tells, as figures: who ran when and where, what was cut, sent, done and copied.

Pure: events in, frozen values out. `diagram` and `curves` draw them, `report` puts them on a page.
`TOLD` says of every kind of event where it is told, so that a new kind cannot go missing unseen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from simulations.acts import WORKS, Act
from simulations.copies import Copies
from simulations.figures import Figures
from simulations.trace import Event

TOLD = {
    "began": "the head of the page, and the lanes",
    "act": "a dot on its lane, and the table of acts",
    "passed over": "the table of acts",
    "accepted": "the dot of its act is filled",
    "refused": "the table of acts",
    "started": "the lane is drawn through",
    "stopped": "the lane is dotted",
    "killed": "a mark on the lane, which is dotted",
    "rolled back": "a mark on the lane",
    "rotted": "a mark on the lane, and the copy counts no more",
    "joined": "a mark on the lane",
    "revoked": "a mark on the lane",
    "revocation known": "a mark at the top",
    "stranger": "a mark on the lane",
    "forged": "a mark on the lane",
    "purged": "a mark on the lane",
    "evicted": "a mark on the lane, and the copy counts no more",
    "place": "where the machine is stands over its lane; nowhere is shaded",
    "link": "what lies between two lanes is hatched while nothing passes",
    "message": "a line from lane to lane",
    "copies": "the copies of all photos over time",
    "conflict": "what is contested over time",
    "healed": "an upright line",
    "converged": "an upright line",
    "violation": "a mark at the top, and the list of what did not hold",
    "ended": "the figures",
}
LEFT_OUT = {
    "promised": "what was promised shows when somebody else lets it go",
    "connected": "whoever is connected sends, and that is drawn",
    "disconnected": "as connected",
    "event": "what a node announces of itself shows in what it sends and holds",
}
MARKS = {
    "killed", "rolled back", "rotted", "joined", "revoked", "revocation known", "stranger",
    "forged", "purged", "evicted",
    "violation", "healed", "converged",
}  # fmt: skip
MARKED_ACTS = {"fill", "empty", "slow", "skew", "address", "save", "carry"}
_ORDER = {"mobile": 0, "central": 1, "archive": 2}  # of lanes: from the road to the cellar
PHOTOS, CATALOG, OTHER = "photos", "catalog", "other"  # what a message carries
_CARRIES = {"/photonic/blobs/1": PHOTOS, "/photonic/catalog/1": CATALOG}


class Span(msgspec.Struct, frozen=True):
    """Something lasts. `what`: the place of a machine, or why nothing passes."""

    begin_s: float
    end_s: float
    what: str = ""


class Lane(msgspec.Struct, frozen=True):
    """One machine: when it ran, and where it was (`what` is "" while it was nowhere)."""

    name: str
    role: str
    runs: tuple[Span, ...]
    stays: tuple[Span, ...]


class Cut(msgspec.Struct, frozen=True):
    """Nothing passes from one machine to another, although both are somewhere."""

    source: str
    target: str
    span: Span


class Sent(msgspec.Struct, frozen=True):
    """What went from one machine to another. `arrives_s` is None for what was held up or lost."""

    source: str
    target: str
    carries: str
    at_s: float
    arrives_s: float | None
    size_bytes: int  # virtual ones of photos


class Mark(msgspec.Struct, frozen=True):
    """What happened at one moment to one machine, "" for all."""

    at_s: float
    node: str
    what: str
    text: str


class Deed(msgspec.Struct, frozen=True):
    """An act, and what became of it."""

    at_s: float
    act: Act
    ending: str  # "done", or why it was refused or passed over
    is_done: bool

    @property
    def is_work(self) -> bool:
        """Whether people do it."""
        return self.act.do in WORKS


class Level(msgspec.Struct, frozen=True):
    """Numbers from one moment until the next one."""

    at_s: float
    values: tuple[int, ...]


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """All that is drawn of one history."""

    scenario: str
    title: str
    seed: int
    until_s: float
    lanes: tuple[Lane, ...]
    cuts: tuple[Cut, ...]
    sent: tuple[Sent, ...]
    marks: tuple[Mark, ...]
    deeds: tuple[Deed, ...]
    copies: tuple[Level, ...]  # photos with 0, 1, 2, 3 and more
    conflicts: tuple[Level, ...]
    min_copies: int
    safe_after_s: tuple[float, ...]  # of each photo that had enough copies, sorted
    unsafe: int
    ideal_bytes: int  # see figures.py
    photo_bytes: int
    hurry: float  # so many seconds of the story for one that was played
    violations: tuple[Mark, ...]
    figures: dict[str, float]

    @property
    def moved_bytes(self) -> int:
        """What was sent of photos."""
        return sum(one.size_bytes for one in self.sent if one.carries == PHOTOS)

    @property
    def converged_s(self) -> float | None:
        """How long after healing all members showed the same; None if they never did."""
        moments = {mark.what: mark.at_s for mark in self.marks}
        if "healed" not in moments or "converged" not in moments:
            return None
        return moments["converged"] - moments["healed"]


def tell(events: Iterable[Event]) -> Story:
    """Return what the events of one trace tell. A trace may end early, or tell less."""
    teller = _Teller()
    for event in events:
        teller.note(event)
    return teller.story()


class _Teller:
    """What is open while a trace is read."""

    def __init__(self) -> None:
        self._began: dict[str, Any] = {}
        self._hurry, self._until_s = 1.0, 0.0
        self._copies, self._needs = Copies(), Figures(0)
        self._runs = defaultdict[str, list[Event]](list)
        self._places = defaultdict[str, list[Event]](list)
        self._links = defaultdict[tuple[str, str], list[Event]](list)
        self._sent: list[Sent] = []
        self._marks: list[Mark] = []
        self._deeds: list[Deed] = []
        self._waiting = defaultdict[tuple[str, str], list[int]](list)  # deeds without an ending
        self._levels: list[Level] = []
        self._contested: set[tuple[str, str, str]] = set()
        self._conflicts: list[Level] = []
        self._figures: dict[str, float] = {}

    def note(self, event: Event) -> None:
        if event.kind == "began":
            self._hurry = float(event.facts.get("hurry", 1.0))
            self._needs = Figures(int(event.facts.get("photo_bytes", 0)))
        event = msgspec.structs.replace(event, at_s=event.at_s * self._hurry)
        self._until_s = max(self._until_s, event.at_s)
        self._needs.note(event)
        if event.kind in MARKS:
            self._mark(event)
        if self._copies.note(event):
            _level(self._levels, event.at_s, self._copies.levels())
        work = getattr(self, "_note_" + event.kind.replace(" ", "_"), None)
        if work is not None:
            work(event)

    def _mark(self, event: Event) -> None:
        facts = ", ".join(f"{key} {value}" for key, value in event.facts.items() if value != "")
        text = " ".join(part for part in (event.node, event.kind) if part)
        self._marks.append(
            Mark(event.at_s, event.node, event.kind, f"{text}: {facts}" if facts else text)
        )

    def _note_began(self, event: Event) -> None:
        self._began = event.facts

    def _note_ended(self, event: Event) -> None:
        self._figures = dict(event.facts.get("figures", {}))

    def _note_started(self, event: Event) -> None:
        self._runs[event.node].append(event)

    _note_stopped = _note_killed = _note_started

    def _note_place(self, event: Event) -> None:
        self._places[event.node].append(event)

    def _note_link(self, event: Event) -> None:
        self._links[event.node, str(event.facts["other"])].append(event)

    def _note_message(self, event: Event) -> None:
        facts = event.facts
        carries = _CARRIES.get(str(facts.get("protocol", "")), OTHER)
        scale = int(self._began.get("scale", 1)) if carries == PHOTOS else 1
        size_bytes, arrives_s = int(facts["bytes"]) * scale, facts.get("arrives_s")
        arrives_s = None if arrives_s is None else arrives_s * self._hurry
        self._sent.append(
            Sent(event.node, str(facts["to"]), carries, event.at_s, arrives_s, size_bytes)
        )

    def _note_conflict(self, event: Event) -> None:
        one = (event.node, str(event.facts["photo"]), str(event.facts["field"]))
        (self._contested.add if event.facts["values"] > 1 else self._contested.discard)(one)
        fields = {(photo, field) for _, photo, field in self._contested}
        _level(self._conflicts, event.at_s, (len(fields),))

    # --- acts, and what became of them --------------------------------------------------------

    def _note_act(self, event: Event) -> None:
        act = msgspec.convert(event.facts, Act, strict=False)
        self._waiting[act.node, act.do].append(len(self._deeds))
        self._deeds.append(Deed(event.at_s, act, "done", is_done=True))

    def _note_passed_over(self, event: Event) -> None:
        self._end(event, str(event.facts["do"]), f"passed over: {event.facts['why']}")

    def _note_refused(self, event: Event) -> None:
        self._end(event, str(event.facts["act"]), f"refused: {event.facts['code']}")

    def _end(self, event: Event, verb: str, ending: str) -> None:
        waiting = self._waiting[event.node, verb]
        if waiting:
            number = waiting.pop()
            deed = self._deeds[number]
            self._deeds[number] = msgspec.structs.replace(deed, ending=ending, is_done=False)

    def _note_accepted(self, event: Event) -> None:
        """An act that was accepted waits for no other ending, though it may have many photos."""
        waiting = self._waiting[event.node, str(event.facts["act"])]
        if waiting:
            number = waiting[-1]
            ending = "accepted, and durable"
            self._deeds[number] = msgspec.structs.replace(self._deeds[number], ending=ending)

    # --- the whole ----------------------------------------------------------------------------

    def story(self) -> Story:
        roles = {str(name): str(role) for name, role in self._began.get("nodes", {}).items()}
        by_role = sorted(roles, key=lambda name: (_ORDER.get(roles[name], len(_ORDER)), name))
        names = dict.fromkeys([*by_role, *self._runs, *(one.source for one in self._sent)])
        names |= dict.fromkeys(one.target for one in self._sent)
        photo_bytes = int(self._began.get("photo_bytes", 0))
        return Story(
            scenario=str(self._began.get("scenario", "")),
            title=str(self._began.get("title", "")),
            seed=int(self._began.get("seed", 0)),
            until_s=self._until_s,
            lanes=tuple(self._lane(name, roles.get(name, "")) for name in names),
            cuts=tuple(self._cuts()),
            sent=tuple(self._sent),
            marks=tuple(self._marks) + tuple(self._marked_acts()),
            deeds=tuple(self._deeds),
            copies=tuple(self._levels),
            conflicts=tuple(self._conflicts),
            min_copies=self._copies.min_copies,
            safe_after_s=tuple(sorted(self._copies.safe_after_s.values())),
            unsafe=self._copies.unsafe,
            ideal_bytes=int(self._needs.result(0)["ideal_bytes"]),
            photo_bytes=photo_bytes,
            hurry=self._hurry,
            violations=tuple(mark for mark in self._marks if mark.what == "violation"),
            figures=self._figures,
        )

    def _lane(self, name: str, role: str) -> Lane:
        runs = spans(
            ((event.at_s, "up" if event.kind == "started" else None) for event in self._runs[name]),
            self._until_s,
        )
        stays = spans(
            ((event.at_s, event.facts["place"] or "") for event in self._places[name]),
            self._until_s,
        )
        return Lane(name, role, tuple(runs), tuple(stays))

    def _cuts(self) -> Iterator[Cut]:
        for (source, target), events in self._links.items():
            states = (
                (e.at_s, None if e.facts["is_open"] else " and ".join(e.facts.get("why", ["cut"])))
                for e in events
            )
            for span in spans(states, self._until_s):
                if span.what != "away":  # that is shaded on the lane of who is away
                    yield Cut(source, target, span)

    def _marked_acts(self) -> Iterator[Mark]:
        for deed in self._deeds:
            if deed.is_done and deed.act.do in MARKED_ACTS:
                yield Mark(deed.at_s, deed.act.node, deed.act.do, deed.act.words())


def spans(states: Iterable[tuple[float, str | None]], until_s: float) -> list[Span]:
    """Return how long each state lasted; None is no state. Two that are alike are one."""
    found, since_s, what = list[Span](), 0.0, None
    for at_s, now in (*states, (until_s, None)):
        if now == what:
            continue
        if what is not None and at_s > since_s:
            found.append(Span(since_s, at_s, what))
        since_s, what = at_s, now
    return found


def _level(levels: list[Level], at_s: float, values: tuple[int, ...]) -> None:
    """Remember numbers; of those of one moment the last ones."""
    if levels and levels[-1].at_s == at_s:
        levels.pop()
    if not levels or levels[-1].values != values:
        levels.append(Level(at_s, values))
