"""Who said not to have what: such a peer is asked again later, and ever more rarely.

Nobody announces which previews it has, so every reachable peer is asked; without this memory the
first refused blobs would be asked again and again, and those behind them never. Bounded: what was
refused longest ago is forgotten first, and then asked once more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Set as AbstractSet

from photonic import limits
from photonic.ids import BlobId, NodeId
from photonic.p2p.standing import backoff_s


class Refusals:
    """See the module. Times are monotonic seconds."""

    def __init__(self, most: int = limits.REFUSALS_MAX) -> None:
        self._most = most
        self._blobs: OrderedDict[BlobId, dict[NodeId, tuple[int, float]]] = OrderedDict()
        self._withholding: set[NodeId] = set()

    def __len__(self) -> int:
        return len(self._blobs)

    def __contains__(self, blob: BlobId) -> bool:
        return blob in self._blobs

    def note(self, blob: BlobId, node: NodeId, now_s: float, jitter: float) -> None:
        """Note that `node` just said not to have `blob`."""
        nodes = self._blobs.setdefault(blob, {})
        times, _ = nodes.get(node, (0, 0.0))
        nodes[node] = (times + 1, now_s + backoff_s(times, jitter, limits.REFUSAL_S_MAX))
        self._blobs.move_to_end(blob)
        if len(self._blobs) > self._most:
            self._blobs.popitem(last=False)

    def forget(self, blob: BlobId) -> None:
        """Somebody had it, or nobody wants it."""
        self._blobs.pop(blob, None)

    def note_giver(self, node: NodeId, *, gives_originals: bool) -> bool:
        """Note whether `node` gives originals; True if it does again, and can be asked at once."""
        if not gives_originals:
            self._withholding.add(node)
        elif node in self._withholding:
            self._withholding.remove(node)
            for nodes in self._blobs.values():
                nodes.pop(node, None)
            self._blobs = OrderedDict((blob, nodes) for blob, nodes in self._blobs.items() if nodes)
            return True
        return False

    def able(
        self, blob: BlobId, holders: frozenset[NodeId], now_s: float
    ) -> tuple[frozenset[NodeId], float | None]:
        """Return who of the holders may be asked, and when another one may; None: nobody else."""
        nodes = self._blobs.get(blob)
        if not nodes:
            return holders, None
        waits = {n: nodes[n][1] for n in holders & nodes.keys() if nodes[n][1] > now_s}
        if not waits:
            return holders, None
        return holders.difference(waits), min(waits.values())

    def is_refused_by_all(self, blob: BlobId, holders: AbstractSet[NodeId], now_s: float) -> bool:
        """Whether none of these may be asked now, for each said not to have it."""
        nodes = self._blobs.get(blob)
        return nodes is not None and all(nodes.get(n, (0, 0.0))[1] > now_s for n in holders)
