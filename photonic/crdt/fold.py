"""What the changes of a subject add up to: a pure function of the set of changes.

The order, repetition and route of arrival do not matter (invariant I1), and no accepted change
vanishes unless a change that had seen it wrote the same field (I2). A write is superseded if a
*descendant* writes the same field; what is left are the field's versions. Several versions with
different values are contested, and all of them are in the state.

`fold` goes from nothing, `extend` goes on from a state by one change. Both give equal states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from photonic.crdt.changes import SignedChange
from photonic.crdt.fields import FIRST_WORDS, Merge, merge_of
from photonic.crdt.lineage import Lineage
from photonic.crdt.originals import is_of_originals, standing
from photonic.crdt.quota import within
from photonic.ids import ChangeId, NodeId, Subject

_canonical = msgspec.msgpack.Encoder(order="deterministic")

EMBEDDED = ChangeId(bytes(32))
"""Stands for "as the file itself says" where a remove names the adds that it ends."""

Adds = Mapping[str, Mapping[str, frozenset[ChangeId]]]  # field -> value -> changes
IsEffective = Callable[[SignedChange], bool]


@dataclass(frozen=True, slots=True)
class Version:
    """One value of one field that no later change supersedes."""

    change: ChangeId
    value: Any
    author: NodeId
    at: int


@dataclass(frozen=True, slots=True)
class Field:
    """The versions of one field, latest stamp first; never empty.

    Of a field in `FIRST_WORDS` the earliest stamp is the first.
    """

    versions: tuple[Version, ...]

    @property
    def is_contested(self) -> bool:
        if len(self.versions) == 1:
            return False
        return len({_canonical.encode(version.value) for version in self.versions}) > 1


@dataclass(frozen=True, slots=True)
class SubjectState:
    """Everything that is known of a subject."""

    subject: Subject
    heads: frozenset[ChangeId] = frozenset()
    fields: Mapping[str, Field] = field(default_factory=dict)
    tags: Adds = field(default_factory=dict)  # the living adds of each set
    ended: Adds = field(default_factory=dict)  # every add that some remove saw
    lineage: Lineage = field(default_factory=Lineage)

    def contested(self) -> tuple[str, ...]:
        """Return the names of the fields that need someone's decision, sorted."""
        return tuple(
            sorted(
                name
                for name, entry in self.fields.items()
                if entry.is_contested and merge_of(self.subject.kind, name) is Merge.CONTESTED
            )
        )

    def fact(self, name: str, default: Any = None) -> Any:
        """Return the pick among the versions of a fact: the latest stamp, then the larger id.

        Of a field in `FIRST_WORDS` the earliest stamp, then the smaller id.
        """
        entry = self.fields.get(name)
        return entry.versions[0].value if entry else default

    def ended_embedded(self, name: str) -> frozenset[str]:
        """Return the values of a set that the file itself has and somebody took away."""
        ended = self.ended.get(name, {})
        return frozenset(value for value, seen in ended.items() if EMBEDDED in seen)


def fold(
    subject: Subject,
    changes: Iterable[SignedChange],
    is_effective: IsEffective = lambda _: True,
) -> SubjectState:
    """Return the state that `changes` (all of `subject`) add up to.

    A change that is not effective (its author was not allowed to make it) sets nothing and is no
    head, but still links its descendants to its ancestors. One beyond its author's quota
    (`quota.py`) is as if it were not there.
    """
    everything = {change.id: change for change in changes}
    assert all(change.change.subject == subject for change in everything.values())
    by_id = within(everything, is_effective)
    lineage = Lineage.of({name: signed.change.parents for name, signed in by_id.items()})
    effective = [signed for signed in by_id.values() if is_effective(signed)]
    adds, ended = _sets(effective)
    return SubjectState(
        subject,
        lineage.latest(signed.id for signed in effective),
        _registers(subject, effective, lineage),
        _living(adds, ended),
        ended,
        lineage,
    )


def extend(
    state: SubjectState, signed: SignedChange, is_effective: IsEffective = lambda _: True
) -> SubjectState:
    """Return the state with one change more: what `fold` makes of all of them together.

    The change may be a repeated one, and may come before its ancestors or after its descendants.
    Quotas (`quota.py`) are not looked at: whoever is near one folds.
    """
    assert signed.change.subject == state.subject
    if signed.id in state.lineage:
        return state
    lineage = state.lineage.extended(signed.id, signed.change.parents)
    fields = dict(state.fields)
    heads = set(state.heads)
    tags, ended = state.tags, state.ended
    if is_effective(signed):
        heads.add(signed.id)
        for name in signed.change.sets:
            known = fields[name].versions if name in fields else ()
            fields[name] = Field((*known, _version(signed, name)))
        more_adds, more_ended = _sets([signed])
        ended = _united(ended, more_ended)
        tags = _living(_united(tags, more_adds), ended)
    if lineage.is_knotted(signed.id):
        # A link that was missing joins what seemed apart: any field may have lost a version.
        touched = set(fields)
    else:
        touched = signed.change.sets.keys() & fields.keys()
    fields |= {n: _latest(signed.change.subject, n, fields[n].versions, lineage) for n in touched}
    return replace(
        state,
        heads=lineage.latest(heads),
        fields={name: entry for name, entry in sorted(fields.items()) if entry.versions},
        tags=tags,
        ended=ended,
        lineage=lineage,
    )


def _version(signed: SignedChange, name: str) -> Version:
    change = signed.change
    return Version(signed.id, change.sets[name], NodeId(change.author), change.at)


def _latest(subject: Subject, name: str, versions: Iterable[Version], lineage: Lineage) -> Field:
    """Leave out the versions that have a descendant among the others; originals as they have it.

    To look among the versions is enough: what superseded a write and was superseded itself has a
    descendant among them, which is one of the first write, too.
    """
    by_change = {version.change: version for version in versions}
    if (subject.kind, name) in FIRST_WORDS:
        first = (by_change[change] for change in lineage.earliest(by_change))
        return Field(tuple(sorted(first, key=lambda v: (v.at, v.change))))
    if is_of_originals(subject, name):
        values = {change: version.value for change, version in by_change.items()}
        latest = standing(subject, values, lineage)
    else:
        latest = lineage.latest(by_change)
    left = (by_change[change] for change in latest)
    return Field(tuple(sorted(left, key=lambda v: (v.at, v.change), reverse=True)))


def _registers(
    subject: Subject, effective: Iterable[SignedChange], lineage: Lineage
) -> dict[str, Field]:
    writes: dict[str, list[Version]] = {}
    for signed in effective:
        for name in signed.change.sets:
            writes.setdefault(name, []).append(_version(signed, name))
    found = {name: _latest(subject, name, some, lineage) for name, some in sorted(writes.items())}
    return {name: entry for name, entry in found.items() if entry.versions}


def _sets(effective: Iterable[SignedChange]) -> tuple[Adds, Adds]:
    """Return what was added to each set, by which changes, and which of these adds were ended."""
    adds: dict[str, dict[str, set[ChangeId]]] = {}
    ended: dict[str, dict[str, set[ChangeId]]] = {}
    for signed in effective:
        for name, values in signed.change.adds.items():
            for value in values:
                adds.setdefault(name, {}).setdefault(value, set()).add(signed.id)
        for name, removed in signed.change.removes.items():
            for value, seen in removed.items():
                known = ended.setdefault(name, {}).setdefault(value, set())
                known.update(ChangeId(add) for add in seen)
    return _frozen(adds), _frozen(ended)


def _frozen(sets: Mapping[str, Mapping[str, Iterable[ChangeId]]]) -> Adds:
    return {
        name: {value: frozenset(made) for value, made in sorted(values.items())}
        for name, values in sorted(sets.items())
    }


def _united(left: Adds, right: Adds) -> Adds:
    if not right:
        return left
    names = sorted(left.keys() | right.keys())
    return {
        name: {
            value: left.get(name, {}).get(value, frozenset())
            | right.get(name, {}).get(value, frozenset())
            for value in sorted(left.get(name, {}).keys() | right.get(name, {}).keys())
        }
        for name in names
    }


def _living(adds: Adds, ended: Adds) -> Adds:
    if not ended:
        return adds
    return {
        name: {
            value: left
            for value, made in values.items()
            if (left := made - ended.get(name, {}).get(value, frozenset()))
        }
        for name, values in adds.items()
    }
