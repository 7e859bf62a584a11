"""The member in the middle: brings two others together that are both connected with it.

It judges who may, gives out tickets, and counts; the bytes its carrier moves (`splice.py`), and
neither of them can read any. What it knows of the two is who they are, when, and how much. Only
members are brought together, and only while both are connected here themselves: when one is
revoked or goes, its pairs are cut with its lanes (`Lanes.shun`).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from photonic import limits
from photonic.errors import FrameInvalid, PeerUnreachable, StreamBroken
from photonic.ids import NodeId, peer_id
from photonic.p2p import lane_messages as said
from photonic.p2p.frames import ask_once, read_question, send_message
from photonic.p2p.lanes import Lanes
from photonic.p2p.relay_messages import (
    INVITED_PROTOCOL,
    Coming,
    Introduce,
    Introduced,
    Introduction,
    Invite,
    NotIntroduced,
    Purpose,
    Reply,
)
from photonic.p2p.transport import Admission, Gate, ReachingTransport, Stream
from photonic.p2p.ways import Way
from photonic.world import World

log = logging.getLogger(__name__)


@dataclass(slots=True)
class RelayCounters:
    """What the metrics show; they only grow."""

    relayed_bytes: int = 0
    relayed_pairs: int = 0  # that came to be
    relay_refusals: int = 0


@dataclass(slots=True)
class _Pair:
    peers: tuple[NodeId, NodeId]
    until_s: float  # for both to come
    carrier: int | None  # the process that has it
    is_joined: bool = False
    awaited: trio.Event = field(default_factory=trio.Event)  # by the carrier


class Relay:
    """See the module. Used on the event loop's thread."""

    def __init__(
        self,
        transport: ReachingTransport,
        lanes: Lanes,
        gate: Gate,
        world: World,
        is_on: Callable[[], bool],
    ) -> None:
        """`is_on`: whether this node relays now."""
        self._transport, self._lanes, self._gate, self._world = transport, lanes, gate, world
        self._is_on = is_on
        self._pairs: dict[int, _Pair] = {}
        self._numbers = 0
        self.counters = RelayCounters()

    @property
    def pairs(self) -> int:
        """How many pairs go through here now. May be asked on any thread."""
        return sum(pair.is_joined for pair in tuple(self._pairs.values()))

    def hear(self, report: said.Report) -> None:
        """Hear what the carrier says of pairs. Never waits."""
        match report:
            case said.Awaited(number, is_full) if number in self._pairs:
                self._pairs[number].awaited.set()
                if is_full:
                    del self._pairs[number]
            case said.Joined(number) if number in self._pairs:
                self._pairs[number].is_joined = True
                self.counters.relayed_pairs += 1
            case said.Relayed(_, size_bytes):
                self.counters.relayed_bytes += size_bytes
            case said.Parted(number):
                self._pairs.pop(number, None)

    def note_down(self, node: NodeId) -> None:
        """A peer is gone, and its pairs with it."""
        self._pairs = {n: pair for n, pair in self._pairs.items() if node not in pair.peers}

    async def serve(self, stream: Stream) -> None:
        """Answer one member that wants to meet another: the handler of `RELAY_PROTOCOL`."""
        try:
            ask = await read_question(stream, Introduce)
            answer = await self._introduce(stream.peer, ask)
            if isinstance(answer, NotIntroduced):
                self.counters.relay_refusals += 1
                log.info("%s meets nobody here: %s", peer_id(stream.peer), answer.reason)
            await send_message(stream, answer)
        except (StreamBroken, FrameInvalid) as error:
            log.info("%s asked for nobody: %s", peer_id(stream.peer), error)
        finally:
            await stream.close()

    async def _introduce(self, asker: NodeId, ask: Introduce) -> Introduction:
        peer = NodeId(ask.peer)
        reason = self._objection(asker, peer)
        if reason:
            return NotIntroduced(reason)
        ours, theirs = (self._world.entropy.token(said.TICKET_BYTES) for _ in range(2))
        is_punched = ask.purpose is Purpose.PUNCH
        if not await self._expect((asker, peer), (ours, theirs), shows=is_punched):
            return NotIntroduced("it cannot take on another pair now")
        reason = await self._invite(peer, Invite(asker, ask.purpose, theirs, self._lanes.port))
        return NotIntroduced(reason) if reason else Introduced(ours, self._lanes.port)

    def _objection(self, asker: NodeId, peer: NodeId) -> str:
        """Say why two may not meet through here; "" if they may."""
        if not self._is_on():
            return "this node does not relay"
        if not self._lanes.port:
            return "nobody can come in here"
        if asker == peer or self._gate(peer) is not Admission.MEMBER:
            return "only members are brought together"
        for node in (asker, peer):
            footing = self._transport.footing(node)
            if footing is None or footing.way is Way.RELAYED:
                return "only nodes that are connected here themselves are brought together"
        self._forget_late()
        counts = Counter(node for pair in self._pairs.values() for node in pair.peers)
        if len(self._pairs) >= limits.RELAY_PAIRS_MAX:
            return f"it is full: it relays {len(self._pairs)} pairs"
        if max(counts[asker], counts[peer]) >= limits.RELAY_PAIRS_PER_PEER_MAX:
            return f"it is full for one of the two: it relays {limits.RELAY_PAIRS_PER_PEER_MAX}"
        return ""

    def _forget_late(self) -> None:
        now_s, carrier = self._world.clock.monotonic_s(), self._lanes.pid
        self._pairs = {
            number: pair
            for number, pair in self._pairs.items()
            if pair.carrier == carrier and (pair.is_joined or pair.until_s > now_s)
        }

    async def _expect(
        self, peers: tuple[NodeId, NodeId], tickets: tuple[bytes, bytes], *, shows: bool
    ) -> bool:
        """Have the carrier let two come, and say whether it does: who is faster is turned away."""
        self._numbers += 1
        number, until_s = self._numbers, self._world.clock.monotonic_s() + limits.RELAY_TICKET_S
        pair = self._pairs[number] = _Pair(peers, until_s, self._lanes.pid)
        self._lanes.order(said.Pair(number, peers, tickets, limits.RELAY_TICKET_S, shows))
        with trio.move_on_after(limits.HELLO_TIMEOUT_S):
            await pair.awaited.wait()
        return pair.awaited.is_set() and number in self._pairs

    async def _invite(self, peer: NodeId, invite: Invite) -> str:
        """Ask the other one to come; return why it does not."""
        wait_s = limits.RELAY_TICKET_S
        try:
            answer = await ask_once(self._transport, peer, INVITED_PROTOCOL, invite, Reply, wait_s)
        except (StreamBroken, PeerUnreachable, FrameInvalid) as error:
            return f"the other node cannot be asked: {error.message}"
        return "" if isinstance(answer, Coming) else answer.reason
