"""Anti-entropy between two replicas, as a machine: message in, messages out.

    Root -> (equal: Same) | Digests -> Ask for each differing document -> Update (+ the asker's
    own vector, answered with an Update in the other direction)

A round costs 32 bytes when nothing differs, 4 kB of digests when something does, and then what is
missing. The documents that differ are taken a few at a time, so that neither side ever has more
than `limits.SYNC_WINDOW` answers under way. A round that is cut is simply started again: every
update that arrived is kept, so it goes on where it was. Nothing here knows a socket or a clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Protocol

import msgspec

from photonic import limits
from photonic.crdt.journal import CHANGES, HOLDINGS
from photonic.crdt.shards import ROOT, SHARD_COUNT

SHORT_BYTES = 8  # of a document's digest: enough to find what differs; the root digest is whole
_DOCUMENTS = [
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
    """Send me what I lack of a document; here is what I have of it."""

    shard: int
    document: int
    vector: bytes


class Update(msgspec.Struct, tag="update", frozen=True):
    """What the other side lacked. `vector` asks for the same in return."""

    shard: int
    document: int
    data: bytes
    vector: bytes | None = None


class Push(msgspec.Struct, tag="push", frozen=True):
    """A new update, sent at once to every connected peer. It may be lost; a round heals it."""

    shard: int
    document: int
    data: bytes


Message = Root | Same | Digests | Ask | Update | Push


class Replica(Protocol):
    """What the machine needs of a catalog. Each call is quick; none waits for a disk."""

    def root_digest(self) -> bytes: ...

    def document_digests(self) -> Mapping[tuple[int, int], bytes]: ...

    def vector(self, shard: int, document: int) -> bytes: ...

    def missing_for(self, shard: int, document: int, vector: bytes) -> bytes: ...

    def receive(self, shard: int, document: int, update: bytes, peer: bytes) -> bool:
        """Take in an update at the door; False if it was refused."""
        ...


class Reconciler:
    """One side of the anti-entropy with one peer. Both sides run the same machine."""

    def __init__(self, replica: Replica, peer: bytes) -> None:
        self._replica, self._peer = replica, peer
        self._queue: deque[tuple[int, int]] = deque()
        self._asked: set[tuple[int, int]] = set()
        self.rounds = 0  # finished ones
        self.refused = 0

    @property
    def is_busy(self) -> bool:
        """Whether a round is under way, in which the other side is waiting or is waited for."""
        return bool(self._queue or self._asked)

    def begin(self) -> list[Message]:
        """Start a round; one that is still under way is dropped and starts again."""
        self._queue.clear()
        self._asked.clear()
        return [Root(self._replica.root_digest())]

    def handle(self, message: Message) -> list[Message]:
        """Take in what the peer sent, return what to send. Bad shard numbers are ignored."""
        match message:
            case Root(digest):
                if digest == self._replica.root_digest():
                    return [Same()]
                return [Digests(b"".join(self._short_digests()))]
            case Same():
                self.rounds += 1
                return []
            case Digests(packed):
                return self._compare(packed)
            case Ask(shard, document, vector) if _exists(shard, document):
                data = self._replica.missing_for(shard, document, vector)
                return [Update(shard, document, data, self._replica.vector(shard, document))]
            case Update(shard, document, data, vector) if _exists(shard, document):
                return self._absorb(shard, document, data, vector)
            case Push(shard, document, data) if _exists(shard, document):
                self._take(shard, document, data)
        return []

    def _short_digests(self) -> list[bytes]:
        ours = self._replica.document_digests()
        return [ours[document][:SHORT_BYTES] for document in _DOCUMENTS]

    def _compare(self, packed: bytes) -> list[Message]:
        if len(packed) != len(_DOCUMENTS) * SHORT_BYTES:
            return []
        theirs = (packed[i : i + SHORT_BYTES] for i in range(0, len(packed), SHORT_BYTES))
        self._asked.clear()
        self._queue = deque(
            document
            for document, our, their in zip(_DOCUMENTS, self._short_digests(), theirs, strict=True)
            if our != their
        )
        return self._fill()

    def _fill(self) -> list[Message]:
        """Ask for the next documents, as far as the window reaches."""
        messages: list[Message] = []
        while self._queue and len(self._asked) < limits.SYNC_WINDOW:
            shard, document = self._queue.popleft()
            self._asked.add((shard, document))
            messages.append(Ask(shard, document, self._replica.vector(shard, document)))
        return messages

    def _absorb(
        self, shard: int, document: int, data: bytes, vector: bytes | None
    ) -> list[Message]:
        self._take(shard, document, data)
        answers: list[Message] = []
        if vector is not None:
            answers.append(
                Update(shard, document, self._replica.missing_for(shard, document, vector))
            )
        if (shard, document) in self._asked:
            self._asked.discard((shard, document))
            answers += self._fill()
            if not self.is_busy:
                self.rounds += 1
        return answers

    def _take(self, shard: int, document: int, data: bytes) -> None:
        if not self._replica.receive(shard, document, data, self._peer):
            self.refused += 1


def _exists(shard: int, document: int) -> bool:
    return 0 <= shard < SHARD_COUNT and document in (CHANGES, HOLDINGS)
