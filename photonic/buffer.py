"""The buffer: how full the room for originals is, what is done about it, and what is said of it.

Below the high mark nothing happens. At it, the oldest photos go that others prove to hold, down to
the low mark; previews stay. If too little may go, taking in is slowed down, the fuller the more,
and it is said when the buffer will be full, which is long before it is. When it is, the store
refuses (StoreFull), and what waits is taken in when there is room again. Nothing is ever dropped to
make room that is not proven to be elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import trio

from photonic import limits
from photonic.blobs.files import FileStore
from photonic.config import Settings
from photonic.errors import BufferStuck, IndexUnreadable
from photonic.events import (
    BufferChanged,
    Event,
    HoldingsChanged,
    ImportProgress,
    PeerChanged,
    SubjectsChanged,
)
from photonic.eviction_views import BufferView, EvictionsView, EvictionView
from photonic.evictions import Evictions
from photonic.ids import NodeId, peer_id
from photonic.p2p.pacing import Meter
from photonic.problems import Problems
from photonic.prospects import Judged, going_bytes
from photonic.roles.retention import Level, Reason, level_of
from photonic.roles.role import Role
from photonic.world import World

log = logging.getLogger(__name__)

CALM, EVICTING, FILLING, STUCK, FULL = "calm", "evicting", "filling", "stuck", "full"
_FULL_SHARE = 0.99
_PLACE = "the buffer"  # of the problem, for it is about no file


class Buffer:
    """One node's. `run` owns the only task that evicts by itself."""

    def __init__(
        self,
        settings: Settings,
        role: Role,
        store: FileStore,
        evictions: Evictions,
        taken_bytes: Callable[[], int],
        name_of: Callable[[NodeId], str | None],
        problems: Problems,
        world: World,
        announce: Callable[[Event], object],
    ) -> None:
        """`taken_bytes` only grows: what was imported here."""
        self._settings, self._role, self._store = settings, role, store
        self._evictions, self._taken, self._name_of = evictions, taken_bytes, name_of
        self._problems, self._world, self._announce = problems, world, announce
        self._news, self._freed = trio.Event(), trio.Event()
        self._level: Level | None = None
        self._looked_s = float("-inf")
        self._meter = Meter(world.clock.monotonic_s(), limits.BUFFER_RATE_SPAN_S)
        self._taken_before = taken_bytes()
        self._is_evicting, self._may_go_bytes, self._why_not = False, 0, ""
        self._is_staying = False  # something would have to go that may not
        self._told = ""

    # --- looking -----------------------------------------------------------------------------

    async def look(self) -> Level:
        """Measure how full it is now."""
        self._level = await trio.to_thread.run_sync(self._measure)
        now_s = self._looked_s = self._world.clock.monotonic_s()
        taken = self._taken()
        self._meter.add(taken - self._taken_before, now_s)
        self._taken_before = taken
        return self._level

    def _measure(self) -> Level:
        settings = self._settings
        return level_of(
            stored_bytes=self._store.quota.used_bytes(),
            free_bytes=self._world.files.free_bytes(settings.home),
            buffer_bytes=settings.quota_bytes,
            reserve_bytes=settings.reserve_bytes,
            high_percent=settings.buffer_high,
            low_percent=settings.buffer_low,
        )

    async def view(self) -> BufferView:
        """Return how it stands."""
        level = await self.look()
        rate = self._meter.rate(self._world.clock.monotonic_s())
        return BufferView(
            state=self._state(level),
            used_bytes=level.used_bytes,
            size_bytes=level.size_bytes,
            high_bytes=int(level.size_bytes * level.high),
            low_bytes=int(level.size_bytes * level.low),
            rate_bytes_s=rate,
            full_in_s=level.full_in_s(rate),
            may_go_bytes=self._may_go_bytes,
            evicts=self._role.evicts,
            evicted=self._evictions.count,
            evicted_bytes=self._evictions.size_bytes,
            promised=await trio.to_thread.run_sync(self._store.promises.count),
            why_not=self._why_not,
        )

    def _state(self, level: Level) -> str:
        if self._is_evicting:
            return EVICTING
        if level.share >= _FULL_SHARE:
            return FULL
        is_too_little = self._may_go_bytes < level.to_free_bytes
        if level.is_high and is_too_little and self._role.evicts:
            return STUCK
        rate = self._meter.rate(self._world.clock.monotonic_s())
        full_in_s = level.full_in_s(rate)
        is_soon = full_in_s is not None and full_in_s < limits.BUFFER_WARN_S
        is_too_little = self._may_go_bytes < level.stroke_bytes
        is_too_little = is_too_little and self._is_staying
        return FILLING if self._role.evicts and is_soon and is_too_little else CALM

    # --- doing -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the buffer below its mark, until cancelled."""
        await self._evictions.settle()
        while True:
            self._news = trio.Event()
            wait_s = limits.EVICTION_LOOK_S
            try:
                if self._role.evicts and not await self._keep_low():
                    # Two that evict at one time refuse each other: then one of them comes first.
                    wait_s = limits.EVICTION_PAUSE_S * self._world.entropy.uniform(0.5, 1.5)
            except IndexUnreadable:
                pass  # it is being made again
            await trio.to_thread.run_sync(self._let_time_go_on)
            with trio.move_on_after(wait_s):
                await self._news.wait()
                await trio.sleep(limits.HELLO_PAUSE_S)

    def _let_time_go_on(self) -> None:
        """Note how long this process has run, while somebody relies on it. Blocks."""
        if self._store.promises.count():
            self._store.promises.tick()

    async def _keep_low(self) -> bool:
        """Look, and evict if it is time to; False if less could go than should.

        To look costs something, so a node that lets nothing go by itself looks when it is asked.
        """
        level = await self.look()
        if level.is_high:
            self._is_evicting = True
            self._tell(level)
            try:
                judged = await self._evictions.free(level.to_free_bytes)
            finally:
                self._is_evicting = False
            self._note(judged)
            level = await self.look()
        await self._foresee(level)
        self._tell(level)
        return not level.is_high

    async def free(self, need_bytes: int | None) -> EvictionsView:
        """Evict now, because somebody asked for it: so much, or down to the low mark."""
        level = await self.look()
        wanted = level.to_free_bytes if need_bytes is None else need_bytes
        self._evictions.in_vain.forget()  # who asks by hand may know better
        judged = await self._evictions.free(wanted)
        self._note(judged)
        self._news.set()  # what may go is something else now
        self._tell(await self.look())
        return self._shown(wanted, judged, is_done=True)

    async def plan(self, need_bytes: int | None) -> EvictionsView:
        """Return what would go for so much, or down to the low mark. Asks nobody."""
        level = await self.look()
        wanted = level.to_free_bytes if need_bytes is None else need_bytes
        return self._shown(wanted, await self._evictions.plan(wanted), is_done=False)

    def _note(self, judged: Sequence[Judged]) -> None:
        went = [one for one in judged if one.verdict.may_go]
        stayed = [one for one in judged if not one.verdict.may_go]
        self._why_not = stayed[0].verdict.lacks if stayed else ""
        if went:
            log.info("%d photos went, %d bytes; others hold them", len(went), going_bytes(went))
            self._freed.set()
            self._freed = trio.Event()

    async def _foresee(self, level: Level) -> None:
        """Find out how much could go, if that matters before long; say so if it is too little."""
        rate = self._meter.rate(self._world.clock.monotonic_s())
        if not level.is_high and not rate:
            self._may_go_bytes, self._why_not, self._is_staying = 0, "", False
            self._problems.clear(_PLACE, BufferStuck.code)
            return
        judged = await self._evictions.plan(max(level.to_free_bytes, level.stroke_bytes))
        self._may_go_bytes = going_bytes(judged)
        stayed = [one for one in judged if not one.verdict.may_go]
        self._is_staying = bool(stayed)
        if stayed and not self._why_not:
            self._why_not = stayed[0].verdict.lacks
        if self._state(level) in (FILLING, STUCK, FULL):
            self._problems.add(BufferStuck(self._words(level, rate)), _PLACE)
        else:
            self._problems.clear(_PLACE, BufferStuck.code)

    def _words(self, level: Level, rate: float) -> str:
        words = f"the buffer is {min(level.share, 1):.0%} full"
        full_in_s = level.full_in_s(rate)
        if full_in_s:
            words += f" and will be quite full in {full_in_s / 3600:.1f} h"
        words += ", and too little of it may go"
        return words + (f": {self._why_not}" if self._why_not else "")

    # --- whoever takes in, and whoever listens -----------------------------------------------

    async def make_way(self) -> None:
        """Wait before a file is taken in, where the buffer is over its high mark."""
        if not self._role.evicts:
            return
        level = self._level
        if level is None or self._world.clock.monotonic_s() - self._looked_s > 1.0:
            level = await self.look()
        pause_s = level.pause_s()
        if pause_s:
            self._news.set()
            with trio.move_on_after(pause_s):
                await self._freed.wait()

    def hear(self, event: Event) -> None:
        """Listen to the node: what comes in, and who, are reasons to look. Never waits."""
        match event:
            case SubjectsChanged(origin=None) | ImportProgress() | PeerChanged():
                self._news.set()
            case HoldingsChanged():
                self._evictions.in_vain.forget()
                if self._is_staying:  # it may go by now
                    self._news.set()

    def _tell(self, level: Level) -> None:
        """Announce a state that is another one than was told."""
        state = self._state(level)
        said = f"{state} {level.share:.2f}"
        if said != self._told:
            self._told = said
            self._announce(BufferChanged(state, level.used_bytes, level.size_bytes))

    # --- showing -----------------------------------------------------------------------------

    def _shown(self, wanted: int, judged: Sequence[Judged], *, is_done: bool) -> EvictionsView:
        views = [self._view(one, is_done=is_done) for one in judged]
        most = limits.PAGE_ITEMS_MAX
        going = [v for v, one in zip(views, judged, strict=True) if one.verdict.may_go]
        staying = [v for v, one in zip(views, judged, strict=True) if not one.verdict.may_go]
        return EvictionsView(
            wanted, going[:most], staying[:most], sum(view.bytes for view in going), is_done
        )

    def _view(self, one: Judged, *, is_done: bool) -> EvictionView:
        reason = one.verdict.reason
        seems = reason is Reason.PROVEN and not is_done
        return EvictionView(
            photo=one.candidate.photo.hex(),
            name=one.candidate.name,
            bytes=one.candidate.size_bytes,
            reason="seems-safe" if seems else reason.value,
            lacks=one.verdict.lacks,
            nodes=[self._name_of(node) or peer_id(node) for node in one.nodes],
        )
