"""Library keys: which there are, who was given them, and what is to be given to whom. Pure.

An admin makes a key and gives it to each member that may read, as a change of that member's
subject in the root document: the field `key/NAME` holds the key's number and the key, closed so
that only this member can open it (`identity.box_for`). What nobody with `members.admin` said is no
key. A key's name is a hash of it, so all who have a key of that name have the same.

Keys are numbered, and two admins that rotate apart give one number twice: of the keys that count,
all write with the one that has the highest number and then the greatest name, and read with every
key that they have. A key that an admin gave before or beyond its own revocation stays good for
reading, for members wrote with it in good faith; nobody writes with it any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from photonic import limits
from photonic.crdt.changes import Draft, SignedChange
from photonic.crdt.fields import KEY_PREFIX
from photonic.crdt.roster import Member, Roster
from photonic.crdt.sealing import NAME_BYTES, SECRET_BYTES, KeyName, Sealing, name_of
from photonic.identity import SEED_BYTES, Identity, box_for
from photonic.ids import MEMBER, LibraryId, NodeId, member_subject
from photonic.scopes import CATALOG_READ, CATALOG_UNSEAL, MEMBERS_ADMIN

_BOX_DOMAIN: Final = b"photonic library key box 1\0"
_NUMBER_BYTES: Final = 8
_NUMBER_END: Final = 1 << 62


class LibraryKey(NamedTuple):
    """One key as it was given. `secret` is None where this node cannot open it."""

    name: KeyName
    number: int
    given: frozenset[NodeId]  # who has it, by what counts
    counts: bool  # somebody gave it who might, and was not revoked before
    secret: bytes | None

    def __repr__(self) -> str:
        return f"LibraryKey({self.name.hex()}, number {self.number})"  # never the secret


@dataclass(frozen=True, slots=True)
class LibraryKeys:
    """Every key of a library, as one node knows them."""

    library: LibraryId
    keys: Mapping[KeyName, LibraryKey] = field(default_factory=dict)

    @property
    def newest(self) -> LibraryKey | None:
        """The key that should be written with, whether it is here or not."""
        return max((key for key in self.keys.values() if key.counts), key=_order, default=None)

    @property
    def writing(self) -> LibraryKey | None:
        """The key that this node writes with: the newest that it has."""
        mine = (key for key in self.keys.values() if key.counts and key.secret is not None)
        return max(mine, key=_order, default=None)

    @property
    def here(self) -> dict[KeyName, bytes]:
        """The keys that this node has."""
        return {name: key.secret for name, key in self.keys.items() if key.secret is not None}

    def sealing(self, fields: frozenset[str]) -> Sealing:
        """Return what seals and opens with these keys."""
        writing = self.writing
        return Sealing(self.library, self.here, writing.name if writing else None, fields)


def _order(key: LibraryKey) -> tuple[int, KeyName]:
    return key.number, key.name


# --- what was given ------------------------------------------------------------------------------


@dataclass(slots=True)
class _Given:
    numbers: set[int] = field(default_factory=set)  # those that counted, if any did
    said: set[int] = field(default_factory=set)
    nodes: set[NodeId] = field(default_factory=set)
    secret: bytes | None = None


def read_keys(
    library: LibraryId,
    roster: Roster,
    said: Iterable[SignedChange],
    openers: Sequence[Identity],
) -> LibraryKeys:
    """Return the keys that the changes of the root document give; `openers` open theirs.

    Of nonsense, and of more keys than there may be, nothing is read.
    """
    found: dict[KeyName, _Given] = {}
    by_node = {opener.node: opener for opener in openers}
    for signed in sorted(said, key=lambda signed: (signed.change.at, signed.id)):
        change = signed.change
        if change.kind != MEMBER or len(change.key) != 32 or not _was_admin(roster, change.author):
            continue
        for name, value in change.sets.items():
            entry = _entry(name, value)
            if entry is None:
                continue
            key, number, box = entry
            if key not in found and len(found) >= limits.LIBRARY_KEYS_MAX:
                continue
            given, node = found.setdefault(key, _Given()), NodeId(change.key)
            given.said.add(number)
            if roster.allows(signed):
                given.numbers.add(number)
                given.nodes.add(node)
                if change.author in roster.members:  # who gives a key has it
                    given.nodes.add(NodeId(change.author))
            opener = by_node.get(node)
            if opener is not None and given.secret is None:
                given.secret = _unboxed(library, opener, key, number, box)
    return LibraryKeys(
        library,
        {
            # All who give a key give one number; were there two, all nodes would take the same.
            name: LibraryKey(
                name,
                min(given.numbers or given.said),
                frozenset(given.nodes),
                bool(given.numbers),
                given.secret,
            )
            for name, given in found.items()
        },
    )


def _was_admin(roster: Roster, author: bytes) -> bool:
    if author == roster.authority:
        return True
    member = roster.members.get(NodeId(author))
    return member is not None and member.may(MEMBERS_ADMIN)


def _entry(name: str, value: Any) -> tuple[KeyName, int, bytes] | None:
    if not name.startswith(KEY_PREFIX) or not isinstance(value, list | tuple) or len(value) != 2:
        return None
    number, box = value
    try:
        key = bytes.fromhex(name.removeprefix(KEY_PREFIX))
    except ValueError:
        return None
    is_entry = len(key) == NAME_BYTES and name == KEY_PREFIX + key.hex()
    is_numbered = type(number) is int and 1 <= number < _NUMBER_END and isinstance(box, bytes)
    return (KeyName(key), number, box) if is_entry and is_numbered else None


def _about(library: LibraryId, node: NodeId, number: int) -> bytes:
    return _BOX_DOMAIN + library + node + number.to_bytes(_NUMBER_BYTES, "big")


def _unboxed(
    library: LibraryId, opener: Identity, key: KeyName, number: int, box: bytes
) -> bytes | None:
    """Return the key in a box; None unless it is the one that it is called, for this very node."""
    plain, about = opener.open_box(box), _about(library, opener.node, number)
    if plain is None or len(plain) != len(about) + SECRET_BYTES or not plain.startswith(about):
        return None
    secret = plain[len(about) :]
    return secret if name_of(library, secret) == key else None


# --- what is to be given -------------------------------------------------------------------------


def may_unseal(member: Member) -> bool:
    """Whether a member is to have the library key. Admins are, for they give it."""
    may_read = member.may(CATALOG_READ) and member.may(CATALOG_UNSEAL)
    return may_read or member.may(MEMBERS_ADMIN)


def readers(roster: Roster, now_ms: int) -> list[NodeId]:
    """Return who is to have every key, sorted: members that may, and the library's authority.

    By the authority's own key a library is recovered when all of its admins are lost.
    """
    found = {
        node
        for node, member in roster.members.items()
        if may_unseal(member) and roster.admits(node, now_ms)
    }
    return sorted(found | ({roster.authority} if roster.authority else set()))


def must_rotate(keys: LibraryKeys, roster: Roster) -> bool:
    """Whether the key that is written with is known to somebody who is revoked."""
    newest = keys.newest
    return newest is not None and any(
        member.cut is not None for node in newest.given if (member := roster.members.get(node))
    )


def gifts(
    keys: LibraryKeys,
    to: Collection[NodeId],
    token: Callable[[int], bytes],
    fresh: Mapping[int, bytes] | None = None,
) -> list[Draft]:
    """Return the changes that give `to` all keys that are here and they lack, and `fresh` ones.

    `fresh` are new keys by their numbers, `token` gives random bytes. A key that no longer counts
    is given too: it is read with, and from an admin that counts it counts again only if it is the
    newest, which it is not.
    """
    known = [key for key in keys.keys.values() if key.secret is not None and key.counts]
    drafts: list[Draft] = []
    for node in sorted(to):
        sets: dict[str, Any] = {}
        for key in sorted(known, key=_order):
            if node not in key.given and key.secret is not None:
                sets |= _given(keys.library, node, key.number, key.secret, token)
        for number, secret in (fresh or {}).items():
            sets |= _given(keys.library, node, number, secret, token)
        names = list(sets)
        for start in range(0, len(names), limits.LIBRARY_KEYS_PER_CHANGE):
            some = names[start : start + limits.LIBRARY_KEYS_PER_CHANGE]
            drafts.append(Draft(member_subject(node), {name: sets[name] for name in some}))
    return drafts


def _given(
    library: LibraryId, node: NodeId, number: int, secret: bytes, token: Callable[[int], bytes]
) -> dict[str, Any]:
    try:
        box = box_for(node, _about(library, node, number) + secret, token(SEED_BYTES))
    except ValueError:  # it calls itself by what is no key: nothing can be given to it
        return {}
    return {KEY_PREFIX + name_of(library, secret).hex(): [number, box]}


def next_number(keys: LibraryKeys) -> int:
    """Return the number of the next key."""
    return max((key.number for key in keys.keys.values() if key.counts), default=0) + 1


def provisions(
    keys: LibraryKeys,
    roster: Roster,
    me: NodeId,
    now_ms: int,
    token: Callable[[int], bytes],
    *,
    rotates: bool = False,
) -> list[Draft]:
    """Return what an admin's node has to say now so that everybody has the keys they should.

    A library without a key gets its first; one whose key a revoked member knows gets another, as
    it does if somebody asks for it (`rotates`). Nothing from a node that is no admin.
    """
    mine = roster.members.get(me)
    if mine is None or not mine.may(MEMBERS_ADMIN) or mine.cut is not None:
        return []
    is_due = rotates or keys.newest is None or must_rotate(keys, roster)
    has_room = len(keys.keys) < limits.LIBRARY_KEYS_MAX
    fresh = {next_number(keys): token(SECRET_BYTES)} if is_due and has_room else None
    return gifts(keys, readers(roster, now_ms), token, fresh)
