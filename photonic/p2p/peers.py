"""What this node knows of other members: where they may be reached, what they said of themselves.

Addresses are hints from many sources (settings, invitation, discovery, other members, connections
that stood); none is proof of anything, for the handshake alone proves who answers. When to try
again is decided here, from times that are passed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from photonic import limits
from photonic.ids import NodeId, parse_peer_id, peer_id
from photonic.p2p.messages import Hello


class KnownPeer(msgspec.Struct):
    """What is kept of a peer over a restart."""

    addresses: list[str] = []
    last_seen_ms: int | None = None


@dataclass(slots=True)
class Peer:
    """One member, as this node sees it now."""

    node: NodeId
    addresses: list[str] = field(default_factory=list)  # the most promising first
    hello: Hello | None = None
    last_seen_ms: int | None = None
    connected: bool = False
    address: str | None = None  # of the connection that stands
    failures: int = 0
    retry_at_s: float = 0.0


class PeerBook:
    """All peers by node. Used on the event loop's thread only."""

    def __init__(self, me: NodeId) -> None:
        self.me = me
        self._peers: dict[NodeId, Peer] = {}

    def get(self, node: NodeId) -> Peer:
        return self._peers.setdefault(node, Peer(node))

    def all(self) -> list[Peer]:
        return list(self._peers.values())

    def learn(self, node: NodeId, addresses: Iterable[str]) -> bool:
        """Note addresses of a peer from a good source: itself, a person, discovery.

        True if one of them is news; then it is worth a try at once.
        """
        if node == self.me:
            return False
        peer = self.get(node)
        fresh = [address for address in dict.fromkeys(addresses) if address not in peer.addresses]
        peer.addresses = (fresh + peer.addresses)[: limits.ADDRESSES_PER_PEER_MAX]
        if fresh:
            peer.failures, peer.retry_at_s = 0, 0.0
        return bool(fresh)

    def hear(self, node: NodeId, addresses: Iterable[str]) -> bool:
        """Note addresses that somebody else told: behind those that are known, never instead.

        True if one of them is news. Whoever tells nonsense costs neither a good address nor
        patience, and no more memory than PEERS_KNOWN_MAX peers.
        """
        is_full = node not in self._peers and len(self._peers) >= limits.PEERS_KNOWN_MAX
        if node == self.me or is_full:
            return False
        peer = self.get(node)
        room = limits.ADDRESSES_PER_PEER_MAX - len(peer.addresses)
        fresh = [address for address in dict.fromkeys(addresses) if address not in peer.addresses]
        peer.addresses += fresh[:room]
        return bool(fresh[:room])

    def note_hello(self, node: NodeId, hello: Hello) -> bool:
        """Take in what a peer said of itself; True if that is worth passing on.

        The room on its disk changes all the time: two nodes that told each other of it would
        never be still.
        """
        peer = self.get(node)
        before, peer.hello = peer.hello, hello
        is_learned = self.learn(node, hello.addresses[: limits.ADDRESSES_PER_PEER_MAX])
        is_same = before is not None and replace(before, free_bytes=hello.free_bytes) == hello
        return is_learned or not is_same

    def note_up(self, node: NodeId, address: str, now_ms: int) -> None:
        """A connection stands. `address` may be an ephemeral port of theirs: it is not learned."""
        peer = self.get(node)
        peer.connected, peer.address, peer.last_seen_ms = True, address, now_ms
        peer.failures, peer.retry_at_s = 0, 0.0

    def note_down(self, node: NodeId, now_ms: int, now_s: float) -> None:
        peer = self.get(node)
        peer.connected, peer.address, peer.last_seen_ms = False, None, now_ms
        peer.failures, peer.retry_at_s = 0, now_s + limits.RECONNECT_MIN_S

    def note_failure(self, node: NodeId, now_s: float, jitter: float) -> None:
        """A dial failed: wait twice as long as the last time. `jitter` is in [0.5, 1]."""
        peer = self.get(node)
        delay_s = min(limits.RECONNECT_MIN_S * 2**peer.failures, limits.RECONNECT_MAX_S)
        peer.failures = min(peer.failures + 1, 32)
        peer.retry_at_s = now_s + delay_s * jitter

    def due(self, members: Iterable[NodeId], now_s: float) -> list[Peer]:
        """Return the members to dial now."""
        return [
            peer
            for node in members
            if node != self.me
            and (peer := self.get(node)).addresses
            and not peer.connected
            and peer.retry_at_s <= now_s
        ]

    def next_due_s(self, members: Iterable[NodeId]) -> float | None:
        """Return when the next dial is due, or None if there is nobody to dial."""
        waits = [
            peer.retry_at_s
            for node in members
            if node != self.me and (peer := self.get(node)).addresses and not peer.connected
        ]
        return min(waits, default=None)

    def neighbours(self, except_for: NodeId) -> Mapping[str, tuple[str, ...]]:
        """Return where this node reaches others, for another member to try."""
        return {
            peer_id(peer.node): tuple(peer.addresses)
            for peer in self._peers.values()
            if peer.addresses and peer.node != except_for
        }

    def learn_neighbours(self, told: Mapping[str, tuple[str, ...]]) -> bool:
        """Take in what a member said of others; True if there is news. Nonsense is left out."""
        news = False
        for name, addresses in list(told.items())[: limits.PEERS_MAX]:
            try:
                node = parse_peer_id(name)
            except ValueError:
                continue
            news |= self.hear(node, addresses[: limits.ADDRESSES_PER_PEER_MAX])
        return news

    def dump(self) -> bytes:
        return msgspec.json.encode(
            {peer_id(p.node): KnownPeer(p.addresses, p.last_seen_ms) for p in self._peers.values()}
        )

    def load(self, data: bytes) -> None:
        """Take in what `dump` returned. A damaged file is as good as none: it holds only hints."""
        try:
            known = msgspec.json.decode(data, type=dict[str, KnownPeer])
        except msgspec.MsgspecError:
            return
        for name, kept in known.items():
            self.learn_neighbours({name: tuple(kept.addresses)})
            try:
                self.get(parse_peer_id(name)).last_seen_ms = kept.last_seen_ms
            except ValueError:
                continue
