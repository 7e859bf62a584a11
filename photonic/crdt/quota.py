"""How much of what is said about one subject counts: a bound on what a flood costs everybody. Pure.

Any member may write, and what is written is kept for ever; but to fold a subject costs memory that
grows with the square of its changes. So of each author the first ones count, by its own numbers, up
to a number and a size that no person and no program of theirs comes near. What is beyond counts as
if it were not there, on every node alike, and displaces nothing that others said. Those who had no
right to say anything share what one author has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from photonic import limits
from photonic.crdt.changes import SignedChange
from photonic.errors import NotAllowed
from photonic.ids import ChangeId

_NOBODY = b""


def within(
    changes: Mapping[ChangeId, SignedChange], is_effective: Callable[[SignedChange], bool]
) -> Mapping[ChangeId, SignedChange]:
    """Return the changes of one subject that count, in the order in which they are given."""
    if len(changes) <= limits.SUBJECT_CHANGES_FREE:
        return changes
    by_author: dict[bytes, list[SignedChange]] = {}
    for signed in changes.values():
        author = signed.change.author if is_effective(signed) else _NOBODY
        by_author.setdefault(author, []).append(signed)
    beyond = {name for some in by_author.values() for name in _beyond(some)}
    if not beyond:
        return changes
    return {name: signed for name, signed in changes.items() if name not in beyond}


def _beyond(some: list[SignedChange]) -> Iterable[ChangeId]:
    """Return what one author said beyond its bound."""
    some.sort(key=lambda signed: (signed.change.seq, signed.id))
    size_bytes = 0
    for position, signed in enumerate(some):
        size_bytes += len(signed.data)
        is_over = size_bytes > limits.SUBJECT_BYTES_PER_AUTHOR_MAX
        if is_over or position == limits.SUBJECT_CHANGES_PER_AUTHOR_MAX:
            return [signed.id for signed in some[position:]]
    return []


def require_room(known: Collection[SignedChange], fresh: SignedChange) -> None:
    """Raise NotAllowed if one more change of this author would not count beside those known."""
    if len(known) < limits.SUBJECT_CHANGES_FREE:
        return
    sizes = [len(one.data) for one in known if one.change.author == fresh.change.author]
    is_small = sum(sizes) + len(fresh.data) <= limits.SUBJECT_BYTES_PER_AUTHOR_MAX
    if not is_small or len(sizes) >= limits.SUBJECT_CHANGES_PER_AUTHOR_MAX:
        error = NotAllowed(
            f"this node has said as much about {fresh.change.subject} as counts of one node"
        )
        error.fix = (
            "Let another node say it: of each one only the first few thousand changes count."
        )
        raise error
