"""Asks, before a stream's handler is called, whether this peer may open such a stream.

The gate (`transport.Gate`) says who is let in at all; here is what a member may then ask for, by
`scopes.PROTOCOLS`. Who may not is refused the stream and told nothing. When a member's scopes
shrink, its connections are cut, and with them whatever stood on them: it comes back, and
everything that it then opens is judged anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial

from photonic import limits, scopes
from photonic.attempts import Attempts
from photonic.errors import StreamBroken
from photonic.events import Audited, Event
from photonic.ids import NodeId, peer_id
from photonic.p2p.transport import Stream, StreamHandler
from photonic.scopes import MUTUAL, PROTOCOLS

log = logging.getLogger(__name__)

ScopesOf = Callable[[NodeId], Collection[str] | None]


class Doorkeeper:
    """See the module. Used on the event loop's thread."""

    def __init__(
        self,
        scopes_of: ScopesOf,
        now_s: Callable[[], float],
        announce: Callable[[Event], object],
        drop: Callable[[NodeId], None],
    ) -> None:
        """`scopes_of`: what a peer may, now; None: it is no member. `drop` cuts a peer off."""
        self._scopes_of, self._announce, self._drop = scopes_of, announce, drop
        self._trusted: dict[NodeId, frozenset[str]] = {}  # what was last built upon
        self._refusals = Attempts(now_s)
        self.refused = 0  # only grows

    def guarded(self, handlers: Mapping[str, StreamHandler]) -> dict[str, StreamHandler]:
        """Return the handlers, each behind this door."""
        return {name: partial(self._serve, name, handler) for name, handler in handlers.items()}

    def may_tell(self, node: NodeId, protocol: str) -> bool:
        """Whether a stream may be opened *with* this peer, which hears what is said on it."""
        return protocol not in MUTUAL or self._judge(node, protocol)

    def review(self, connected: Collection[NodeId]) -> None:
        """The roster may be another one: cut whoever may less than what was built upon."""
        for node, trusted in tuple(self._trusted.items()):
            held = self._scopes_of(node)
            if held is None or not trusted <= set(held):
                del self._trusted[node]
                if node in connected:
                    log.info("%s may less than before, and is cut off", peer_id(node))
                    self._drop(node)
            elif node not in connected:
                del self._trusted[node]

    async def _serve(self, protocol: str, handler: StreamHandler, stream: Stream) -> None:
        if not self._judge(stream.peer, protocol):
            self.refused += 1
            if self._refusals.is_first(f"{stream.peer.hex()} {protocol}"):
                log.warning("%s may not open %s", peer_id(stream.peer), protocol)
                facts = {"node": peer_id(stream.peer), "protocol": protocol}
                self._announce(Audited("peer.refused", facts))
            raise StreamBroken(f"{peer_id(stream.peer)} may not open {protocol}")
        await handler(stream)

    def _judge(self, node: NodeId, protocol: str) -> bool:
        held = self._scopes_of(node)
        if not scopes.allows(PROTOCOLS, protocol, held):
            return False
        if held is not None and len(self._trusted) < limits.PEERS_KNOWN_MAX:
            self._trusted[node] = frozenset(held)
        return True
