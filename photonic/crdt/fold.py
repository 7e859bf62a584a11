"""What the changes of a subject add up to: a pure function of the set of changes.

The order, repetition and route of arrival do not matter (invariant I1), and no accepted change
vanishes unless a change that had seen it wrote the same field (I2). A write is superseded if a
*descendant* writes the same field; what is left are the field's versions. Several versions with
different values are contested, and all of them are in the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from photonic.crdt.changes import SignedChange
from photonic.crdt.fields import Merge, merge_of
from photonic.ids import ChangeId, NodeId, Subject

_canonical = msgspec.msgpack.Encoder(order="deterministic")

EMBEDDED = ChangeId(bytes(32))
"""Stands for "as the file itself says" where a remove names the adds that it ends."""


@dataclass(frozen=True, slots=True)
class Version:
    """One value of one field that no later change supersedes."""

    change: ChangeId
    value: Any
    author: NodeId
    at: int


@dataclass(frozen=True, slots=True)
class Field:
    """The versions of one field, latest stamp first; never empty."""

    versions: tuple[Version, ...]

    @property
    def is_contested(self) -> bool:
        return len({_canonical.encode(version.value) for version in self.versions}) > 1


@dataclass(frozen=True, slots=True)
class SubjectState:
    """Everything that is known of a subject."""

    subject: Subject
    heads: frozenset[ChangeId] = frozenset()
    fields: Mapping[str, Field] = field(default_factory=dict)
    tags: Mapping[str, Mapping[str, frozenset[ChangeId]]] = field(default_factory=dict)
    ended_embedded: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def contested(self) -> tuple[str, ...]:
        """Return the names of the fields that need someone's decision, sorted."""
        return tuple(
            sorted(
                name
                for name, entry in self.fields.items()
                if merge_of(self.subject.kind, name) is Merge.CONTESTED and entry.is_contested
            )
        )

    def fact(self, name: str, default: Any = None) -> Any:
        """Return the pick among the versions of a fact: the latest stamp, then the larger id."""
        entry = self.fields.get(name)
        return entry.versions[0].value if entry else default


def fold(
    subject: Subject,
    changes: Iterable[SignedChange],
    is_effective: Callable[[SignedChange], bool] = lambda _: True,
) -> SubjectState:
    """Return the state that `changes` (all of `subject`) add up to.

    A change that is not effective (its author was not allowed to make it) sets nothing and is no
    head, but still links its descendants to its ancestors.
    """
    by_id = {change.id: change for change in changes}
    assert all(change.change.subject == subject for change in by_id.values())
    ancestors = _ancestors(by_id)
    effective = [change for change in by_id.values() if is_effective(change)]
    bits = {change.id: 1 << position for position, change in enumerate(by_id.values())}
    covered = 0
    for change in effective:
        covered |= ancestors[change.id]
    return SubjectState(
        subject,
        frozenset(change.id for change in effective if not bits[change.id] & covered),
        _registers(effective, ancestors, bits),
        *_tags(effective),
    )


def _ancestors(by_id: Mapping[ChangeId, SignedChange]) -> dict[ChangeId, int]:
    """Return each change's ancestors as a bit set over the order of `by_id`, itself not in it.

    Parents that are not here (partial delivery) are left out; the next fold knows them.
    Iterative, for a chain of edits may be longer than Python's stack.
    """
    bits = {name: 1 << position for position, name in enumerate(by_id)}
    known: dict[ChangeId, int] = {}
    for start in by_id:
        stack = [start]
        while stack:
            name = stack[-1]
            if name in known:
                stack.pop()
                continue
            parents = [ChangeId(p) for p in by_id[name].change.parents if p in by_id]
            missing = [p for p in parents if p not in known]
            if missing:
                stack.extend(missing)
                continue
            found = 0
            for parent in parents:
                found |= known[parent] | bits[parent]
            known[name] = found
            stack.pop()
    return known


def _registers(
    effective: Iterable[SignedChange],
    ancestors: Mapping[ChangeId, int],
    bits: Mapping[ChangeId, int],
) -> dict[str, Field]:
    writers: dict[str, list[SignedChange]] = {}
    for change in effective:
        for name in change.change.sets:
            writers.setdefault(name, []).append(change)
    fields = {}
    for name, some in sorted(writers.items()):
        superseded = 0
        for writer in some:
            superseded |= ancestors[writer.id]
        fields[name] = Field(
            tuple(
                Version(w.id, w.change.sets[name], NodeId(w.change.author), w.change.at)
                for w in sorted(some, key=lambda w: (w.change.at, w.id), reverse=True)
                if not bits[w.id] & superseded
            )
        )
    return fields


def _tags(
    effective: Iterable[SignedChange],
) -> tuple[dict[str, dict[str, frozenset[ChangeId]]], dict[str, frozenset[str]]]:
    """Return the living adds of each set, and what was ended of what files themselves say."""
    adds: dict[str, dict[str, set[ChangeId]]] = {}
    ended: dict[str, dict[str, set[bytes]]] = {}
    for change in effective:
        for name, values in change.change.adds.items():
            for value in values:
                adds.setdefault(name, {}).setdefault(value, set()).add(change.id)
        for name, removed in change.change.removes.items():
            for value, seen in removed.items():
                ended.setdefault(name, {}).setdefault(value, set()).update(seen)
    living = {
        name: {
            value: frozenset(left)
            for value, made in sorted(values.items())
            if (left := made - ended.get(name, {}).get(value, set()))
        }
        for name, values in sorted(adds.items())
    }
    embedded = {
        name: frozenset(value for value, seen in values.items() if EMBEDDED in seen)
        for name, values in sorted(ended.items())
    }
    return living, embedded
