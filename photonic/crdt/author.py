"""What this node writes by: its numbers and its clock, and how a draft becomes a change.

Numbers have no gaps: one that was given to a change that came to nothing is given again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from photonic import limits
from photonic.crdt.changes import Change, Draft, SignedChange
from photonic.crdt.clock import HybridClock
from photonic.crdt.fold import EMBEDDED, SubjectState
from photonic.ids import ChangeId, NodeId
from photonic.world import Clock

_SEQ, _STAMP = "seq", "stamp"


class Author:
    """One node as the author of changes to one library."""

    def __init__(self, node: NodeId, fact: Callable[[str], bytes | None], clock: Clock) -> None:
        """`fact` gives what the journal keeps under a name."""
        self.node = node
        self._number = self._durable = int.from_bytes(fact(_SEQ) or b"", "big")
        self._clock = HybridClock(clock, int.from_bytes(fact(_STAMP) or b"", "big"))

    def note(self, signed: SignedChange) -> None:
        """Take note of a change that came from elsewhere; it may even be this node's own."""
        self._clock.observe(signed.change.at)
        if signed.change.author == self.node:
            self._number = max(self._number, signed.change.seq)

    def next_number(self) -> int:
        self._number += 1
        return self._number

    @property
    def number(self) -> int:
        """The last number that was given."""
        return self._number

    def go_back(self, number: int | None = None) -> None:
        """Give numbers again from `number` on, or from the last durable one (None)."""
        self._number = self._durable if number is None else number

    def facts(self) -> Mapping[str, bytes]:
        """Return what the journal must keep with what is committed now."""
        return {
            _SEQ: self._number.to_bytes(8, "big"),
            _STAMP: self._clock.next().to_bytes(8, "big"),
        }

    def note_durable(self) -> None:
        """The journal has what `facts` gave."""
        self._durable = self._number

    def change(
        self, draft: Draft, state: SubjectState, author: NodeId, number: Callable[[], int]
    ) -> Change:
        """Return what a draft says about a subject that is known to be as `state` says."""
        removes = {
            name: {
                value: (*sorted(state.tags.get(name, {}).get(value, ())), EMBEDDED)
                for value in values
            }
            for name, values in draft.removes.items()
        }
        return Change(
            kind=draft.subject.kind,
            key=draft.subject.key,
            parents=_parents(draft, state),
            author=author,
            seq=number(),
            at=self._clock.next(),
            sets=dict(draft.sets),
            adds={name: tuple(values) for name, values in draft.adds.items()},
            removes=removes,
            act=draft.act,
        )


def _parents(draft: Draft, state: SubjectState) -> tuple[ChangeId, ...]:
    """Return the heads that were seen, sorted.

    Of too many those first whose words this change writes over.
    """
    heads = sorted(state.heads if draft.seen is None else draft.seen)
    if len(heads) > limits.CHANGE_PARENTS_MAX:
        fields = (state.fields[name] for name in draft.sets if name in state.fields)
        standing = {version.change for field in fields for version in field.versions}
        heads.sort(key=lambda head: head not in standing)
        heads = sorted(heads[: limits.CHANGE_PARENTS_MAX])
    return tuple(heads)
