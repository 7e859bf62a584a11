"""What the root document says, read at once: members, display policy, library keys. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from photonic.crdt.changes import SignedChange
from photonic.crdt.fold import fold
from photonic.crdt.library_keys import LibraryKeys, read_keys
from photonic.crdt.policy import DISPLAY_POLICY, Display, display_of
from photonic.crdt.roster import Roster, build_roster
from photonic.crdt.sealing import SEALING_POLICY, Sealing, fields_of
from photonic.identity import Identity
from photonic.ids import LibraryId, NodeId, Subject, digest


class Root(NamedTuple):
    """A library's root document, as one node reads it."""

    roster: Roster
    display: Display
    keys: LibraryKeys
    sealing: Sealing


def read_root(
    library: LibraryId, said: Iterable[SignedChange], openers: Sequence[Identity]
) -> Root:
    """Return what the changes of the root document add up to; `openers` open keys."""
    everything = list(said)
    roster = build_roster(library, everything)

    def policy(subject: Subject) -> list[SignedChange]:
        return [signed for signed in everything if signed.change.subject == subject]

    roles = {node: member.certificate.role for node, member in roster.members.items()}
    display = display_of(fold(DISPLAY_POLICY, policy(DISPLAY_POLICY), roster.allows), roles)
    fields = fields_of(fold(SEALING_POLICY, policy(SEALING_POLICY), roster.allows))
    keys = read_keys(library, roster, everything, openers)
    return Root(roster, display, keys, keys.sealing(fields))


def verdict(roster: Roster, display: Display, keys: Iterable[bytes]) -> int:
    """Return a number for how a node judges what was said: equal if two judge alike.

    From rights, the display policy and the names of the keys that are here an index follows, beside
    the changes and holdings themselves. Never 0.
    """
    rights = [(node, roster.rights(node)) for node in sorted(roster.members)]
    shown = (sorted(display.rules.items()), sorted(display.roles.items()))
    said = msgspec.msgpack.encode((roster.authority, rights, shown, sorted(keys)))
    return int.from_bytes(digest(said)[:7], "big") or 1


def other_rights(before: Roster, after: Roster) -> set[NodeId]:
    """Return the nodes whose changes may count otherwise than before."""
    nodes = after.members.keys() | before.members.keys()
    return {node for node in nodes if after.rights(node) != before.rights(node)}
