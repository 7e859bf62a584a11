"""What moves on this node, what is left alone, and when everything is safe: one place to ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from photonic import limits
from photonic.ids import peer_id
from photonic.p2p.jobs import TransferView as Transfer
from photonic.p2p.planner import ORIGINAL
from photonic.p2p.transfers import Transfers
from photonic.pauses import Pauses, PauseView
from photonic.safety import Safety, SafetyView


@dataclass(frozen=True, slots=True)
class TransferView:
    """One blob on its way in; `done_bytes` are verified and on disk. `peers` are peer IDs.

    `kind`: original, preview or sidecar; `name` is that of the photo.

    `state`: waiting, fetching, landing (being made durable) or blocked, then `problem` says by
    what. `eta_s` is null where nobody can say.
    """

    blob: str
    name: str
    state: str
    done_bytes: int
    total_bytes: int
    rate_bytes_s: float
    peers: list[str]
    eta_s: float | None = None
    problem: str | None = None
    kind: str = ORIGINAL


@dataclass(frozen=True, slots=True)
class TransfersView:
    """What is being fetched, the most urgent first.

    `in_view`: how many blobs are looked at now, of which `items` are the first; `rate_bytes_s` is
    what comes in over all. `previews_first`: the link is slow, so previews come before originals.
    """

    items: list[TransferView]
    in_view: int
    rate_bytes_s: float
    previews_first: bool
    pauses: list[PauseView]
    safety: SafetyView


class Moving:
    """See the module."""

    def __init__(
        self, transfers: Callable[[], Transfers | None], pauses: Pauses, safety: Safety
    ) -> None:
        self._transfers, self.pauses, self.safety = transfers, pauses, safety

    def transfers(self, limit: int = limits.PAGE_ITEMS_MAX) -> list[TransferView]:
        """Return the most urgent transfers."""
        moving = self._transfers()
        return [view_of(one) for one in moving.snapshot(limit)] if moving is not None else []

    async def view(self, limit: int) -> TransfersView:
        """Return all of it, with at most `limit` transfers."""
        moving = self._transfers()
        return TransfersView(
            items=self.transfers(limit),
            in_view=moving.count if moving is not None else 0,
            rate_bytes_s=moving.rate_bytes_s if moving is not None else 0.0,
            previews_first=moving is not None and moving.is_slow_link,
            pauses=await self.pauses.views(),
            safety=self.safety.view(),
        )


def view_of(transfer: Transfer) -> TransferView:
    """Return a transfer as the outside sees it."""
    problem = transfer.problem
    return TransferView(
        blob=transfer.blob.hex(),
        name=transfer.name,
        state=transfer.state.value,
        done_bytes=transfer.done_bytes,
        total_bytes=transfer.total_bytes,
        rate_bytes_s=transfer.rate_bytes_s,
        peers=[peer_id(node) for node in transfer.peers],
        eta_s=transfer.eta_s,
        problem=None if problem is None else f"{problem.message} {problem.fix}",
        kind=transfer.kind,
    )
