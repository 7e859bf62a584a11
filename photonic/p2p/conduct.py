"""How members behave: whose words are refused again and again is shunned for a while, and told.

What the door refuses, an honest node never sends on, for it has the same door. So a peer whose
words are refused is damaged, much newer than this node, or hostile; to read it on costs a judgement
for each update, and helps nobody. A few refusals are borne with, and are forgiven with time. Then
the peer is cut and let in by no gate, a minute first and longer each time; it may be well again.
Only the peer that sent it is judged, never the author of what it sent. For one event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from photonic import limits
from photonic.ids import NodeId
from photonic.p2p.transport import Admission, Gate
from photonic.world import Clock

Tell = Callable[[NodeId, float], object]


@dataclass(slots=True)
class _Record:
    refused: float = 0.0  # updates, less what was forgiven since
    at_s: float = 0.0  # when that was so
    times: int = 0  # that it was shunned, less those that were forgiven
    until_s: float = float("-inf")


class Conduct:
    """What is remembered of the peers that were refused something; bounded."""

    def __init__(self, clock: Clock, tell: Tell = lambda node, pause_s: None) -> None:
        """`tell` hears of each peer that is shunned from now on, and for how long."""
        self._clock, self._tell = clock, tell
        self._records: dict[NodeId, _Record] = {}
        self.shunned = 0  # times, of all peers

    def note_refused(self, node: NodeId, count: int = 1) -> bool:
        """Take note of what was refused; True if the peer is to be cut now."""
        if count <= 0:
            return False
        now_s = self._clock.monotonic_s()
        record = self._records.pop(node, None) or _Record(at_s=now_s)
        self._records[node] = record  # the last again
        while len(self._records) > limits.PEERS_KNOWN_MAX:
            del self._records[next(iter(self._records))]
        quiet_s = now_s - max(record.at_s, record.until_s)
        if quiet_s >= limits.SHUNNED_FORGIVEN_S:
            record.times = 0
        forgiven = max(0.0, quiet_s) / limits.REFUSED_FORGIVEN_S
        record.refused = max(0.0, record.refused - forgiven) + count
        record.at_s = now_s
        if record.refused <= limits.REFUSED_BORNE_MAX or now_s < record.until_s:
            return now_s < record.until_s
        pause_s = min(limits.SHUNNED_MAX_S, limits.SHUNNED_MIN_S * 2**record.times)
        record.refused, record.until_s = 0.0, now_s + pause_s
        record.times = min(record.times + 1, limits.PEER_FAILURES_EXPONENT_MAX)
        self.shunned += 1
        self._tell(node, pause_s)
        return True

    def is_shunned(self, node: NodeId) -> bool:
        record = self._records.get(node)
        return record is not None and self._clock.monotonic_s() < record.until_s

    def gate(self, inner: Gate) -> Gate:
        """Return a gate that refuses who is shunned, and asks `inner` of all others."""

        def gate(node: NodeId) -> Admission:
            return Admission.REFUSED if self.is_shunned(node) else inner(node)

        return gate
