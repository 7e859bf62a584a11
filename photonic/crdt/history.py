"""What was said about a subject, by whom and when, and how to take it back. Pure.

Nothing is ever taken out of a history: to undo is to say, in a new change, what held before. Only
what still stands can be undone; what somebody wrote over since is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

from photonic.crdt.changes import Change, Draft, SignedChange
from photonic.crdt.fields import ORIGIN, ORIGINAL, Merge, merge_of
from photonic.crdt.fold import EMBEDDED, Field, IsEffective, SubjectState, fold
from photonic.crdt.lineage import Lineage
from photonic.crdt.policy import Display
from photonic.errors import UndoRefused
from photonic.ids import ChangeId, Subject


@dataclass(frozen=True, slots=True)
class Record:
    """One change of a history. `standing`: the registers that nobody wrote over since."""

    id: ChangeId
    change: Change
    is_effective: bool
    standing: frozenset[str]


def records(
    subject: Subject, changes: Iterable[SignedChange], is_effective: IsEffective
) -> list[Record]:
    """Return the history of a subject, the latest first, and never a change before one it saw."""
    some = {signed.id: signed for signed in changes}
    state = fold(subject, some.values(), is_effective)
    standing: dict[ChangeId, set[str]] = {}
    for name, entry in state.fields.items():
        for version in entry.versions:
            standing.setdefault(version.change, set()).add(name)
    return [
        Record(name, some[name].change, is_effective(some[name]), frozenset(standing.get(name, ())))
        for name in _latest_first(some)
    ]


def _latest_first(some: Mapping[ChangeId, SignedChange]) -> list[ChangeId]:
    """Order by time, but a change always before what it had seen, whatever the clocks said."""
    children: dict[ChangeId, int] = dict.fromkeys(some, 0)
    for signed in some.values():
        for parent in signed.change.parents:
            if parent in children:
                children[ChangeId(parent)] += 1
    rank = sorted(some, key=lambda name: (some[name].change.at, name), reverse=True)
    place = {name: position for position, name in enumerate(rank)}
    ready = [place[name] for name, count in children.items() if count == 0]
    heapify(ready)
    ordered: list[ChangeId] = []
    while ready:
        name = rank[heappop(ready)]
        ordered.append(name)
        for parent in some[name].change.parents:
            if parent in children:
                children[ChangeId(parent)] -= 1
                if children[ChangeId(parent)] == 0:
                    heappush(ready, place[ChangeId(parent)])
    return ordered


def undo(
    subject: Subject,
    changes: Iterable[SignedChange],
    target: ChangeId,
    *,
    is_effective: IsEffective,
    display: Display,
    embedded: Callable[[str], Any],
) -> Draft:
    """Return what takes `target` back: what was shown before it, for all that it said.

    `embedded` gives what the photo's own file says for a field: the value of a register that nobody
    had written before, or the words of a set.
    Raises UndoRefused if the change is none of this subject's, is the photo's first, or if nothing
    of it stands any more.
    """
    some = {signed.id: signed for signed in changes}
    if target not in some or not is_effective(some[target]):
        raise UndoRefused("there is no such change that counts")
    said = some[target].change
    if ORIGINAL in said.sets:
        raise UndoRefused("it brought the photo in; put the photo into the trash instead")
    now = fold(subject, some.values(), is_effective)
    before = fold(subject, _seen_by(some, target), is_effective)
    sets: dict[str, Any] = {}
    for name in said.sets:
        if merge_of(subject.kind, name) is Merge.FACT:
            continue  # what a machine read off a file is not a matter of opinion
        others = tuple(v for v in now.fields[name].versions if v.change != target)
        if len(others) == len(now.fields[name].versions):
            continue  # somebody wrote over it since
        # Where others stand beside it, what they said stays, and nothing older comes back.
        entry = Field(others) if others else before.fields.get(name)
        if others and Field(others).is_contested:
            raise UndoRefused(f"{name} is contested without it; choose one of its versions instead")
        sets[name] = _shown(name, entry, display) if entry else embedded(name)
    adds, removes = _reversed(said, target, now, before, embedded)
    if not (sets or adds or removes):
        raise UndoRefused("all that it said was changed since, or taken back already")
    return Draft(subject, sets, adds, removes)


def _seen_by(some: Mapping[ChangeId, SignedChange], target: ChangeId) -> list[SignedChange]:
    lineage = Lineage.of({name: signed.change.parents for name, signed in some.items()})
    return [signed for name, signed in some.items() if lineage.had_seen(target, name)]


def _shown(name: str, entry: Field, display: Display) -> Any:
    shown = display.pick(name, entry)
    if shown is None:
        raise UndoRefused(f"{name} is contested without it; choose one of its versions instead")
    return shown.value


def _reversed(
    said: Change,
    target: ChangeId,
    now: SubjectState,
    before: SubjectState,
    embedded: Callable[[str], Any],
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return the adds and removes that take a change's own removes and adds back.

    A value that somebody else added, too, stays; one that was not there before is not brought.
    """
    removes = {
        name: gone
        for name, values in said.adds.items()
        if name != ORIGIN  # where the change comes from stays true
        and (
            gone := tuple(
                v for v in values if now.tags.get(name, {}).get(v, ()) == frozenset((target,))
            )
        )
    }
    adds = {}
    for name, values in said.removes.items():
        gone_before = before.ended_embedded(name)
        own = {v for v in embedded(name) or () if EMBEDDED in values.get(v, ())} - gone_before
        there = before.tags.get(name, {}).keys() | own
        back = tuple(v for v in values if v in there and v not in now.tags.get(name, {}))
        if back:
            adds[name] = back
    return adds, removes
