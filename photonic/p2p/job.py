"""One blob on its way in: what of it is asked and stored, and how it stands."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from photonic.errors import PhotonicError
from photonic.events import TransferProgress
from photonic.ids import BlobId, NodeId
from photonic.p2p.exchange import Arriving
from photonic.p2p.pacing import Meter, eta_s
from photonic.p2p.planner import ORIGINAL, Want


class TransferState(enum.Enum):
    """How a transfer stands."""

    WAITING = "waiting"  # for its turn, or for a peer that backs off
    FETCHING = "fetching"
    LANDING = "landing"  # all bytes are here; being made durable
    BLOCKED = "blocked"  # by a problem of this node, such as a full disk


@dataclass(frozen=True, slots=True)
class TransferView:
    """One transfer as the status shows it. `eta_s`: None while nobody can say."""

    name: str
    blob: BlobId
    done_bytes: int
    total_bytes: int
    rate_bytes_s: float
    peers: tuple[NodeId, ...]
    state: TransferState
    problem: PhotonicError | None
    eta_s: float | None = None
    kind: str = ORIGINAL


@dataclass(slots=True)
class Job:
    """One wanted blob. Changed by `Jobs` only."""

    want: Want
    partial: Arriving | None = None
    unasked: list[int] = field(default_factory=list)  # ascending
    missing: set[int] = field(default_factory=set)
    doubled: dict[int, int] = field(default_factory=dict)  # chunks asked more than once: how often
    done_bytes: int = 0
    is_head_asked: bool = False  # the chunk list, or the whole of a small blob
    is_landing: bool = False
    asked: dict[NodeId, int] = field(default_factory=dict)  # questions in flight
    not_before_s: float = 0.0
    look_s: float = 0.0  # it is noted that it is to be looked at then
    problem: PhotonicError | None = None
    meter: Meter | None = None
    progress_s: float = 0.0

    def began(self, partial: Arriving) -> None:
        """Take over a partial: new, or left by an earlier run."""
        self.partial = partial
        self.missing = set(partial.missing())
        self.unasked = sorted(self.missing)
        missing_bytes = sum(partial.chunks.chunks[index].size_bytes for index in self.missing)
        self.done_bytes = self.want.ref.size_bytes - missing_bytes

    def begin_again(self) -> None:
        """Forget what was thought to be here."""
        self.partial, self.done_bytes = None, 0
        self.missing, self.unasked = set(), []

    @property
    def is_complete(self) -> bool:
        return self.partial is not None and not self.missing

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it is on its way, so that it may end at once."""
        return not self.asked and not self.is_landing

    @property
    def has_questions(self) -> bool:
        """Whether something is to be asked."""
        if self.is_landing or self.is_head_asked:
            return False
        return self.partial is None or bool(self.unasked)

    def view(self, now_s: float) -> TransferView:
        """Return how this transfer stands."""
        if self.problem is not None:
            state = TransferState.BLOCKED
        elif self.is_landing:
            state = TransferState.LANDING
        else:
            state = TransferState.FETCHING if self.asked else TransferState.WAITING
        rate = self.meter.rate(now_s) if self.meter is not None else 0.0
        ref, peers = self.want.ref, tuple(sorted(self.asked))
        is_moving = state is TransferState.FETCHING
        left_s = eta_s(ref.size_bytes - self.done_bytes, rate) if is_moving else None
        return TransferView(
            self.want.name, ref.blob, self.done_bytes, ref.size_bytes, rate, peers, state,
            self.problem, left_s, self.want.kind,
        )  # fmt: skip

    def progress(self, now_s: float) -> TransferProgress:
        """Return what is told of it while it moves."""
        view = self.view(now_s)
        return TransferProgress(
            view.blob, view.name, view.done_bytes, view.total_bytes, len(view.peers),
            view.state.value, view.rate_bytes_s, view.eta_s, view.kind,
        )  # fmt: skip
