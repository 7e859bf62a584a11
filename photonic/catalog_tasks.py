"""Exports and imports of the whole catalog that were asked for: one after another, each told of.

The work is done in a worker thread, which asks the catalog's thread for bounded pieces; peers and
photographers are served meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import trio

from photonic import limits
from photonic.bundle import Bundle
from photonic.bundle_writer import check_free
from photonic.catalog_export import Place, export_catalog
from photonic.catalog_import import ImportCounts, import_catalog
from photonic.crdt.catalog import Catalog
from photonic.crdt.keys import SHARD_COUNT
from photonic.errors import CatalogTasksFull, FolderUnknown, PhotonicError
from photonic.events import CatalogTaskProgress, Event
from photonic.identity import Identity
from photonic.ingest.places import shown
from photonic.views import CatalogTaskView, ProblemView
from photonic.world import World

log = logging.getLogger(__name__)

EXPORT, IMPORT = "export", "import"
_PROGRESS_PAUSE_S = 0.25


@dataclass(frozen=True, slots=True)
class _Order:
    task: str
    folder: Path
    merges: bool = False


class CatalogTasks:
    """The exports and imports of one node's catalog."""

    def __init__(
        self,
        call: Callable[[Callable[[Catalog], Any]], Awaitable[Any]],
        identity: Identity,
        world: World,
        announce: Callable[[Event], object],
        settle: Callable[[], Awaitable[None]],
        *,
        node_name: str,
        library_name: str,
    ) -> None:
        """`call` does work on the catalog, durable when it returns (`keeper.call`).

        `settle` makes holdings agree with the store, after an import brought new photos.
        """
        self._call, self._identity, self._world = call, identity, world
        self._announce, self._settle = announce, settle
        self._node_name, self._library_name = node_name, library_name
        self._views: dict[tuple[str, str], CatalogTaskView] = {}
        self._orders, self._ordered = trio.open_memory_channel[_Order](
            limits.CATALOG_TASKS_WAITING_MAX
        )
        self._told_s = 0.0

    def views(self) -> list[CatalogTaskView]:
        """What was asked for since the start, and how far each is; the newest last."""
        return list(self._views.values())

    async def start_export(self, folder: Path) -> CatalogTaskView:
        """Ask for an export and return at once; one that waits or runs is not asked for twice.

        Raises ExportUnwritable if there is something at `folder`, CatalogTasksFull.
        """
        await trio.to_thread.run_sync(check_free, folder)
        return self._order(_Order(EXPORT, folder))

    async def start_import(self, folder: Path, *, merges: bool) -> CatalogTaskView:
        """Ask for an import and return at once.

        Raises FolderUnknown, ExportInvalid, ExportNewer, CatalogTasksFull.
        """
        if not folder.is_absolute():
            raise FolderUnknown(f"{shown(folder)} is no folder on this machine")
        await trio.to_thread.run_sync(Bundle, folder)
        return self._order(_Order(IMPORT, folder, merges))

    def _order(self, order: _Order) -> CatalogTaskView:
        known = self._views.get((order.task, shown(order.folder)))
        if known is not None and not known.finished:
            return known
        try:
            self._orders.send_nowait(order)
        except trio.WouldBlock:
            waiting = limits.CATALOG_TASKS_WAITING_MAX
            raise CatalogTasksFull(f"{waiting} exports and imports of the catalog wait") from None
        return self._show(CatalogTaskView(order.task, shown(order.folder), 0, None, {}, False))

    async def run(self) -> None:
        """Do what is asked for, one after another, until cancelled."""
        async for order in self._ordered:
            work = self._export if order.task == EXPORT else self._import
            problem: ProblemView | None = None
            try:
                await work(order)
            except PhotonicError as error:
                problem = ProblemView(error.code, error.message, error.fix, shown(order.folder))
            except Exception as error:
                log.exception("the %s of the catalog failed", order.task)
                bug = PhotonicError(f"the {order.task} stopped: {error!r}")
                problem = ProblemView(bug.code, bug.message, bug.fix, shown(order.folder))
            self._update(order, finished=True, problem=problem)

    # --- the work ----------------------------------------------------------------------------

    async def _export(self, order: _Order) -> None:
        place = Place(
            self._identity.node, self._node_name, self._library_name, self._world.clock.now_ms()
        )

        def note(done: int, total: int) -> None:
            trio.from_thread.run_sync(partial(self._note, order, done=done, total=total))

        header = await trio.to_thread.run_sync(export_catalog, order.folder, self._ask, place, note)
        self._update(order, done=SHARD_COUNT, total=SHARD_COUNT, counts=header.counts)

    async def _import(self, order: _Order) -> None:
        counts = ImportCounts()

        def note() -> None:
            far = {"done": counts.read, "total": counts.total or None}
            trio.from_thread.run_sync(partial(self._note, order, **far, counts=_told(counts)))

        counts.note = note
        work = partial(import_catalog, merges=order.merges)
        try:
            await trio.to_thread.run_sync(work, order.folder, self._ask, self._identity, counts)
        finally:
            far = {"done": counts.read, "total": counts.total or None}
            self._update(order, **far, counts=_told(counts))
        await self._settle()

    def _ask(self, work: Callable[[Any], Any]) -> Any:
        """Run `work` on the catalog's thread, from the worker thread of a task."""
        return trio.from_thread.run(self._call, work)

    # --- telling -----------------------------------------------------------------------------

    def _note(self, order: _Order, **said: Any) -> None:
        """Show how far a task is; the world hears of it now and then."""
        now_s = trio.current_time()
        if now_s - self._told_s >= _PROGRESS_PAUSE_S:
            self._told_s = now_s
            self._update(order, **said)

    def _update(self, order: _Order, **said: Any) -> None:
        self._show(replace(self._views[order.task, shown(order.folder)], **said))

    def _show(self, view: CatalogTaskView) -> CatalogTaskView:
        self._views.pop((view.task, view.folder), None)
        self._views[view.task, view.folder] = view
        ended = [key for key, known in self._views.items() if known.finished]
        for key in ended[: max(0, len(self._views) - limits.CATALOG_TASKS_SHOWN_MAX)]:
            del self._views[key]
        self._announce(
            CatalogTaskProgress(view.task, view.folder, view.done, view.total, view.finished)
        )
        return view


def _told(counts: ImportCounts) -> dict[str, int]:
    return {
        "changes": counts.read,
        "fresh": counts.fresh,
        "known": counts.read - counts.fresh - counts.left_out,
        "left_out": counts.left_out,
    }
