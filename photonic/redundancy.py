"""How many copies of the photos there are, on which nodes and roles, and what waits for whom. Pure.

It adds up what members say in the catalog: a hint, as everything there, and no proof. What this
node holds it has verified itself, and when, its ledger knows (`oldest`); of others it is not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from photonic.crdt.copies import CopySet
from photonic.ids import NodeId, peer_id

MANY: Final = 3  # copies; more are counted with these


@dataclass(frozen=True, slots=True)
class CopiesView:
    """Photos with so many copies that count; `copies` is 3 for three and more."""

    copies: int
    photos: int
    bytes: int


@dataclass(frozen=True, slots=True)
class RoleCopiesView:
    """Of how many photos there is a copy on a node of a role, and of how many there is none."""

    role: str
    photos: int
    lacking: int


@dataclass(frozen=True, slots=True)
class NodeCopiesView:
    """What a member says to hold; `only_there`: photos of which no other copy counts.

    `awaited`: photos that this node wants, has not, and that this member is said to hold.
    """

    node: str
    name: str
    role: str
    connected: bool
    photos: int
    bytes: int
    only_there: int
    awaited: int
    awaited_bytes: int


@dataclass(frozen=True, slots=True)
class RedundancyView:
    """Where the photos are, but for those in the trash.

    `below`: photos with fewer copies than `min_copies`. `awaited`: photos that this node wants and
    has not, of which `unreachable` are said to be on no member that is connected now. `oldest`:
    when that stored file of this node was verified whose verification is the oldest.
    """

    photos: int
    min_copies: int
    below: int
    copies: list[CopiesView]
    roles: list[RoleCopiesView]
    nodes: list[NodeCopiesView]
    awaited: int
    awaited_bytes: int
    unreachable: int
    oldest: str | None
    overdue: int


@dataclass(frozen=True, slots=True)
class Place:
    """A member, as this report needs it."""

    name: str
    role: str
    is_connected: bool


def redundancy(
    sets: Iterable[CopySet],
    members: Mapping[NodeId, Place],
    me: NodeId,
    *,
    wants_all: bool,
    min_copies: int,
    oldest: str | None,
    overdue: int,
) -> RedundancyView:
    """Add up; `wants_all`: this node wants every original."""
    known = list(sets)
    total = sum(one.photos for one in known)
    awaited = [one for one in known if wants_all and not one.is_here]
    connected = {node for node, place in members.items() if place.is_connected}
    roles = sorted({place.role for place in members.values()})
    return RedundancyView(
        photos=total,
        min_copies=min_copies,
        below=sum(one.photos for one in known if len(one.nodes) < min_copies),
        copies=_by_count(known),
        roles=[_of_role(role, known, members, total) for role in roles],
        nodes=[_of_node(node, members[node], known, awaited, me) for node in _sorted(members)],
        awaited=sum(one.photos for one in awaited),
        awaited_bytes=sum(one.size_bytes for one in awaited),
        unreachable=sum(
            one.photos for one in awaited if not (one.nodes | one.hints) & (connected - {me})
        ),
        oldest=oldest,
        overdue=overdue,
    )


def _by_count(sets: Collection[CopySet]) -> list[CopiesView]:
    photos, sizes = Counter[int](), Counter[int]()
    for one in sets:
        count = min(len(one.nodes), MANY)
        photos[count] += one.photos
        sizes[count] += one.size_bytes
    return [CopiesView(count, photos[count], sizes[count]) for count in range(MANY + 1)]


def _of_role(
    role: str, sets: Collection[CopySet], members: Mapping[NodeId, Place], total: int
) -> RoleCopiesView:
    nodes = {node for node, place in members.items() if place.role == role}
    there = sum(one.photos for one in sets if one.nodes & nodes)
    return RoleCopiesView(role, there, total - there)


def _of_node(
    node: NodeId,
    place: Place,
    sets: Collection[CopySet],
    awaited: Collection[CopySet],
    me: NodeId,
) -> NodeCopiesView:
    held = [one for one in sets if node in one.nodes | one.hints]
    waiting = [one for one in awaited if node in one.nodes | one.hints and node != me]
    return NodeCopiesView(
        node=peer_id(node),
        name=place.name,
        role=place.role,
        connected=place.is_connected,
        photos=sum(one.photos for one in held),
        bytes=sum(one.size_bytes for one in held),
        only_there=sum(one.photos for one in sets if one.nodes == {node}),
        awaited=sum(one.photos for one in waiting),
        awaited_bytes=sum(one.size_bytes for one in waiting),
    )


def _sorted(members: Mapping[NodeId, Place]) -> list[NodeId]:
    return sorted(members, key=lambda node: (members[node].role, members[node].name, node))
