"""The promises of DESIGN.md, as checkers: what a node shows is held against what it was told.

A checker knows what nodes *accepted* (the trace's `accepted`), what was taken from them by force
(`rolled back`, `revoked`), and what they show. Where an invariant cannot be seen from outside (that
a frame is bounded, that a byte was fsynced), what follows from it is checked: nobody contradicts
himself after a power cut, nothing that was told to somebody is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from photonic.limits import TRASH_DAYS_DEFAULT
from simulations.checkers import Checker, Promise
from simulations.defences import Clocks, Honest, NoAfterlife, NoForgery, Seen, Trash
from simulations.departures import KeptPromises, NeverBelowTheFloor
from simulations.observations import Observation, PhotoSeen
from simulations.scenario import Scenario
from simulations.trace import Event


def all_checkers(scenario: Scenario) -> list[Checker]:
    """Return every checker for a history of this scenario, fresh."""
    return [
        Convergence(),
        NoLostEdit(),
        NoContradiction(),
        AppendOnly(),
        VerifiedDoor(),
        NoLostPhoto(scenario),
        NeverBelowTheFloor(scenario),
        KeptPromises(),
        MembersOnly(scenario),
        Honest(),
        NoForgery(),
        NoAfterlife(),
        Seen(),
        Clocks(),
        Trash(),
        Bounded(),
        DerivedIsDisposable(),
    ]


class Convergence(Promise):
    """Members that have seen the same show the same, byte for byte."""

    name = "I1 convergence"

    def settle(self, seen: Mapping[str, Observation]) -> Iterator[str]:
        members = sorted(name for name, one in seen.items() if one.is_member)
        if not members:
            return
        first = seen[members[0]]
        for name in members[1:]:
            other = seen[name]
            if other.digest != first.digest:
                yield f"{first.node} and {name} hold different changes"
            mine, theirs = first.shown(), other.shown()
            for photo in sorted(mine.keys() | theirs.keys()):
                if mine.get(photo) != theirs.get(photo):
                    yield (
                        f"{first.node} shows {photo} as {mine.get(photo)},"
                        f" {name} as {theirs.get(photo)}"
                    )


class NoLostEdit(Promise):
    """Every accepted edit is visible, or superseded by one that had seen it."""

    name = "I2 no lost edit"

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
        self._excused: set[str] = set()  # changes that their node lost by force, or may not make
        self._at: dict[str, tuple[str, float]] = {}  # who said a change, and when

    def note(self, event: Event) -> None:
        facts = event.facts
        if event.kind == "accepted" and "change" in facts:
            self._said[facts["photo"], facts["field"]][facts["change"]] = facts
            self._at[facts["change"]] = (event.node, event.at_s)
        elif event.kind == "rolled back":
            self._excuse(event.node, float(facts["since_s"]))
        elif event.kind == "revoked":
            # What it said and nobody else knew by then is cut off; which that is, nobody can see.
            self._excuse(facts["other"], 0.0)
            self._at[f"revoked {facts['other']}"] = (facts["other"], float("inf"))

    def _excuse(self, node: str, since_s: float) -> None:
        self._excused |= {
            c for c, (who, at_s) in self._at.items() if who == node and at_s >= since_s
        }

    def see(self, seen: Observation) -> Iterator[str]:
        """A node shows what it took itself, until something that had seen it comes."""
        for (photo, field), said in self._said.items():
            mine = {c: facts for c, facts in said.items() if self._at[c][0] == seen.node}
            if mine and photo in seen.photos:
                yield from self._missing(seen, photo, field, mine)

    def settle(self, seen: Mapping[str, Observation]) -> Iterator[str]:
        for one in seen.values():
            if not one.is_member:
                continue
            for (photo, field), said in self._said.items():
                wanted = {c: facts for c, facts in said.items() if not self._is_excused(c)}
                if not wanted:
                    continue
                if photo not in one.photos:
                    yield f"{one.node} does not know {photo}, of which somebody said {field}"
                else:
                    yield from self._missing(one, photo, field, wanted)

    def _is_excused(self, change: str) -> bool:
        return change in self._excused or f"revoked {self._at[change][0]}" in self._at

    def _missing(
        self, seen: Observation, photo: str, field: str, wanted: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[str]:
        shown = seen.photos[photo]
        here = shown.changes
        said = self._said[photo, field]
        for change, facts in wanted.items():
            if self._is_excused(change):
                continue
            if here is not None and change not in here:
                yield f"{seen.node} has lost {facts['act']} of {photo} by {self._at[change][0]}"
                continue
            if shown.answered is not None:
                after = change in shown.answered.get(field, ())
            else:
                after = any(change in later["saw"] for later in said.values())
            if not after and not _shows(shown, field, facts):
                yield f"{seen.node} does not show {facts['act']} of {photo}: {field} {change}"


def _shows(shown: PhotoSeen, field: str, facts: Mapping[str, Any]) -> bool:
    """Whether a photo shows what a change said, nobody having answered it."""
    if field == "tags":
        # Somebody else may have said the same, or the contrary at the same time: an add wins.
        return facts["act"] == "untag" or facts["value"] in shown.tags
    return any(version.change == facts["change"] for version in shown.versions.get(field, ()))


class NoContradiction(Promise):
    """What a node told its peers it still says after a power cut: no number is used twice."""

    name = "I3 persist, then send"

    def __init__(self) -> None:
        self._rolled_back: set[str] = set()

    def note(self, event: Event) -> None:
        if event.kind == "rolled back":
            self._rolled_back.add(event.node)

    def see(self, seen: Observation) -> Iterator[str]:
        for author in seen.repeated:
            if author not in self._rolled_back:
                yield f"{seen.node} has two changes of {author} with one number"
        if seen.returned and seen.node not in self._rolled_back:
            yield f"{seen.node} told others {seen.returned} changes that it did not have any more"


class AppendOnly(Promise):
    """What a node knew it knows, whatever happened to it short of force."""

    name = "I4 append only"

    def __init__(self) -> None:
        self._known: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)

    def note(self, event: Event) -> None:
        if event.kind == "rolled back":
            self._known.pop(event.node, None)

    def see(self, seen: Observation) -> Iterator[str]:
        known = self._known[seen.node]
        for photo, changes in known.items():
            if photo not in seen.photos:
                yield f"{seen.node} has forgotten the photo {photo}"
                continue
            now = seen.photos[photo].changes
            if now is not None and not changes <= now:
                yield f"{seen.node} has forgotten {len(changes - now)} changes of {photo}"
        for photo, shown in seen.photos.items():
            known[photo] = (shown.changes or frozenset()) | known.get(photo, frozenset())


class VerifiedDoor(Promise):
    """What is given under a photo's name has its bytes."""

    name = "I5 one verified door"

    def __init__(self) -> None:
        self._rotten: set[tuple[str, str]] = set()  # until it was found and fetched again

    def note(self, event: Event) -> None:
        if event.kind == "rotted":
            self._rotten.add((event.node, event.facts["photo"]))

    def see(self, seen: Observation) -> Iterator[str]:
        for photo in seen.wrong:
            if (seen.node, photo) not in self._rotten:
                yield f"{seen.node} has wrong bytes as the original of {photo}"


class NoLostPhoto(Promise):
    """An accepted photo is held by somebody always, and by all who want it in the end (I6)."""

    name = "I6 no photo lost"

    def __init__(self, scenario: Scenario) -> None:
        self._wants = {n for n, plan in scenario.nodes.items() if plan.role != "mobile"}
        self._photos: dict[str, dict[str, float]] = defaultdict(dict)  # who took it in, when
        self._hurt: set[tuple[str, str]] = set()  # node and photo, lost by force
        self._let_go: set[tuple[str, str]] = set()  # node and photo
        self._revoked: set[str] = set()
        self._held: dict[str, set[str]] = defaultdict(set)  # by node, when it was last looked at
        self._thrown_s: dict[str, float] = {}  # photos in the trash, and since when
        days = (
            plan.settings.get("trash_days", TRASH_DAYS_DEFAULT) for plan in scenario.nodes.values()
        )
        self._stays_s = min(days) * 24 * 3_600  # so long their bytes stay

    def note(self, event: Event) -> None:
        facts = event.facts
        if event.kind == "accepted" and facts["act"] in ("shoot", "import"):
            self._photos[facts["photo"]].setdefault(event.node, event.at_s)
        elif event.kind == "accepted" and facts["act"] == "delete":
            self._thrown_s.setdefault(facts["photo"], event.at_s)
        elif event.kind == "rotted":
            self._hurt.add((event.node, facts["photo"]))
        elif event.kind == "evicted":  # whether others hold enough, `departures.py` looks
            self._let_go.add((event.node, facts["photo"]))
        elif event.kind == "revoked":
            self._revoked.add(facts["other"])
        elif event.kind == "rolled back":
            since_s = float(facts["since_s"])
            self._held.pop(event.node, None)
            for photo, nodes in self._photos.items():
                if nodes.get(event.node, 0.0) >= since_s:
                    self._hurt.add((event.node, photo))

    def _may_be_gone(self, photo: str, at_s: float) -> bool:
        return photo in self._thrown_s and at_s - self._thrown_s[photo] >= self._stays_s

    def see(self, seen: Observation) -> Iterator[str]:
        """Whoever took a photo in has it."""
        for photo, nodes in self._photos.items():
            if seen.node not in nodes or (seen.node, photo) in self._hurt | self._let_go:
                continue
            if self._may_be_gone(photo, seen.at_s):
                continue
            shown = seen.photos.get(photo)
            if shown is None or not shown.held:
                yield f"{seen.node} took {photo} in and does not hold it"
        before, held = self._held[seen.node], {p for p, one in seen.photos.items() if one.held}
        self._held[seen.node] = held
        for photo in sorted(before - held):
            is_hurt = (seen.node, photo) in self._hurt | self._let_go
            if not is_hurt and not self._may_be_gone(photo, seen.at_s):
                yield f"{seen.node} dropped {photo}"

    def settle(self, seen: Mapping[str, Observation]) -> Iterator[str]:
        members = {name: one for name, one in seen.items() if one.is_member}
        for photo, nodes in self._photos.items():
            sound = [n for n in nodes if (n, photo) not in self._hurt and n in members]
            if not sound or any(self._may_be_gone(photo, one.at_s) for one in members.values()):
                continue
            for name in sorted(self._wants & members.keys()):
                if (name, photo) in self._let_go:
                    continue
                shown = members[name].photos.get(photo)
                if shown is None or not (shown.held or shown.trashed):
                    yield f"{name} wants {photo} and does not hold it"
            for name, one in members.items():
                is_held = photo in one.photos and one.photos[photo].held
                if one.stored is not None and is_held and photo not in one.stored:
                    yield f"{name} says to hold {photo}, and its bytes are not right"


class MembersOnly(Promise):
    """Whoever is no member learns nothing, and what a revoked one says later does not count."""

    name = "I7 members only"

    def __init__(self, scenario: Scenario) -> None:
        self._outside = {name for name, plan in scenario.nodes.items() if not plan.joins}
        self._after: dict[str, set[str]] = {}  # revoked node: photos that came into being later
        self._told: set[str] = set()  # revoked nodes of which every member has heard
        self._revoked: set[str] = set()
        self._changes: dict[str, set[str]] = defaultdict(set)  # by revoked nodes, when all knew

    def note(self, event: Event) -> None:
        facts = event.facts
        if event.kind == "joined":
            self._outside.discard(event.node)
        elif event.kind == "revoked":
            self._revoked.add(facts["other"])
        elif event.kind == "revocation known":
            self._told.add(facts["other"])
            self._after[facts["other"]] = set()
        elif event.kind == "accepted":
            if event.node in self._told:
                self._changes[event.node].add(str(facts.get("change", "")))
            elif facts["act"] == "shoot":
                for photos in self._after.values():
                    photos.add(facts["photo"])
        elif event.kind == "stranger" and facts.get("learned"):
            self._outside.add(f"{event.node} told a stranger {facts['learned']}")

    def see(self, seen: Observation) -> Iterator[str]:
        if seen.node in self._outside and seen.photos:
            yield f"{seen.node} is no member and knows {len(seen.photos)} photos"
        for photo in sorted(self._after.get(seen.node, ())):
            if photo in seen.photos:
                yield f"{seen.node} was revoked and learned of {photo}"

    def settle(self, seen: Mapping[str, Observation]) -> Iterator[str]:
        yield from sorted(text for text in self._outside if " " in text)
        for name, one in seen.items():
            if not one.is_member:
                continue
            for node in sorted(self._revoked - set(one.revoked)):
                yield f"{name} does not know that {node} was revoked"
            for photo, shown in one.photos.items():
                for field, versions in shown.versions.items():
                    for version in versions:
                        if version.change in self._changes.get(version.author, ()):
                            yield f"{name} shows what {version.author} said of {photo}: {field}"


class Bounded(Promise):
    """No queue is longer than it may be."""

    name = "I8 bounded"

    def see(self, seen: Observation) -> Iterator[str]:
        for queue, (length, limit) in seen.queues.items():
            if length > limit:
                yield f"{seen.node}: {queue} has {length} of {limit}"


class DerivedIsDisposable(Promise):
    """The index that is there equals the one that is made anew."""

    name = "I9 derived is disposable"

    def see(self, seen: Observation) -> Iterator[str]:
        if seen.index_is_right is False:
            yield f"{seen.node} shows something else with an index that was made anew"
