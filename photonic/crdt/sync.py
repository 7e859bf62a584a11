"""Anti-entropy between two replicas, as a machine: message in, messages out.

    Root -> (equal: Same) | Digests -> Ask for each differing document -> Update (+ the asker's
    own vector, answered with an Update in the other direction)

A round costs 32 bytes when nothing differs, 4 kB of digests when something does, and then what is
missing. The documents that differ are taken a few at a time, and a long answer comes in parts, each
asked for with what the asker has by then: so neither side ever has more than `limits.SYNC_WINDOW`
parts under way, the answering side keeps no account of anybody, and a round that is cut goes on
where it was. Nothing here knows a socket or a clock.

Where two documents were exchanged whole and still differ, a member forged blocks under another's
name, so that the document believes to have what it has not. Then the ids of the changes are
compared, and what is missing is sent plainly; holdings are told again (`retelling.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import msgspec

from photonic import limits
from photonic.crdt.keys import ROOT, SHARD_COUNT, Holding
from photonic.crdt.retelling import AskHoldings, PlainHoldings, goes_on, heard, tell
from photonic.errors import ChangeInvalid
from photonic.ids import HASH_BYTES, ChangeId
from photonic.journal.journal import CHANGES, HOLDINGS

SHORT_BYTES = 8  # of a document's digest: enough to find what differs; the root digest is whole
Place = tuple[int, int]  # shard and document
_DOCUMENTS: list[Place] = [
    (shard, kind) for shard in (ROOT, *range(ROOT)) for kind in (CHANGES, HOLDINGS)
]  # in the order in which they are compared and asked for: members first


class Root(msgspec.Struct, tag="root", frozen=True):
    """Begin a round: "this is what all I have adds up to"."""

    digest: bytes


class Same(msgspec.Struct, tag="same", frozen=True):
    """There is nothing to do."""


class Digests(msgspec.Struct, tag="digests", frozen=True):
    """The digests of all documents, `SHORT_BYTES` each, in the order of `_DOCUMENTS`."""

    packed: bytes


class Ask(msgspec.Struct, tag="ask", frozen=True):
    """Send me what I lack of a document; here is what I have of it.

    `goes_on`: this asks for the rest of a long answer, and for nothing in return.
    """

    shard: int
    document: int
    vector: bytes
    goes_on: bool = False


class Update(msgspec.Struct, tag="update", frozen=True):
    """What the other side lacked. `vector` asks for the same in return; `more`: ask again."""

    shard: int
    document: int
    data: bytes
    vector: bytes | None = None
    more: bool = False


class Push(msgspec.Struct, tag="push", frozen=True):
    """A new update, sent at once to every connected peer. It may be lost; a round heals it."""

    shard: int
    document: int
    data: bytes


class AskIds(msgspec.Struct, tag="ask-ids", frozen=True):
    """Name the changes that you have of a shard, from `after` on."""

    shard: int
    after: bytes = b""


class Ids(msgspec.Struct, tag="ids", frozen=True):
    """The ids of a shard's changes, sorted; `more`: there are others behind the last."""

    shard: int
    packed: bytes
    more: bool = False


class AskChanges(msgspec.Struct, tag="ask-changes", frozen=True):
    """Send me these changes plainly."""

    shard: int
    packed: bytes


class PlainChanges(msgspec.Struct, tag="changes", frozen=True):
    """Changes as their authors signed them, outside of any document."""

    shard: int
    changes: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=limits.ENTRIES_PER_MESSAGE_MAX)]


Message = (
    Root | Same | Digests | Ask | Update | Push | AskIds | Ids | AskChanges | PlainChanges
    | AskHoldings | PlainHoldings
)  # fmt: skip


class Replica(Protocol):
    """What the machine needs of a catalog. Each call is quick; none waits for a disk."""

    def root_digest(self) -> bytes: ...

    def document_digests(self) -> Mapping[Place, bytes]: ...

    def vector(self, shard: int, document: int) -> bytes: ...

    def missing_for(self, shard: int, document: int, vector: bytes) -> tuple[bytes, bool]:
        """Return an update that a replica with `vector` lacks, and whether there is more."""
        ...

    def receive(self, shard: int, document: int, update: bytes, peer: bytes) -> bool:
        """Take in an update at the door; False if it was refused."""
        ...

    def change_ids(self, shard: int, after: bytes, limit: int) -> Sequence[ChangeId]:
        """Return the ids of a shard's changes behind `after`, sorted, at most `limit`."""
        ...

    def read_changes(self, shard: int, ids: Collection[ChangeId]) -> Sequence[bytes]:
        """Return those of these changes that are here, as they were signed."""
        ...

    def adopt(self, changes: Sequence[bytes], peer: bytes) -> int:
        """Take in changes that came plainly; return how many were new. Raises ChangeInvalid."""
        ...

    def holdings(self, shard: int) -> Iterable[Holding]:
        """Return all that is said of the blobs of a shard, in any order."""
        ...

    def believe(self, shard: int, some: Sequence[Holding], peer: bytes) -> bool:
        """Take in holdings that were told plainly; False if they were refused."""
        ...

    def note_agreement(self, peer: bytes) -> None:
        """Hear that a peer has exactly what is here."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a round is, in documents that differ. Nothing is under way if `left` is 0."""

    left: int
    of: int


_IDS_PER_MESSAGE = limits.UPDATE_PART_BYTES_MAX // HASH_BYTES


class Reconciler:
    """One side of the anti-entropy with one peer. Both sides run the same machine."""

    def __init__(self, replica: Replica, peer: bytes) -> None:
        self._replica, self._peer = replica, peer
        self._queue: deque[Place] = deque()
        self._asked: set[Place] = set()
        self._differing = 0
        self._told: bytes | None = None  # the digest that began a round and has no answer yet
        # The digests of both sides when a document was compared, and when it was last exchanged
        # whole. Equal pairs mean that the exchange brought nothing to anybody.
        self._compared: dict[Place, tuple[bytes, bytes]] = {}
        self._exchanged: dict[Place, tuple[bytes, bytes]] = {}
        self._retold: dict[Place, tuple[bytes, bytes]] = {}  # when holdings were told plainly
        self.rounds = 0  # finished ones
        self.taken = self.refused = 0  # updates

    @property
    def is_busy(self) -> bool:
        """Whether a round is under way, in which the other side is waiting or is waited for."""
        return bool(self._queue or self._asked)

    @property
    def progress(self) -> Progress:
        return Progress(len(self._queue) + len(self._asked), self._differing)

    def begin(self) -> list[Message]:
        """Start a round; one that is still under way is dropped and starts again."""
        self._queue.clear()
        self._asked.clear()
        self._told = self._replica.root_digest()
        return [Root(self._told)]

    def handle(self, message: Message) -> list[Message]:
        """Take in what the peer sent, return what to send. Bad shard numbers are ignored."""
        match message:
            case Root(digest):
                if digest == self._replica.root_digest():
                    self._replica.note_agreement(self._peer)
                    return [Same()]
                return [Digests(b"".join(self._short_digests()))]
            case Same():
                if self._told == self._replica.root_digest():  # nobody says so unasked
                    self._replica.note_agreement(self._peer)
                self._told = None
                self._exchanged.clear()
                self.rounds += 1
                return []
            case Digests(packed):
                self._told = None
                return self._compare(packed)
            case _ if not _exists(message.shard, getattr(message, "document", CHANGES)):
                return []
            case Ask(shard, document, vector, goes_on):
                data, more = self._replica.missing_for(shard, document, vector)
                ours = None if goes_on else self._replica.vector(shard, document)
                if ours is not None and len(ours) > limits.VECTOR_BYTES_MAX:
                    ours = None
                return [Update(shard, document, data, ours, more)]
            case Update():
                return self._absorb(message)
            case Push(shard, document, data):
                self._take(shard, document, data)
                return []
            case _:
                return self._handle_plain(message)

    # --- rounds ------------------------------------------------------------------------------

    def _short_digests(self) -> list[bytes]:
        ours = self._replica.document_digests()
        return [ours[document][:SHORT_BYTES] for document in _DOCUMENTS]

    def _compare(self, packed: bytes) -> list[Message]:
        if len(packed) != len(_DOCUMENTS) * SHORT_BYTES:
            return []
        theirs = [packed[i : i + SHORT_BYTES] for i in range(0, len(packed), SHORT_BYTES)]
        differing = {
            place: (our, their)
            for place, our, their in zip(_DOCUMENTS, self._short_digests(), theirs, strict=True)
            if our != their
        }
        stubborn = [
            place for place, digests in differing.items() if self._exchanged.get(place) == digests
        ]
        self._compared = differing
        self._asked.clear()
        self._queue = deque(place for place in differing if place not in stubborn)
        self._differing = len(self._queue)
        # What nobody here can settle is not told again until it is something else.
        untold = [place for place in stubborn if self._retold.get(place) != differing[place]]
        for place in untold[: limits.SYNC_WINDOW]:
            if place[1] == HOLDINGS:
                self._retold[place] = differing[place]
        return [*(_plainly(*place) for place in untold[: limits.SYNC_WINDOW]), *self._fill()]

    def _fill(self) -> list[Message]:
        """Ask for the next documents, as far as the window reaches."""
        messages: list[Message] = []
        while self._queue and len(self._asked) < limits.SYNC_WINDOW:
            shard, document = place = self._queue.popleft()
            vector = self._replica.vector(shard, document)
            if len(vector) > limits.VECTOR_BYTES_MAX:  # somebody invented clients without number
                messages.append(_plainly(shard, document))
                continue
            self._asked.add(place)
            messages.append(Ask(shard, document, vector))
        return messages

    def _absorb(self, update: Update) -> list[Message]:
        place = shard, document = update.shard, update.document
        before = self._replica.vector(shard, document) if update.more else b""
        is_taken = self._take(shard, document, update.data)
        answers: list[Message] = []
        if update.vector is not None:
            data, more = self._replica.missing_for(shard, document, update.vector)
            answers.append(Update(shard, document, data, None, more))
        if update.more and is_taken:
            vector = self._replica.vector(shard, document)
            if vector != before:  # whoever sends parts that bring nothing is not asked for more
                return [*answers, Ask(shard, document, vector, goes_on=True)]
        if place in self._asked:
            self._asked.discard(place)
            if place in self._compared:
                self._exchanged[place] = self._compared[place]
            answers += self._fill()
            if not self.is_busy:
                self.rounds += 1
        return answers

    def _take(self, shard: int, document: int, data: bytes) -> bool:
        is_taken = self._replica.receive(shard, document, data, self._peer)
        self.taken += is_taken
        self.refused += not is_taken
        return is_taken

    # --- changes outside of documents --------------------------------------------------------

    def _handle_plain(self, message: Message) -> list[Message]:
        match message:
            case AskIds(shard, after):
                ids = self._replica.change_ids(shard, after, _IDS_PER_MESSAGE)
                return [Ids(shard, b"".join(ids), len(ids) == _IDS_PER_MESSAGE)]
            case Ids(shard, packed, more):
                ids = _unpacked(packed)
                here = set(self._replica.change_ids(shard, b"", limits.CHANGES_PER_SHARD_MAX))
                lacking = [name for name in ids if name not in here]
                pieces = range(0, len(lacking), limits.ENTRIES_PER_MESSAGE_MAX)
                asks: list[Message] = [
                    AskChanges(shard, b"".join(lacking[i : i + limits.ENTRIES_PER_MESSAGE_MAX]))
                    for i in pieces
                ]
                return [*asks, AskIds(shard, ids[-1])] if more and ids else asks
            case AskChanges(shard, packed):
                wanted = _unpacked(packed)[: limits.ENTRIES_PER_MESSAGE_MAX]
                return _plain(shard, self._replica.read_changes(shard, wanted))
            case PlainChanges(_, changes):
                try:
                    self._replica.adopt(changes, self._peer)
                except ChangeInvalid:
                    self.refused += 1
            case AskHoldings():
                return [tell(message, self._replica.holdings(message.shard))]
            case PlainHoldings(shard):
                some = heard(message)
                if not self._replica.believe(shard, some, self._peer):
                    self.refused += 1
                    return []
                return [*goes_on(message, some)]
        return []


def _plainly(shard: int, document: int) -> Message:
    return AskIds(shard) if document == CHANGES else AskHoldings(shard)


def _plain(shard: int, changes: Sequence[bytes]) -> list[Message]:
    """Return messages of a bounded length that carry `changes`."""
    messages: list[Message] = []
    batch: list[bytes] = []
    for data in changes:
        if batch and sum(map(len, batch)) + len(data) > limits.UPDATE_PART_BYTES_MAX:
            messages.append(PlainChanges(shard, tuple(batch)))
            batch = []
        batch.append(data)
    return [*messages, PlainChanges(shard, tuple(batch))] if batch else messages


def _unpacked(packed: bytes) -> list[ChangeId]:
    whole = len(packed) - len(packed) % HASH_BYTES
    return [ChangeId(packed[i : i + HASH_BYTES]) for i in range(0, whole, HASH_BYTES)]


def _exists(shard: int, document: int) -> bool:
    return 0 <= shard < SHARD_COUNT and document in (CHANGES, HOLDINGS)
