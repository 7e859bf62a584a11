"""Time to safe: how many photos are on fewer nodes than they should be, and when that is over.

A photo is safe when as many members say they hold its original as the setting `min_copies` wants.
The speed is how fast the bytes that are left grow less, whoever moves them; as long as no whole
photo has become safe, what this node itself moves. While nothing moves nobody can say when, and it
is said so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from photonic import limits
from photonic.crdt.answers import AtRisk
from photonic.crdt.query import PhotoQuery
from photonic.errors import IndexUnreadable
from photonic.events import Event, SafetyChanged
from photonic.p2p.pacing import Meter, Outlook
from photonic.world import Clock

SAFE, MOVING, STILL, PAUSED, FEW_NODES, UNKNOWN = (
    "safe", "moving", "still", "paused", "too-few-nodes", "unknown"
)  # fmt: skip
_DECLINE_SPAN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class SafetyView:
    """How many photos have fewer than `min_copies` copies, and when all have them.

    `state`: safe, moving, still (nothing moves), paused (on this node), too-few-nodes (fewer
    members than copies), unknown (not counted yet). `bytes_left` are those of the copies that are
    lacking, `rate_bytes_s` how fast they grow less; `eta_s` is null where nobody can say.
    """

    min_copies: int
    state: str
    photos_at_risk: int
    bytes_left: int
    rate_bytes_s: float
    eta_s: float | None


def state_of(at_risk: AtRisk, outlook: Outlook, copies: int, members: int, *, paused: bool) -> str:
    """Return the one word for it."""
    if not at_risk.photos:
        return SAFE
    if members < copies:
        return FEW_NODES
    if outlook.moved_s is not None:
        return MOVING
    return PAUSED if paused else STILL


class Safety:
    """Looks, and tells when the answer is another one. `run` owns the only task."""

    def __init__(
        self,
        query: PhotoQuery,
        clock: Clock,
        min_copies: int,
        members: Callable[[], int],
        moved_bytes: Callable[[], int],
        is_paused: Callable[[], bool],
        announce: Callable[[Event], object],
    ) -> None:
        """`members` counts this node, too; `moved_bytes` only grows."""
        self._query, self._clock, self._copies = query, clock, min_copies
        self._members, self._moved, self._is_paused = members, moved_bytes, is_paused
        self._announce = announce
        self._at_risk: AtRisk | None = None
        self._outlook = Outlook()
        self._decline = Meter(clock.monotonic_s(), _DECLINE_SPAN_S)
        self._own = Meter(clock.monotonic_s())
        self._declined_s: float | None = None
        self._moved_before = 0
        self._told: SafetyView | None = None

    async def run(self) -> None:
        """Look again and again, until cancelled; the more it costs, the more seldom."""
        while True:
            began_s = trio.current_time()
            try:
                found = await trio.to_thread.run_sync(self._query.at_risk, self._copies)
            except IndexUnreadable:  # it is being made again
                await trio.sleep(limits.SAFETY_LOOK_S)
                continue
            self.note(found)
            took_s = trio.current_time() - began_s
            await trio.sleep(max(limits.SAFETY_LOOK_S, limits.SAFETY_PAUSE_FACTOR * took_s))

    def note(self, found: AtRisk) -> None:
        """Take in a look at the index, and tell if something is another than before."""
        now_s = self._clock.monotonic_s()
        before, self._at_risk = self._at_risk, found
        if before is not None and found.lacking_bytes < before.lacking_bytes:
            self._decline.add(before.lacking_bytes - found.lacking_bytes, now_s)
            self._declined_s = now_s
        moved = self._moved()
        self._own.add(moved - self._moved_before, now_s)
        self._moved_before = moved
        self._outlook = self._outlook.looked(found.lacking_bytes, self._rate(now_s), now_s)
        view = self.view()
        if self._told is None or _is_other(self._told, view):
            self._told = view
            self._announce(SafetyChanged(view.photos_at_risk, view.bytes_left, view.eta_s))

    def _rate(self, now_s: float) -> float:
        if self._declined_s is not None and now_s - self._declined_s < 2 * _DECLINE_SPAN_S:
            return self._decline.rate(now_s)
        return self._own.rate(now_s)

    def view(self) -> SafetyView:
        """Return how safe the library is."""
        now_s, found = self._clock.monotonic_s(), self._at_risk
        if found is None:
            return SafetyView(self._copies, UNKNOWN, 0, 0, 0.0, None)
        state = state_of(
            found, self._outlook, self._copies, self._members(), paused=self._is_paused()
        )
        eta_s = self._outlook.eta_s(now_s) if state in (SAFE, MOVING) else None
        rate = self._rate(now_s) if state == MOVING else 0.0
        return SafetyView(self._copies, state, found.photos, found.lacking_bytes, rate, eta_s)


def _is_other(told: SafetyView, view: SafetyView) -> bool:
    """Whether somebody who was told the one must be told the other."""
    if (told.state, told.photos_at_risk) != (view.state, view.photos_at_risk):
        return True
    if (told.eta_s is None) != (view.eta_s is None):
        return True
    return view.bytes_left != told.bytes_left
