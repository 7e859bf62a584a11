"""What nobody can do to a library, whatever key he has: forge, speak on after a revocation, hide.

And what follows from who had seen what: an edit replaces those that its author knew, and no wrong
clock is catching. Promises like those of `promises.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from simulations.checkers import Promise
from simulations.observations import Observation, PhotoSeen
from simulations.trace import Event

_TRUE = "true"
_FOLLOWED_S = 86_400 + 60  # a stamp that is further ahead of a clock is not followed
_REMOVED_MAX = 20  # within an hour by one node, before the brake holds them


class Honest(Promise):
    """Who is shown as a holder of a photo holds it: nobody says so before it is stored."""

    name = "honest holdings (I6)"

    def __init__(self) -> None:
        self._claimed: dict[str, dict[str, str]] = defaultdict(
            dict
        )  # holder: photo, and who says so
        self._excused: set[str] = set()  # nodes that lost something by force
        self._hurt: set[tuple[str, str]] = set()
        self._thrown: set[str] = set()
        self._let_go: set[tuple[str, str]] = set()  # of which others may not have heard yet

    def note(self, event: Event) -> None:
        if event.kind == "rolled back":
            self._excused.add(event.node)
        elif event.kind == "evicted":
            self._let_go.add((event.node, event.facts["photo"]))
        elif event.kind == "rotted":
            self._hurt.add((event.node, event.facts["photo"]))
        elif event.kind == "accepted" and event.facts["act"] == "delete":
            self._thrown.add(event.facts["photo"])

    def see(self, seen: Observation) -> Iterator[str]:
        claimed = {} if seen.node in self._excused else self._claimed[seen.node]
        for photo, other in claimed.items():
            says_so = photo in seen.photos and seen.node in seen.photos[photo].holders
            if (seen.node, photo) in self._let_go and not says_so:
                continue
            is_held = photo in seen.photos and seen.photos[photo].held
            if not is_held and photo not in self._thrown and (seen.node, photo) not in self._hurt:
                yield f"{seen.node} does not hold {photo}, as {other} heard from it"
        for photo, shown in seen.photos.items():
            for holder in shown.holders:
                self._claimed[holder].setdefault(photo, seen.node)


class NoForgery(Promise):
    """What was said in another's name is nowhere."""

    name = "no forgery (I7)"

    def __init__(self) -> None:
        self._forged: dict[str, str] = {}  # change, and who forged it

    def note(self, event: Event) -> None:
        if event.kind == "forged":
            self._forged[event.facts["change"]] = event.node

    def see(self, seen: Observation) -> Iterator[str]:
        for photo, shown in seen.photos.items():
            for change in sorted(self._forged.keys() & (shown.changes or frozenset())):
                yield f"{seen.node} took a forgery of {self._forged[change]} about {photo}"


class NoAfterlife(Promise):
    """What a revoked node says beyond its cut does not count."""

    name = "no afterlife (I7)"

    def __init__(self) -> None:
        self._cuts: dict[str, int] = {}  # by node: the last of its changes that counts
        self._said: dict[str, tuple[str, int]] = {}  # change: who said it, and its number

    def note(self, event: Event) -> None:
        facts = event.facts
        if event.kind == "accepted" and "number" in facts:
            self._said[facts["change"]] = (event.node, int(facts["number"]))
        elif event.kind == "revoked" and "cut" in facts:
            cut = min(int(facts["cut"]), self._cuts.get(facts["other"], 1 << 62))
            self._cuts[facts["other"]] = cut

    def settle(self, seen: Mapping[str, Observation]) -> Iterator[str]:
        late = {
            change: author
            for change, (author, number) in self._said.items()
            if number > self._cuts.get(author, 1 << 62)
        }
        for name, one in seen.items():
            if not late or not one.is_member:
                continue
            for photo, shown in one.photos.items():
                for field, versions in shown.versions.items():
                    for author in {late[v.change] for v in versions if v.change in late}:
                        yield f"{name} shows what {author} said late of {photo}: {field}"


class Seen(Promise):
    """An edit replaces the edits of the same field that its node knew: nobody contests himself."""

    name = "seen is settled (I2)"

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)

    def note(self, event: Event) -> None:
        if event.kind == "accepted" and "knew" in event.facts:
            self._said[event.facts["photo"], event.facts["field"]].append(event.facts)

    def see(self, seen: Observation) -> Iterator[str]:
        for (photo, field), said in self._said.items():
            shown = seen.photos.get(photo)
            if shown is None or field not in shown.versions or shown.changes is None:
                continue
            standing = {version.change for version in shown.versions[field]}
            for later in said:
                is_whole = shown.changes.issuperset(later["knew"])  # nothing is on its way yet
                if later["change"] in standing and is_whole:
                    for change in sorted(standing.intersection(later["knew"])):
                        yield (
                            f"{seen.node} shows {field} {change} of {photo} beside"
                            f" {later['change']}, whose author knew it"
                        )


class Clocks(Promise):
    """Whoever's own clock is right writes stamps that are about right, whatever others write."""

    name = "clocks (I1)"

    def __init__(self) -> None:
        self._jumped_s: dict[str, float] = defaultdict(float)
        self._wrong: list[str] = []

    def note(self, event: Event) -> None:
        facts = event.facts
        if event.kind == "act" and facts["do"] == "skew":
            self._jumped_s[event.node] += abs(float(facts["value"]))
        elif event.kind == "accepted" and "ahead_s" in facts:
            ahead_s = float(facts["ahead_s"])
            if ahead_s > _FOLLOWED_S + self._jumped_s[event.node]:
                self._wrong.append(f"{event.node} wrote a stamp that is {ahead_s:,.0f} s ahead")

    def see(self, seen: Observation) -> Iterator[str]:
        del seen
        told, self._wrong = self._wrong, []
        yield from told


class Trash(Promise):
    """What somebody wants kept is not hidden, nor what was thrown away in one go by a script."""

    name = "trash (I2)"

    def __init__(self) -> None:
        self._purged: dict[str, set[str]] = defaultdict(set)  # by node
        self._meant: set[str] = set()  # nodes whose removals a person said are meant

    def note(self, event: Event) -> None:
        facts = event.facts
        if event.kind == "purged":
            self._purged[event.node] |= set(facts["photos"])
        elif event.kind == "act" and facts["do"] == "delete" and event.node in self._purged:
            self._meant.add(event.node)  # where it is one of many, that is asked, and confirmed

    def settle(self, seen: Mapping[str, Observation]) -> Iterator[str]:
        for name, one in seen.items():
            if not one.is_member or one.hidden is None:
                continue
            for photo in sorted(one.hidden):
                if photo in one.photos and not _throwers(one.photos[photo]):
                    yield f"{name} has {photo} in the trash, and somebody wants it kept"
            for author, photos in self._purged.items():
                # Whoever takes some of them out of the trash may leave no burst behind.
                standing = {p for p in photos if _throwers(one.photos.get(p)) == {author}}
                is_burst = len(standing) > _REMOVED_MAX and author not in self._meant
                if is_burst and author != name and standing & one.hidden:
                    count = len(standing & one.hidden)
                    yield f"{name} hid {count} photos that a script on {author} threw away"


def _throwers(shown: PhotoSeen | None) -> set[str]:
    """Return whose word it is that a photo is in the trash; nobody's if somebody wants it kept."""
    versions = shown.versions.get("trashed", ()) if shown is not None else ()
    is_thrown = all(version.value == _TRUE for version in versions)
    return {version.author for version in versions} if is_thrown else set()
