"""Time to safe: how many photos are on fewer nodes than they should be, and when that is over.

A photo is safe when as many members say they hold its original as the rules of placement want, or
the setting `min_copies` where no rule says a number.
Only members with the scope `blobs.hold` count; from the others one fetches.
What is left counts what is here already of a file that is still on its way. The speed is how fast
that grows less, whoever moves the bytes; where this node moves most of them, how fast it does, for
what others have of a file is only heard of when they have all of it. While nothing moves nobody can
say when, and it is said so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from photonic import limits
from photonic.crdt.answers import AtRisk
from photonic.errors import IndexUnreadable
from photonic.events import (
    Event,
    HoldingsChanged,
    IndexCaughtUp,
    PlacementChanged,
    SafetyChanged,
    SubjectsChanged,
)
from photonic.ids import NodeId
from photonic.p2p.pacing import Meter, Outlook
from photonic.world import Clock

SAFE, MOVING, STILL, PAUSED, FEW_NODES, UNKNOWN = (
    "safe", "moving", "still", "paused", "too-few-nodes", "unknown"
)  # fmt: skip
_DECLINE_SPAN_S: Final = 30.0
_OWN_SPAN_S: Final = 15.0  # some looks: one that has just come counts too much
_NEWS: Final = (SubjectsChanged, HoldingsChanged, IndexCaughtUp, PlacementChanged)
_MOST: Final = 0.6  # of what moves, at least, where this node's own speed is told


@dataclass(frozen=True, slots=True)
class SafetyView:
    """How many photos have fewer copies than are wanted, and when all have them.

    `min_copies` are wanted of a photo of which no rule of placement says a number.

    `state`: safe, moving, still (nothing moves), paused (on this node), too-few-nodes (fewer
    members whose copies count than copies), unknown (not counted yet). `bytes_left` are those of
    the copies that are lacking, `rate_bytes_s` how fast they grow less; `eta_s` is null where
    nobody can say. Of `only_here` photos this node has the only copy, of `nowhere` ones there is
    none that counts.
    """

    min_copies: int
    state: str
    photos_at_risk: int
    bytes_left: int
    rate_bytes_s: float
    eta_s: float | None
    only_here: int = 0
    nowhere: int = 0


class Risks(Protocol):
    """Counts the photos that are not safe: `placements.Placements` by the rules of the library."""

    def at_risk(self, copies: int, *, counts_here: bool = True) -> AtRisk:
        """`copies`: how many are wanted where no rule says it. Blocks; raises IndexUnreadable."""
        ...


class Progress:
    """How fast what is left grows less. Told the time: monotonic seconds."""

    def __init__(self, now_s: float) -> None:
        self._decline, self._own = Meter(now_s, _DECLINE_SPAN_S), Meter(now_s, _OWN_SPAN_S)
        self._declined_s: float | None = None
        self._lacking = self._least = 0
        self._moved: int | None = None
        self._unproven = 0  # moved by this node, and nothing grew less for it yet

    def looked(self, lacking: int, left: int, moved: int, now_s: float) -> None:
        """Take in what is lacking, what of it is left to move, and all that this node moved."""
        if self._moved is None:  # what was before is no progress
            self._lacking, self._least, self._moved = lacking, left, moved
        own, self._moved = moved - self._moved, moved
        # What landed is on its way no more and lacking still until it is told: that is no loss.
        self._least += max(0, lacking - self._lacking)
        self._lacking = lacking
        declined = max(0, self._least - left)
        self._least -= declined
        self._own.add(own, now_s)
        self._unproven = max(0, self._unproven + own - declined)
        if declined:
            self._decline.add(declined, now_s)
            self._declined_s = now_s

    def rate(self, now_s: float) -> float:
        """Return bytes per second; 0 where nothing grows less, or will soon."""
        decline, own = 0.0, self._own.rate(now_s)
        if self._declined_s is not None and now_s - self._declined_s < 2 * _DECLINE_SPAN_S:
            decline = self._decline.rate(now_s)
        # More than all that is lacking was moved: then that is not what moves.
        is_believed = self._unproven <= self._lacking and own >= _MOST * decline
        return own if is_believed else decline


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
        risks: Risks,
        clock: Clock,
        min_copies: int,
        members: Callable[[], Collection[NodeId]],
        me: NodeId,
        moved_bytes: Callable[[], int],
        underway_bytes: Callable[[int], int],
        is_paused: Callable[[], bool],
        announce: Callable[[Event], object],
    ) -> None:
        """`members`: those whose copies count, `me` mostly among them; `moved_bytes` only grows.

        `underway_bytes`: what is here of originals on their way that have fewer copies than this.
        """
        self._risks, self._clock, self._copies = risks, clock, min_copies
        self._members, self._me = members, me
        self._moved, self._is_paused = moved_bytes, is_paused
        self._underway = underway_bytes
        self._announce = announce
        self._news = trio.Event()
        self._at_risk: AtRisk | None = None
        self._outlook = Outlook()
        self._progress = Progress(clock.monotonic_s())
        self._left = 0
        self._told: SafetyView | None = None

    async def run(self) -> None:
        """Look again and again, until cancelled; the more it costs, the more seldom.

        Where everything is safe it needs news to be otherwise, and what is missed of them is seen
        a little later.
        """
        while True:
            began_s, self._news = trio.current_time(), trio.Event()
            try:
                found = await trio.to_thread.run_sync(self._look)
            except IndexUnreadable:  # it is being made again
                await trio.sleep(limits.SAFETY_LOOK_S)
                continue
            self.note(found)
            took_s = trio.current_time() - began_s
            await trio.sleep(max(limits.SAFETY_LOOK_S, limits.SAFETY_PAUSE_FACTOR * took_s))
            if not found.photos:
                with trio.move_on_after(limits.SAFETY_IDLE_S):
                    await self._news.wait()

    def hear(self, event: Event) -> None:
        """Listen to the node: what changes photos, or where they are. Never waits."""
        if isinstance(event, _NEWS):
            self._news.set()

    def _look(self) -> AtRisk:
        return self._risks.at_risk(self._copies, counts_here=self._counts_here)

    @property
    def _counts_here(self) -> bool:
        """Whether what this node holds is a copy."""
        return self._me in self._members()

    def note(self, found: AtRisk) -> None:
        """Take in a look at the index, and tell if something is another than before."""
        now_s = self._clock.monotonic_s()
        self._at_risk = found
        underway = self._underway(self._copies) if self._counts_here else 0
        self._left = max(0, found.lacking_bytes - underway)
        self._progress.looked(found.lacking_bytes, self._left, self._moved(), now_s)
        # The last file is here and nobody is told yet: nothing is left to move, and it is not safe.
        left = max(self._left, 1) if found.photos else 0
        self._outlook = self._outlook.looked(left, self._progress.rate(now_s), now_s)
        view = self.view()
        if self._told is None or _is_other(self._told, view):
            self._told = view
            self._announce(SafetyChanged(view.photos_at_risk, view.bytes_left, view.eta_s))

    def view(self) -> SafetyView:
        """Return how safe the library is."""
        now_s, found = self._clock.monotonic_s(), self._at_risk
        if found is None:
            return SafetyView(self._copies, UNKNOWN, 0, 0, 0.0, None)
        state = state_of(
            found,
            self._outlook,
            found.copies or self._copies,
            len(self._members()),
            paused=self._is_paused(),
        )
        eta_s = self._outlook.eta_s(now_s) if state in (SAFE, MOVING) else None
        rate = self._progress.rate(now_s) if state == MOVING else 0.0
        return SafetyView(
            self._copies, state, found.photos, self._left, rate, eta_s,
            found.only_here, found.nowhere,
        )  # fmt: skip


def _is_other(told: SafetyView, view: SafetyView) -> bool:
    """Whether somebody who was told the one must be told the other."""
    if (told.state, told.photos_at_risk) != (view.state, view.photos_at_risk):
        return True
    if (told.eta_s is None) != (view.eta_s is None):
        return True
    return view.bytes_left != told.bytes_left
