"""The changes of another library, said again by a node of this one. Pure.

A signature counts in one library alone, so what an export of another library holds cannot be taken
in as it is. Each change is said again instead: the same words about the same subject at the same
time, with parents and removed adds translated, so that what superseded what, and what contests,
stays as it was. The author is this node; who said it first stands beside it, as an entry of the
set `origin` ("ID NAME": the id of the change there, in URL-safe base64, and its author's name).
That entry is also how a second import knows what it said before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from photonic import limits
from photonic.crdt.changes import Change, SignedChange
from photonic.crdt.fields import ORIGIN
from photonic.crdt.fold import EMBEDDED
from photonic.crdt.keys import change_key, parse_change_key
from photonic.identity import SIGNATURE_BYTES
from photonic.ids import LIBRARY, MEMBER, REMOVALS, ChangeId

KINDS_LEFT_OUT = frozenset((MEMBER, LIBRARY, REMOVALS))
"""What is said of another library's own nodes means nothing here."""

Seal = Callable[[Change], SignedChange]
_NUMBER_MAX = (1 << 63) - 1
_encoder = msgspec.msgpack.Encoder()


class Origin(NamedTuple):
    """Where a change comes from that was said again: its id there, and its author's name."""

    change: ChangeId
    name: str


def origin_of(change: Change) -> Origin | None:
    """Return where a change comes from, or None if it was first said in this library."""
    for text in change.adds.get(ORIGIN, ()):
        key, _, name = text.partition(" ")
        try:
            return Origin(parse_change_key(key), name)
        except ValueError:
            continue
    return None


def origins_of(changes: Iterable[SignedChange]) -> dict[ChangeId, Origin]:
    """Return where the changes of one subject come from, for those that were said again."""
    by_id = {signed.id: signed for signed in changes}
    return {
        place: origin
        for signed in by_id.values()
        if (origin := origin_of(signed.change))
        for place in _places(signed)
        # Nobody tells of another's words where they come from.
        if place in by_id and by_id[place].change.author == signed.change.author
    }


def is_mark(change: Change) -> bool:
    """Whether a change says nothing but where the one before it comes from."""
    return not change.sets and not change.removes and set(change.adds) == {ORIGIN}


class Replay:
    """Says the changes of one subject again, parents before children."""

    def __init__(self, here: Iterable[SignedChange], author: bytes, seal: Seal) -> None:
        """`here` are the changes of the subject in this library.

        `seal` numbers and signs a change of `author`, in the order in which it is called.
        """
        self._author, self._seal = author, seal
        self._said: dict[ChangeId, frozenset[ChangeId]] = {}  # id there -> ids here
        for signed in here:
            origin = origin_of(signed.change)
            if origin is not None:
                known = self._said.get(origin.change, frozenset())
                self._said[origin.change] = known | _places(signed)

    def has_said(self, there: ChangeId) -> bool:
        return there in self._said

    def say(self, there: SignedChange, name: str) -> list[SignedChange]:
        """Return the changes that say `there` again; none if it was said before.

        `name` is what its author was called. Two changes where one has no room for its origin.
        """
        if self.has_said(there.id):
            return []
        change = self._translated(there.change)
        before = origin_of(there.change)  # it was said again there already
        first_name = (before.name if before else name)[: limits.NODE_NAME_CHARS_MAX]
        origin = f"{change_key(there.id)} {first_name}"
        marked = replace(change, adds={**change.adds, ORIGIN: (origin,)})
        if _fits(marked):
            made = [self._seal(marked)]
        else:
            first = self._seal(change)
            mark = Change(
                change.kind,
                change.key,
                (first.id,),
                change.author,
                change.seq,
                change.at,
                adds={ORIGIN: (origin,)},
                act=change.act,
            )
            made = [first, self._seal(mark)]
        self._said[there.id] = frozenset(signed.id for signed in made)
        return made

    def skip(self, there: SignedChange) -> None:
        """Leave out a change that had no effect; what had seen it has seen what it had seen."""
        self._said.setdefault(there.id, frozenset(self._here(there.change.parents)))

    def _here(self, names: Iterable[bytes]) -> set[ChangeId]:
        return {here for name in names for here in self._said.get(ChangeId(name), ())}

    def _translated(self, change: Change) -> Change:
        parents = sorted(self._here(change.parents))[: limits.CHANGE_PARENTS_MAX]
        return replace(
            change,
            parents=tuple(parents),
            author=self._author,
            seq=_NUMBER_MAX,  # a place for the one that `seal` gives
            removes={field: self._ended(values) for field, values in change.removes.items()},
        )

    def _ended(self, values: Mapping[str, tuple[bytes, ...]]) -> dict[str, tuple[bytes, ...]]:
        return {
            value: (*sorted(self._here(adds)), *((EMBEDDED,) if EMBEDDED in adds else ()))
            for value, adds in values.items()
        }


def _places(signed: SignedChange) -> frozenset[ChangeId]:
    """Return where the words stand that `signed` gives the origin of: with it, or before it."""
    change = signed.change
    return frozenset((signed.id, *(map(ChangeId, change.parents) if is_mark(change) else ())))


def _fits(change: Change) -> bool:
    fields = len(change.sets) + len(change.adds) + len(change.removes)
    size_bytes = SIGNATURE_BYTES + len(_encoder.encode(change))
    return fields <= limits.FIELDS_PER_CHANGE_MAX and size_bytes <= limits.CHANGE_BYTES_MAX
