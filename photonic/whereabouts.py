"""Why a photo is where it is: the rules that are about it, its copies, and what is in their way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from photonic.crdt.query import PhotoQuery
from photonic.errors import PhotonicError, RuleInvalid
from photonic.ids import BlobId, NodeId, parse_hash, parse_peer_id, peer_id
from photonic.photo_views import HolderView, PhotoDetail
from photonic.placement.decision import Placement, placed
from photonic.placement.grammar import parse_rule
from photonic.placement.policy import Entry
from photonic.placement_views import (
    PlacedNodeView,
    PlacedRuleView,
    PlacementPolicyView,
    PlacementRuleView,
    PlacementView,
    RuleVersionView,
)
from photonic.placements import Placements
from photonic.search.criteria import Tree, with_defaults
from photonic.showing import NameOf


class PeerSeen(Protocol):
    """What is asked of another member; `views.PeerSeen` has it."""

    @property
    def id(self) -> str: ...

    @property
    def link(self) -> str: ...

    @property
    def last_seen(self) -> str | None: ...

    @property
    def free_bytes(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Here:
    """What may keep this node from fetching an original. Asked on any thread; may block."""

    is_paused: Callable[[], bool]
    left_alone: Callable[[], Tree | None]  # photos that somebody paused
    paused_peers: Callable[[], Collection[str]]
    is_metered: Callable[[], bool]  # then originals wait
    stuck: Callable[[], PhotonicError | None]  # it cannot store what it fetches


class Whereabouts:
    """See the module."""

    def __init__(
        self,
        placements: Placements,
        query: PhotoQuery,
        photo: Callable[[str], Awaitable[PhotoDetail]],
        peers: Callable[[], Sequence[PeerSeen]],
        name_of: NameOf,
        me: NodeId,
        here: Here,
    ) -> None:
        """`photo` tells what is known of one, `peers` how the other members are."""
        self._placements, self._query, self._photo = placements, query, photo
        self._peers, self._name_of, self._me, self._here = peers, name_of, me, here

    # --- one photo ---------------------------------------------------------------------------

    async def placement(self, photo: str) -> PlacementView:
        """Raises PhotoUnknown, IndexUnreadable."""
        detail, peers = await self._photo(photo), {peer.id: peer for peer in self._peers()}
        name = BlobId(parse_hash(photo))

        def look() -> PlacementView:
            wanted = self._placements.demand_of(name)
            holders = [parse_peer_id(one.node) for one in detail.holders if one.held and one.counts]
            found = placed(wanted, self._placements.members, holders)
            nodes = [self._node(detail, name, one, found, peers) for one in detail.holders]
            return self._view(detail, found, nodes)

        return await trio.to_thread.run_sync(look)

    def _view(
        self, detail: PhotoDetail, found: Placement, nodes: list[PlacedNodeView]
    ) -> PlacementView:
        wanted = found.demand
        rules = {one.text: one.is_contested for one in wanted.rules}
        return PlacementView(
            photo=detail.id,
            name=detail.name,
            copies=wanted.copies,
            held=len(found.held),
            missing=found.missing,
            on=dict(wanted.on),
            missing_on=dict(found.missing_on),
            not_on=sorted(wanted.not_on),
            yielding=sorted(wanted.yielding),
            evict=wanted.rank.name.lower(),
            rules=[PlacedRuleView(text, contested) for text, contested in rules.items()],
            nodes=sorted(nodes, key=lambda one: (not one.held, not one.wanted, one.name)),
            nobody=max(0, found.missing - len(found.expected)),
            unknown=list(wanted.unknown),
            unread=list(self._placements.rules().unread),
        )

    def _node(
        self,
        detail: PhotoDetail,
        photo: BlobId,
        holder: HolderView,
        found: Placement,
        peers: Mapping[str, PeerSeen],
    ) -> PlacedNodeView:
        node = parse_peer_id(holder.node)
        member = self._placements.member(node)
        wanted = holder.counts and found.demand.is_wanted_by(member)
        obstacle = None
        if holder.held and not holder.counts:
            obstacle = "what it holds is no copy: it may not keep any (blobs.hold)"
        elif wanted and not holder.held:
            is_here = node == self._me
            obstacle = (
                self._obstacle_here(detail, photo, peers)
                if is_here
                else _obstacle(peers.get(holder.node), detail.bytes)
            )
        return PlacedNodeView(
            node=holder.node,
            name=holder.name or member.name,
            role=member.role,
            here=node == self._me,
            held=holder.held,
            counts=holder.counts,
            wanted=wanted,
            pinned=node in found.demand.keep,
            evict=found.demand.rank_for(member).name.lower(),
            verified_at=holder.verified_at,
            obstacle=obstacle,
        )

    def _obstacle_here(
        self, detail: PhotoDetail, photo: BlobId, peers: Mapping[str, PeerSeen]
    ) -> str:
        here = self._here
        if here.is_paused():
            return "paused: this node fetches nothing (`photonic resume`)"
        left_alone = here.left_alone()
        if left_alone is not None and self._placements.is_of(photo, left_alone):
            return "paused: it is in an album or a shoot that this node leaves alone"
        if here.is_metered():
            return "the link is metered: originals wait (`photonic limits`)"
        stuck = here.stuck()
        if stuck is not None:
            return stuck.message
        holders = [one.node for one in detail.holders if one.held]
        connected = [one for one in holders if one in peers and peers[one].link != "none"]
        if not holders:
            return "no member says that it holds it"
        if not connected:
            return "no member that holds it is connected"
        paused = here.paused_peers()
        if all(one in paused for one in connected):
            return "paused: this node fetches nothing from the members that hold it"
        return "it waits for its turn"

    # --- the rules ---------------------------------------------------------------------------

    async def policy(self) -> PlacementPolicyView:
        """Return the rules of the library, with what is said of each."""
        return await trio.to_thread.run_sync(self._policy, self._placements.listed)

    async def set(self, texts: Sequence[str]) -> PlacementPolicyView:
        """Make these all the rules. Raises RuleInvalid, NotAllowed."""
        await self._placements.set(texts)
        return await self.policy()

    async def change(self, add: Sequence[str], remove: Sequence[str]) -> PlacementPolicyView:
        """Add rules and remove others, by their texts. Raises RuleInvalid, NotAllowed."""
        await self._placements.change(add, remove)
        return await self.policy()

    async def check(self, texts: Sequence[str]) -> PlacementPolicyView:
        """Return what the policy would be with these rules. Raises RuleInvalid."""
        self._placements.check(texts)
        entries = [Entry.alone(text.strip(), self._me) for text in dict.fromkeys(texts)]
        return await trio.to_thread.run_sync(self._policy, entries)

    def _policy(self, listed: Sequence[Entry]) -> PlacementPolicyView:
        rules = [self._rule(entry) for entry in listed]
        floor = self._placements.floor
        return PlacementPolicyView(
            rules,
            max(floor.copies, floor.least),
            floor.least,
            any(rule.photos is None for rule in rules),
        )

    def _rule(self, entry: Entry) -> PlacementRuleView:
        versions = [
            RuleVersionView(
                one.text,
                peer_id(one.author),
                self._name_of(one.author),
                self._problem(one.text) if one.text is not None else None,
            )
            for one in entry.said
        ]
        trees = self._placements.conditions(entry)
        photos = None
        if trees is not None:
            photos = self._query.count(with_defaults(trees)).count
        return PlacementRuleView(entry.latest, entry.is_contested, versions, photos)

    def _problem(self, text: str) -> str | None:
        try:
            parse_rule(text, self._placements.today)
        except RuleInvalid as error:
            return str(error).partition("\n")[0]
        return None


def _obstacle(peer: PeerSeen | None, size_bytes: int) -> str:
    """Say what is in the way of a copy on another member."""
    if peer is None or peer.link == "none":
        if peer is None or peer.last_seen is None:
            return "this node has not met it yet"
        return f"offline since {peer.last_seen[:16].replace('T', ' ')}"
    if peer.free_bytes is not None and peer.free_bytes < size_bytes:
        return f"no room: {peer.free_bytes / 1e9:,.1f} GB are free there"
    return "connected; it fetches it in its turn"
