"""What this node knows of other members: where they may be reached, what they said of themselves.

Addresses are hints from many sources (settings, invitation, discovery, other members, connections
that stood); none is proof of anything, for the handshake alone proves who answers. What is tried
when, `reach` decides from what is kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from photonic import limits
from photonic.ids import NodeId, parse_peer_id, peer_id
from photonic.p2p.addresses import host_of
from photonic.p2p.messages import Hello
from photonic.p2p.reach import (
    Attempt,
    Outlook,
    Try,
    at_down,
    at_hope,
    at_news,
    at_up,
    failed,
    patience_s,
)
from photonic.p2p.ways import Footing, Network, Way, way_to


class KnownPeer(msgspec.Struct):
    """What is kept of a peer over a restart."""

    addresses: list[str] = []
    last_seen_ms: int | None = None


def is_like(before: Hello, hello: Hello) -> bool:
    """Whether two greetings say the same but for what changes all the time."""
    return replace(before, free_bytes=hello.free_bytes, now_ms=hello.now_ms) == hello


@dataclass(slots=True)
class Peer:
    """One member, as this node sees it now."""

    node: NodeId
    addresses: list[str] = field(default_factory=list)  # the most promising first
    hello: Hello | None = None
    clock_ahead_ms: int | None = None  # of this node's, when it last told
    last_seen_ms: int | None = None
    connected: bool = False
    address: str | None = None  # of the connection that stands
    footing: Footing | None = None  # of the best connection, where there are several ways
    tries: dict[Attempt, Try] = field(default_factory=dict)
    lost_s: float | None = None  # when its last connection ended, or an attempt first failed

    def made(self, attempt: Attempt) -> Try:
        return self.tries.get(attempt, Try())

    def change(self, how: Callable[[Try], Try], *attempts: Attempt) -> None:
        """Replace what is known of some attempts."""
        for attempt in attempts:
            self.tries[attempt] = how(self.made(attempt))

    def outlook(self, networks: Sequence[Network], *, has_relay: bool = False) -> Outlook:
        """Return what there is to go by to reach it; `networks` are those of this machine."""
        near = [way_to(host_of(address), networks) is Way.LAN for address in self.addresses]
        standing = self.footing.way if self.footing else None
        if self.connected and standing is None:
            standing = Way.LAN  # where there is only one way, it is the best
        return Outlook(standing, any(near), not all(near), has_relay)


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
        fresh = [a for a in _short(dict.fromkeys(addresses)) if a not in peer.addresses]
        peer.addresses = (fresh + peer.addresses)[: limits.ADDRESSES_PER_PEER_MAX]
        if fresh:
            peer.change(at_news, *Attempt)
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
        fresh = [a for a in _short(dict.fromkeys(addresses)) if a not in peer.addresses]
        peer.addresses += fresh[:room]
        return bool(fresh[:room])

    def note_hello(self, node: NodeId, hello: Hello, now_ms: int | None = None) -> bool:
        """Take in what a peer said of itself; True if that is worth passing on.

        The room on its disk changes all the time, and so does the time: two nodes that told each
        other of it would never be still.
        """
        peer = self.get(node)
        if hello.now_ms is not None and now_ms is not None:
            before_ms, peer.clock_ahead_ms = peer.clock_ahead_ms, hello.now_ms - now_ms
            is_away = abs(peer.clock_ahead_ms) > limits.CLOCK_AWAY_TOLD_MS
            was_away = before_ms is not None and abs(before_ms) > limits.CLOCK_AWAY_TOLD_MS
            is_news = is_away != was_away
        else:
            is_news = False
        before, peer.hello = peer.hello, hello
        is_learned = self.learn(node, hello.addresses[: limits.ADDRESSES_PER_PEER_MAX])
        return is_learned or is_news or before is None or not is_like(before, hello)

    def note_up(
        self,
        node: NodeId,
        address: str,
        now_ms: int,
        footing: Footing | None = None,
        now_s: float = 0.0,
    ) -> None:
        """A connection stands. `address` may be an ephemeral port of theirs: it is not learned."""
        peer = self.get(node)
        peer.connected, peer.address, peer.last_seen_ms = True, address, now_ms
        peer.footing, peer.lost_s = footing, None
        peer.change(lambda made: at_up(made, now_s), *Attempt)
        # What kept others away may be over as well.
        self._hope(now_s)

    def note_moved(self, node: NodeId, footing: Footing, now_s: float) -> None:
        """A connected peer is reached on another way."""
        peer = self.get(node)
        peer.address, peer.footing = footing.address, footing
        peer.change(lambda made: at_up(made, now_s), *Attempt)

    def note_elsewhere(self) -> None:
        """This machine is on another network: all that failed elsewhere may succeed here."""
        for peer in self._peers.values():
            if not peer.connected:
                peer.change(at_news, *Attempt)

    def _hope(self, now_s: float) -> None:
        for peer in self._peers.values():
            if not peer.connected and Attempt.DIAL in peer.tries:
                peer.change(lambda made: at_hope(made, now_s), Attempt.DIAL)

    def note_down(self, node: NodeId, now_ms: int, now_s: float) -> None:
        peer = self.get(node)
        peer.connected, peer.address, peer.footing = False, None, None
        peer.last_seen_ms, peer.lost_s = now_ms, now_s
        peer.change(lambda made: at_down(made, now_s), *Attempt)

    def note_failure(
        self,
        node: NodeId,
        now_s: float,
        jitter: float,
        attempt: Attempt = Attempt.DIAL,
        reason: str = "",
        networks: Sequence[Network] = (),
    ) -> None:
        """An attempt failed: wait twice as long as the last time. `jitter` is in [0.5, 1].

        `networks` are those of this machine. To dial costs nobody else anything, and is never left
        for long beside the time that the peer has been away; what others are asked for is.
        """
        peer = self.get(node)
        peer.lost_s = now_s if peer.lost_s is None and not peer.connected else peer.lost_s
        made, most_s = peer.made(attempt), limits.RECONNECT_MAX_S
        if attempt is Attempt.DIAL and peer.lost_s is not None:
            is_near = peer.outlook(networks).has_near
            most_s = patience_s(away_s=now_s - peer.lost_s, is_near=is_near)
        peer.tries[attempt] = failed(made, reason, peer.connected, now_s, jitter, most_s)

    def note_done(self, node: NodeId, now_s: float, attempt: Attempt) -> None:
        """An attempt did what it could. What it led to is told by itself; it is not repeated at
        once if that is nothing."""
        made = self.get(node).made(attempt)
        pause_s = max(made.due_s, now_s + limits.RECONNECT_MIN_S)
        self.get(node).tries[attempt] = Try(made.failures, pause_s)

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


def _short(addresses: Iterable[str]) -> tuple[str, ...]:
    """Leave out what is too long to be an address of anything."""
    return tuple(a for a in addresses if len(a) <= limits.ADDRESS_CHARS_MAX)
