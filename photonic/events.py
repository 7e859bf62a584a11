"""Facts that the node announces, and a bounded log of them.

The core announces what happened and does not know who listens: metrics, the log and server-sent
events subscribe here. An event says *that* something changed, with enough to know what to ask for;
it is never the only place where a fact is kept. A listener that was away longer than the log
reaches gets a `Gap` and must read everything again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from photonic import limits
from photonic.ids import BlobId, ChangeId, NodeId, Subject


@dataclass(frozen=True, slots=True)
class SubjectsChanged:
    """Subjects whose folded state may be another one now."""

    subjects: tuple[Subject, ...]
    changes: tuple[ChangeId, ...] = ()
    origin: NodeId | None = None  # the peer that brought it; None: made here


@dataclass(frozen=True, slots=True)
class IndexCaughtUp:
    """What lagged behind in the index is there: any list may be another one now."""


@dataclass(frozen=True, slots=True)
class HoldingsChanged:
    """Blobs that some node came to hold, or dropped."""

    subjects: tuple[Subject, ...]


@dataclass(frozen=True, slots=True)
class PeerChanged:
    """A peer that came, went, or told something new about itself."""

    node: NodeId
    connected: bool


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """One blob on its way in. `done` of `total` bytes are verified and on disk."""

    blob: bytes
    name: str
    done_bytes: int
    total_bytes: int
    peers: int
    state: str = "fetching"
    rate_bytes_s: float = 0.0
    eta_s: float | None = None  # None: nobody can say
    kind: str = "original"  # or preview, sidecar


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is."""

    folder: str
    found: int
    imported: int
    known: int
    failed: int
    finished: bool


@dataclass(frozen=True, slots=True)
class CatalogTaskProgress:
    """How far an export or import of the whole catalog is; `total` is None until it is known."""

    task: str
    folder: str
    done: int
    total: int | None
    finished: bool


@dataclass(frozen=True, slots=True)
class ProblemsChanged:
    """The list of problems in the status is another one now."""

    count: int


@dataclass(frozen=True, slots=True)
class BlobChecked:
    """A stored blob was not as it should be, or is again.

    `state`: damaged, lost, unreadable (the disk gives an error), mended, or repaired.
    """

    blob: bytes
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class VerificationProgress:
    """How far a verification is that somebody asked for; `total` is None until it is known."""

    verification: str
    done: int
    total: int | None
    finished: bool


@dataclass(frozen=True, slots=True)
class ScrubChanged:
    """The regular verification is paused now, or goes on."""

    paused: bool


@dataclass(frozen=True, slots=True)
class LimitsChanged:
    """The limits of this node's transfers are other ones now."""

    metered: bool


@dataclass(frozen=True, slots=True)
class PausesChanged:
    """Something is left alone now, or not any more; so many things are."""

    count: int


@dataclass(frozen=True, slots=True)
class PlacementChanged:
    """Rules of placement, or the members that they are about, are others now; so many rules are."""

    count: int


@dataclass(frozen=True, slots=True)
class SafetyChanged:
    """How many photos have too few copies; `eta_s` until that is over, None: nobody can say."""

    photos_at_risk: int
    bytes_left: int
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class BufferChanged:
    """The room for originals is fuller, or emptier, or does otherwise than before.

    `state`: calm, evicting, filling, stuck or full.
    """

    state: str
    used_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BlobsPromised:
    """This node promised a member to keep blobs for so long; it is written down already."""

    blobs: tuple[BlobId, ...]
    node: NodeId
    keep_s: int


@dataclass(frozen=True, slots=True)
class ExportsChanged:
    """The tree, or who mounts it, is otherwise than it was.

    `tree` and `nfs` are their states; `built`: how many files came, went or changed so far;
    `taken_in`: how many sidecars that somebody wrote there were taken in.
    """

    tree: str
    nfs: str
    originals: int
    built: int
    taken_in: int


@dataclass(frozen=True, slots=True)
class Audited:
    """Something that belongs into the audit log: `act` is a dotted name, as "token.created".

    `facts` are text, and never a secret.
    """

    act: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Gap:
    """Events between what the listener saw and what the log still has are gone."""


Event = (
    SubjectsChanged
    | IndexCaughtUp
    | HoldingsChanged
    | PeerChanged
    | TransferProgress
    | ImportProgress
    | CatalogTaskProgress
    | ProblemsChanged
    | BlobChecked
    | VerificationProgress
    | ScrubChanged
    | LimitsChanged
    | PausesChanged
    | PlacementChanged
    | SafetyChanged
    | BufferChanged
    | BlobsPromised
    | ExportsChanged
    | Audited
    | Gap
)
Listener = Callable[[int, Event], None]


class EventLog:
    """The last events with their numbers, and whoever wants to hear of new ones.

    Listeners are called in order, on the caller's thread, and must neither block nor raise.
    """

    def __init__(self, kept: int = limits.EVENTS_KEPT) -> None:
        self._events: deque[tuple[int, Event]] = deque(maxlen=kept)
        self._listeners: list[Listener] = []
        self._last = 0

    @property
    def last_id(self) -> int:
        return self._last

    def announce(self, event: Event) -> int:
        """Number `event`, keep it, and tell every listener."""
        self._last += 1
        self._events.append((self._last, event))
        for listener in tuple(self._listeners):
            listener(self._last, event)
        return self._last

    def since(self, seen_id: int) -> list[tuple[int, Event]]:
        """Return the events after `seen_id`, led by a `Gap` if some of them are gone.

        A number from the future (this log began again after a restart) is a gap, too.
        """
        if seen_id == self._last:
            return []
        oldest = self._events[0][0] if self._events else self._last + 1
        if seen_id > self._last or seen_id + 1 < oldest:
            return [(self._last, Gap())]
        return [(number, event) for number, event in self._events if number > seen_id]

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; call what is returned to remove it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
