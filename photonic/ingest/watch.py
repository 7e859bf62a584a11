"""A watched folder: which files in it are complete and new. The only file that imports watchfiles.

Events are a hint and the scan is the truth: events may be lost (queue overflow, network disks,
names that are no UTF-8), so the folder is looked through at the start and at times ever after. A
file is handed on once it stood still and nobody has it open for writing; what it is, the importer
decides. The folder is only read, and links in it are not followed. A folder that is unreadable or
gone is a problem that is told, never an end: it is watched again as soon as it is back.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar, TypeVarTuple, Unpack

import trio
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from photonic import limits
from photonic.errors import (
    FileEmpty,
    FileUnsettled,
    FileVanished,
    FolderUnknown,
    FolderUnreadable,
    WatchLimited,
)
from photonic.ingest.listing import (
    State,
    identity,
    is_any_readable,
    is_wanted,
    list_some,
    look,
    name_of,
    sort,
    state_of,
)
from photonic.ingest.places import shown
from photonic.problems import Problems
from photonic.world import World

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
HandOn = Callable[[Sequence[Path]], Awaitable[None]]

_EVENTS_GATHERED_MS, _EVENTS_QUIET_MS = 400, 50
_NO_WATCHES_LEFT = (errno.ENOSPC, errno.EMFILE)
_THREADS = 4  # of one watch: one waits for events, the others look at files
# Problems that are over when the file is gone. Damage is not: the original was kept.
_OVER_WITH_FILE = (FileEmpty, FileUnsettled, FileVanished, FolderUnreadable)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A file that may still be written."""

    state: State
    since_s: float  # when it was first seen in this state
    first_s: float  # when it was first seen at all


class Watch:
    """One watched folder and everything below it."""

    def __init__(self, folder: Path, world: World, problems: Problems) -> None:
        self._folder, self._now, self._problems = folder, world.clock.monotonic_s, problems
        # In the order of `since_s`, for what is put in again goes to the end.
        self._waiting: dict[Path, _Waiting] = {}
        self._handed_on: set[bytes] = set()
        self._threads = trio.CapacityLimiter(_THREADS)
        self._changed = trio.Event()  # something waits now, or there is room again
        self._stale: set[Path] = set()  # folders to be looked through
        self._became_stale = trio.Event()
        self._unreadable: set[Path] = set()

    async def run(self, hand_on: HandOn) -> None:
        """Hand on what is in the folder and what comes into it, until cancelled.

        `hand_on` is awaited with one batch after another of regular files, sorted. Each file comes
        once for each size and time of change that it stood still at. What `hand_on` raises ends it.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow)
            await self._hand_on(hand_on)

    async def forget(self, files: Iterable[Path]) -> None:
        """Hand on these files once more, when the next scan meets them: they could not be taken."""
        for path in files:
            if (state := await self._thread(state_of, path)) is not None:
                self._handed_on.discard(name_of(path, state))

    # --- files that wait ---------------------------------------------------------------------

    async def _hand_on(self, hand_on: HandOn) -> None:
        while True:
            while not self._waiting:
                await self._wait_change()
            oldest = next(iter(self._waiting.values()))
            await trio.sleep(max(0.0, oldest.since_s + limits.SETTLE_S - self._now()))
            complete = await self._take_complete()
            self._announce_change()
            if complete:
                await hand_on(sorted(complete))

    async def _take_complete(self) -> list[Path]:
        """Look again at files that waited long enough; take out those that are complete."""
        latest_s = self._now() - limits.SETTLE_S
        due = [
            (path, waiting)
            for path, waiting in islice(self._waiting.items(), limits.WATCH_BATCH_MAX)
            if waiting.since_s <= latest_s
        ]
        looks = await self._thread(look, [path for path, _ in due])
        complete = []
        for (path, waiting), (state, is_being_written) in zip(due, looks, strict=True):
            if self._waiting.get(path) is not waiting:
                continue  # an event came in between and knows more
            if state is None:
                self._drop(path)
            elif state != waiting.state or is_being_written:
                self._wait_longer(path, state, waiting)
            else:
                del self._waiting[path]
                self._problems.clear(shown(path), FileUnsettled.code)
                if len(self._handed_on) < limits.WATCH_SEEN_MAX:
                    self._handed_on.add(name_of(path, state))
                complete.append(path)
        return complete

    def _note(self, path: Path, state: State) -> bool:
        """Let a file wait that was not handed on in this state; False if there is no room."""
        waiting = self._waiting.get(path)
        if waiting is not None:
            if waiting.state != state:
                self._wait_longer(path, state, waiting)
            return True
        if name_of(path, state) in self._handed_on:
            return True
        if len(self._waiting) >= limits.WATCH_PENDING_MAX:
            return False
        now_s = self._now()
        self._waiting[path] = _Waiting(state, now_s, now_s)
        self._announce_change()
        return True

    def _wait_longer(self, path: Path, state: State, waiting: _Waiting) -> None:
        now_s = self._now()
        del self._waiting[path]
        self._waiting[path] = _Waiting(state, now_s, waiting.first_s)
        # Only what takes its time is worth telling: most copies are complete within a second.
        if now_s - waiting.first_s >= limits.SETTLE_S:
            self._problems.add(FileUnsettled(f"{shown(path)} is still written"), shown(path))

    def _drop(self, path: Path) -> None:
        if self._waiting.pop(path, None) is not None:
            self._announce_change()
        for kind in _OVER_WITH_FILE:
            self._problems.clear(shown(path), kind.code)

    def _announce_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _wait_change(self) -> None:
        await self._changed.wait()

    # --- the folder --------------------------------------------------------------------------

    async def _follow(self) -> None:
        place = shown(self._folder)
        while True:
            folder = await self._thread(identity, self._folder)
            if folder is None:
                self._problems.add(FolderUnknown(f"{place} is not there"), place)
            else:
                self._problems.clear(place, FolderUnknown.code)
                await self._follow_while_it_is(folder)
            await trio.sleep(limits.WATCH_CHECK_S)

    async def _follow_while_it_is(self, folder: tuple[int, int]) -> None:
        """Scan and listen until it is another folder (gone, mounted over), or readable now."""
        # Listening comes before the first scan, so that nothing falls between the two.
        notify = await self._thread(_listen, self._folder)
        place = shown(self._folder)
        if isinstance(notify, RustNotify):
            self._problems.clear(place, WatchLimited.code)
        else:
            self._problems.add(WatchLimited(f"{place}: {notify}"), place)
        self._stale, self._unreadable = {self._folder}, set()
        try:
            await self._attend(folder, notify if isinstance(notify, RustNotify) else None)
        finally:
            if isinstance(notify, RustNotify):
                notify.close()

    async def _attend(self, folder: tuple[int, int], notify: RustNotify | None) -> None:
        stop = threading.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_set_when_cancelled, stop)
            nursery.start_soon(self._scan_what_is_stale)
            while await self._thread(identity, self._folder) == folder:
                if await self._thread(is_any_readable, list(self._unreadable)):
                    break
                if notify is None:
                    await trio.sleep(limits.WATCH_CHECK_S)
                    continue
                try:
                    events = await self._thread(_next_events, notify, stop)
                except WatchfilesRustInternalError:
                    break  # a name that is no UTF-8: listen anew, and find it by a scan
                await self._notice(events)
            nursery.cancel_scope.cancel()

    async def _scan_what_is_stale(self) -> None:
        while True:
            while self._stale:
                await self._scan(self._stale.pop())
            self._became_stale = trio.Event()
            with trio.move_on_after(limits.WATCH_RESCAN_S) as patience:
                await self._became_stale.wait()
            if patience.cancelled_caught:
                self._stale.add(self._folder)

    def _make_stale(self, folder: Path) -> None:
        if len(self._stale) >= limits.WATCH_LISTED_MAX:
            self._stale = {self._folder}
        self._stale.add(folder)
        self._became_stale.set()

    async def _scan(self, top: Path) -> None:
        """Let all files below `top` wait that were not handed on; waits itself while many do."""
        folders = [top]
        while folders:
            folder = folders.pop()
            try:
                entries = await self._thread(os.scandir, folder)
                with entries:
                    while (found := await self._thread(list_some, entries)) is not None:
                        folders += found.folders
                        for path, state in found.files:
                            while not self._note(path, state):
                                await self._wait_change()
            except (FileNotFoundError, NotADirectoryError):
                continue  # gone again already
            except OSError as error:
                reason = f"{shown(folder)} cannot be listed: {error.strerror or error}"
                self._problems.add(FolderUnreadable(reason), shown(folder))
                if len(self._unreadable) < limits.PROBLEMS_MAX:
                    self._unreadable.add(folder)
            else:
                self._problems.clear(shown(folder), FolderUnreadable.code)

    async def _notice(self, events: set[tuple[int, str]]) -> None:
        paths = [path for _, name in events if is_wanted(path := Path(name), self._folder)]
        found, gone = await self._thread(sort, self._folder, paths)
        for path in gone:
            self._drop(path)
        for path, state in found.files:
            if not self._note(path, state):
                self._make_stale(self._folder)
        for folder in found.folders:
            self._make_stale(folder)

    async def _thread(self, work: Callable[[Unpack[Ts]], T], *arguments: *Ts) -> T:
        return await trio.to_thread.run_sync(work, *arguments, limiter=self._threads)


async def changes_below(
    folder: Path, gathered_ms: int, note: Callable[[set[str]], None], problems: Problems
) -> None:
    """Tell `note` of every path below a folder that something happened to, until cancelled.

    For folders whose names are ours. Where the system cannot tell of all, that is a problem, and
    whoever needs to know looks through the folder from time to time.
    """
    place, stop = shown(folder), threading.Event()
    threads = trio.CapacityLimiter(1)
    notify = await trio.to_thread.run_sync(_listen, folder)
    if not isinstance(notify, RustNotify):
        problems.add(WatchLimited(f"{place}: {notify}"), place)
        return
    problems.clear(place, WatchLimited.code)

    def wait() -> set[tuple[int, str]]:
        found = notify.watch(gathered_ms, gathered_ms, int(limits.WATCH_CHECK_S * 1_000), stop)
        return found if isinstance(found, set) else set()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_set_when_cancelled, stop)
            while True:
                try:
                    events = await trio.to_thread.run_sync(wait, limiter=threads)
                except WatchfilesRustInternalError:
                    continue  # a name that is no UTF-8 is none of ours
                if events:
                    note({path for _, path in events})
    finally:
        notify.close()


async def _set_when_cancelled(stop: threading.Event) -> None:
    """Wake the thread that waits for events, for a cancellation does not reach into threads."""
    try:
        await trio.sleep_forever()
    finally:
        stop.set()


# --- blocking, in threads ------------------------------------------------------------------------


def _listen(folder: Path) -> RustNotify | str:
    """Ask the system for the folder's events; the reason if it has no means for it."""
    try:
        return RustNotify([os.fspath(folder)], False, False, 0, True, True)
    except OSError as error:
        if error.errno in _NO_WATCHES_LEFT:
            return "the system's limit of watches is reached"
        return error.strerror or str(error)
    except (WatchfilesRustInternalError, UnicodeError) as error:
        return str(error)


def _next_events(notify: RustNotify, stop: threading.Event) -> set[tuple[int, str]]:
    found = notify.watch(
        _EVENTS_GATHERED_MS, _EVENTS_QUIET_MS, int(limits.WATCH_CHECK_S * 1_000), stop
    )
    return found if isinstance(found, set) else set()
