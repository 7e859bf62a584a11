"""A library's changes in 256 shards and one root, each loaded on demand into a bounded cache.

A shard is two documents: `changes` (only grows) and `holdings` (which node holds which blob; each
key is written by its node alone). A document's digest is the sum, modulo 2^256, of the hashes of
its entries: it follows each insertion at constant cost, does not depend on order, and shows a
difference that equal state vectors would hide.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from photonic import limits
from photonic.crdt.changes import SignedChange, read
from photonic.crdt.document import DocumentFault, MapDocument
from photonic.crdt.journal import CHANGES, HOLDINGS, Journal, ShardDigest
from photonic.ids import PHOTO, BlobId, ChangeId, LibraryId, NodeId, Subject, digest

ROOT = limits.SHARDS  # members, policies, the library itself: always loaded, synced first
SHARD_COUNT = limits.SHARDS + 1
_MODULUS = 1 << 256
_HELD, _DROPPED = b"\x01", b"\x00"


def shard_of(subject: Subject) -> int:
    """Return the shard of a subject: the root, or by the first bits of the hash of its key."""
    if subject.kind != PHOTO:
        return ROOT
    first = int.from_bytes(digest(subject.key)[:4], "big")
    return first * limits.SHARDS >> 32


def change_key(change: ChangeId) -> str:
    return urlsafe_b64encode(change).rstrip(b"=").decode()


def holding_key(blob: BlobId, node: NodeId) -> str:
    return f"{change_key(ChangeId(blob))}.{change_key(ChangeId(node))}"


def parse_holding_key(key: str) -> tuple[BlobId, NodeId]:
    """Parse a key of a holdings document. Raises ValueError."""
    blob, node = (urlsafe_b64decode(part + "=") for part in key.split("."))
    if len(blob) != 32 or len(node) != 32:
        raise ValueError(f"{key!r} names no blob and node")
    return BlobId(blob), NodeId(node)


def is_holding(key: str, value: bytes) -> bool:
    """Whether an entry is written in the one way there is: two spellings would not converge."""
    try:
        return holding_key(*parse_holding_key(key)) == key and value in (_HELD, _DROPPED)
    except ValueError:
        return False


def _weight(key: str, value: bytes) -> int:
    return int.from_bytes(digest(key.encode() + b"\0" + value), "big")


@dataclass(slots=True)
class Shard:
    """One loaded shard: its documents, and what they hold, parsed."""

    number: int
    changes: MapDocument
    holdings: MapDocument
    by_subject: dict[Subject, dict[ChangeId, SignedChange]] = field(default_factory=dict)
    holders: dict[BlobId, dict[NodeId, bool]] = field(default_factory=dict)
    ids: set[ChangeId] = field(default_factory=set)
    changes_sum: int = 0
    holdings_sum: int = 0

    @property
    def digest(self) -> ShardDigest:
        return ShardDigest(
            self.changes_sum.to_bytes(32, "big"),
            self.holdings_sum.to_bytes(32, "big"),
            len(self.ids),
        )

    @property
    def entries(self) -> int:
        """How many entries it holds in memory."""
        return len(self.ids) + sum(map(len, self.holders.values()))

    def document(self, kind: int) -> MapDocument:
        return self.changes if kind == CHANGES else self.holdings

    def note_change(self, signed: SignedChange) -> None:
        """Take a change into the parsed view. Repeats are fine."""
        if signed.id not in self.ids:
            self.ids.add(signed.id)
            self.by_subject.setdefault(signed.change.subject, {})[signed.id] = signed
            self.changes_sum = (self.changes_sum + int.from_bytes(signed.id, "big")) % _MODULUS

    def note_holding(self, key: str, value: bytes) -> tuple[BlobId, NodeId]:
        """Take a holding that passed the door into the parsed view; return what it is of."""
        blob, node = parse_holding_key(key)
        nodes = self.holders.setdefault(blob, {})
        total = self.holdings_sum
        if node in nodes:
            total -= _weight(key, _HELD if nodes[node] else _DROPPED)
        nodes[node] = value == _HELD
        total += _weight(key, _HELD if nodes[node] else _DROPPED)
        self.holdings_sum = total % _MODULUS
        return blob, node

    def subjects(self) -> Iterable[Subject]:
        return self.by_subject.keys()


def holding_entries(node: NodeId, held: Mapping[BlobId, bool]) -> dict[str, bytes]:
    """Return the holdings entries by which `node` says what it holds and what it dropped."""
    return {holding_key(b, node): _HELD if is_held else _DROPPED for b, is_held in held.items()}


class ShardCache:
    """Shards by number, loaded from the journal when asked for, the oldest let go."""

    def __init__(
        self,
        library: LibraryId,
        journal: Journal,
        on_load: Callable[[Shard], None],
        entries_max: int = limits.SHARD_ENTRIES_LOADED_MAX,
    ) -> None:
        """`on_load` hears of what was really found, which damage may have made less."""
        self._library, self._journal, self._max = library, journal, entries_max
        self._on_load = on_load
        self._shards: OrderedDict[int, Shard] = OrderedDict()

    def get(self, number: int) -> Shard:
        """Return a shard, loaded if need be. What is asked for last is kept longest."""
        shard = self._shards.get(number)
        if shard is None:
            shard = self._shards[number] = self._load(number)
            self._on_load(shard)
        self._shards.move_to_end(number)
        return shard

    def trim(self, pinned: frozenset[int]) -> None:
        """Let go of what is over the bound, but for the root and the pinned (uncommitted) ones."""
        loaded = sum(shard.entries for shard in self._shards.values())
        for number in list(self._shards):
            if loaded <= self._max:
                return
            if number != ROOT and number not in pinned:
                loaded -= self._shards.pop(number).entries

    def forget(self, number: int) -> None:
        """Throw a shard's memory away; the next `get` loads it from the journal."""
        self._shards.pop(number, None)

    def _load(self, number: int) -> Shard:
        shard = Shard(
            number,
            MapDocument(self._journal.updates(number, CHANGES)),
            MapDocument(self._journal.updates(number, HOLDINGS)),
        )
        for data in shard.changes.entries().values():
            shard.note_change(read(self._library, data))
        for key, value in shard.holdings.entries().items():
            if is_holding(key, value):
                shard.note_holding(key, value)
        return shard


__all__ = ["ROOT", "SHARD_COUNT", "DocumentFault", "Shard", "ShardCache", "shard_of"]
