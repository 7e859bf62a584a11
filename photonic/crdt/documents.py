"""The pycrdt documents of a library, each loaded when peers compare it, in a bounded cache.

A shard is two documents: `changes` (only grows) and `holdings` (which node holds which blob; each
key is written by its node alone). Nobody reads them to know what a photo is (see directory.py), and
what is new is written without loading them: a new entry needs no more than a client that nobody
else writes under, and how often it wrote.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence

from photonic import limits
from photonic.crdt.document import MapDocument
from photonic.crdt.keys import DROPPED, HELD, ROOT, holding_key
from photonic.crdt.updates import Update, of_entries, parse, read_vector
from photonic.ids import BlobId, NodeId

Place = tuple[int, int]  # shard and document


def holding_entries(node: NodeId, held: Mapping[BlobId, bool]) -> dict[str, bytes]:
    """Return the holdings entries by which `node` says what it holds and what it dropped."""
    return {holding_key(b, node): HELD if is_held else DROPPED for b, is_held in held.items()}


def in_pieces(entries: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    """Cut entries into pieces that make updates of a bounded length."""
    piece: dict[str, bytes] = {}
    size_bytes = 0
    for key, value in entries.items():
        if piece and size_bytes + len(value) > limits.UPDATE_PART_BYTES_MAX:
            yield piece
            piece, size_bytes = {}, 0
        piece[key] = value
        size_bytes += len(value) + len(key)
    if piece:
        yield piece


class _Loaded:
    """A document in memory, and what it weighs: about what its updates do."""

    def __init__(self, updates: Sequence[bytes], client: int) -> None:
        self.replica = MapDocument(updates, client)
        self.bytes = sum(map(len, updates))


class Documents:
    """See the module. Whoever changed a document keeps it pinned until the journal has it."""

    def __init__(
        self,
        updates: Callable[[int, int], Sequence[bytes]],
        new_client_id: Callable[[], int],
        bytes_max: int = limits.DOCUMENT_BYTES_LOADED_MAX,
    ) -> None:
        """`updates` gives all updates of a document, `new_client_id` a number never used before."""
        self._updates, self._new_client_id, self._max = updates, new_client_id, bytes_max
        self._loaded: OrderedDict[Place, _Loaded] = OrderedDict()
        self._bytes = 0  # of all that are loaded
        # Client ids live as long as this process (invariant I4: to use one again after losing what
        # was written under it would make replicas diverge silently), so that a document does not
        # collect one for each time that it was loaded.
        self._writers: dict[Place, tuple[int, int]] = {}  # client and how many entries it wrote
        self._overwriters: dict[Place, int] = {}

    def get(self, number: int, document: int) -> MapDocument:
        """Return a document, loaded if need be."""
        place = (number, document)
        loaded = self._loaded.get(place)
        if loaded is None:
            client = self._overwriters.setdefault(place, self._new_client_id())
            loaded = self._loaded[place] = _Loaded(self._updates(number, document), client)
            self._bytes += loaded.bytes
            self.trim(frozenset((place,)))  # others can be loaded again, with what is staged
        self._loaded.move_to_end(place)
        return loaded.replica

    def loaded(self, number: int, document: int) -> MapDocument | None:
        """Return a document if it is in memory."""
        loaded = self._loaded.get((number, document))
        return loaded.replica if loaded is not None else None

    def write(self, number: int, document: int, entries: Mapping[str, bytes]) -> bytes:
        """Return an update that adds entries whose keys this document does not have."""
        place = (number, document)
        client, clock = self._writers.get(place) or (self._new_client_id(), 0)
        loaded = self._loaded.get(place)
        if loaded is not None and read_vector(loaded.replica.vector()).get(client, 0) > clock:
            client, clock = self._new_client_id(), 0  # somebody forged blocks under our name
        update = of_entries(client, clock, entries)
        self._writers[place] = (client, clock + len(entries))
        if loaded is not None:
            self.note(number, document, parse(update))
        return update

    def overwrite(self, number: int, document: int, entries: Mapping[str, bytes]) -> bytes:
        """Return an update that writes entries, whether their keys are there or not."""
        update = self.get(number, document).insert(entries)
        self._grew(self._loaded[number, document], len(update))
        return update

    def note(self, number: int, document: int, update: Update) -> None:
        """Apply an update that passed the door, if the document is in memory."""
        loaded = self._loaded.get((number, document))
        if loaded is not None:
            loaded.replica.absorb(update)
            self._grew(loaded, len(update.data))

    def _grew(self, loaded: _Loaded, size_bytes: int) -> None:
        loaded.bytes += size_bytes
        self._bytes += size_bytes

    def trim(self, pinned: frozenset[Place]) -> None:
        """Let go of what is over the bound, but for the root and the pinned (uncommitted) ones."""
        if self._bytes <= self._max:
            return
        for place in list(self._loaded):
            if self._bytes <= self._max:
                return
            if place[0] != ROOT and place not in pinned:
                self._bytes -= self._loaded.pop(place).bytes

    def forget(self, number: int, document: int) -> None:
        """Throw a document's memory away; the next use loads it from the journal.

        What was written into it may be lost, so its client ids are not used again.
        """
        loaded = self._loaded.pop((number, document), None)
        self._bytes -= loaded.bytes if loaded is not None else 0
        for known in (self._writers, self._overwriters):
            known.pop((number, document), None)
