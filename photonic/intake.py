"""Folders on their way into the library: those that were asked for, those that are watched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import trio

from photonic import limits
from photonic.errors import (
    BlobTooLarge,
    ChangeInvalid,
    FileEmpty,
    FileUnsettled,
    FolderUnknown,
    PhotonicError,
    StoreFull,
)
from photonic.events import Event, ImportProgress
from photonic.ingest.importer import Importer, ImportReport, find_files
from photonic.ingest.places import shown
from photonic.ingest.watch import Watch
from photonic.problems import Problems
from photonic.views import ImportView
from photonic.world import World

# What is wrong with a file itself: the same until the file is another one.
_LASTING = (FileEmpty, BlobTooLarge, ChangeInvalid)


class Intake:
    """The imports of one node."""

    def __init__(
        self,
        importer: Importer,
        world: World,
        announce: Callable[[Event], object],
        problems: Problems,
    ) -> None:
        self._importer, self._world = importer, world
        self._announce, self._problems = announce, problems
        self._views: dict[str, ImportView] = {}
        self._orders, self._ordered = trio.open_memory_channel[Path](limits.IMPORTS_WAITING_MAX)
        self._postponed: dict[Path, Path] = {}  # files to take in later, and their folders
        self._watches: dict[Path, Watch] = {}

    def views(self) -> list[ImportView]:
        """The imports that were asked for since the start, and how far each is."""
        return list(self._views.values())

    async def run(self) -> None:
        """Do the imports that are asked for, one after another, until cancelled."""
        async for folder in self._ordered:
            report = ImportReport()
            try:
                await self._import(folder, report)
            except Exception as error:  # noqa: BLE001 - one import's bug must not end the others
                problem = PhotonicError(f"the import stopped: {error!r}")
                self._problems.add(problem, shown(folder))
                # What was not come to has failed; the folder itself if that is nothing.
                done = report.imported + report.known + len(report.failed)
                missed = max(1, report.found - done)
                report.found = done + missed
                report.failed += [(folder, problem)] * missed
            self._show(folder, report, is_finished=True)

    async def start(self, folder: Path) -> ImportView:
        """Ask for an import and return at once; one that waits or runs is not asked for twice.

        Raises FolderUnknown.
        """
        if not folder.is_absolute() or not await trio.to_thread.run_sync(folder.is_dir):
            raise FolderUnknown(f"{shown(folder)} is no folder on this machine")
        known = self._views.get(shown(folder))
        if known is not None and not known.finished:
            return known
        await self._orders.send(folder)
        return self._show(folder, ImportReport(), is_finished=False)

    async def watch(self, folder: Path) -> None:
        """Take in what is in a folder, and what comes into it, until cancelled."""
        watch = self._watches[folder] = Watch(folder, self._world, self._problems)
        await watch.run(partial(self._take_batch, folder))

    async def _take_batch(self, folder: Path, files: Sequence[Path]) -> None:
        report = await self._importer.take(files, folder)
        self._postpone(report, folder)
        if folder in self._watches:  # what was refused today may be readable at the next scan
            again = [path for path, error in report.failed if not isinstance(error, _LASTING)]
            await self._watches[folder].forget([*again, *report.unread])

    # --- what could not be taken in yet ------------------------------------------------------

    def _postpone(self, report: ImportReport, folder: Path) -> None:
        """Remember what failed for a reason that passes: no room, or still being written."""
        for path, error in report.failed:
            passes = isinstance(error, StoreFull | FileUnsettled)
            if passes and len(self._postponed) < limits.IMPORTS_POSTPONED_MAX:
                self._postponed[path] = folder

    async def keep_retrying(self) -> None:
        """Take in what was postponed, as soon as that is possible, until cancelled."""
        while True:
            await trio.sleep(limits.DISK_RECHECK_S)
            for folder in dict.fromkeys(self._postponed.values()):
                files = [path for path, root in self._postponed.items() if root == folder]
                batch = files[: limits.IMPORT_BATCH_MAX]
                for path in batch:
                    del self._postponed[path]
                try:
                    await self._take_batch(folder, batch)
                except BaseException:
                    self._postponed |= dict.fromkeys(batch, folder)
                    raise

    async def _import(self, folder: Path, report: ImportReport) -> None:
        """Import a folder; `report` says how far it is, whatever ends it."""

        def find() -> list[Path]:
            def tell(error: PhotonicError, place: str) -> None:
                trio.from_thread.run_sync(self._problems.add, error, place)

            return list(find_files(folder, tell))

        files = await trio.to_thread.run_sync(find)

        def note(report: ImportReport) -> None:
            self._show(folder, report, is_finished=False)

        await self._importer.take(files, folder, note, report)
        self._postpone(report, folder)

    def _show(self, folder: Path, report: ImportReport, *, is_finished: bool) -> ImportView:
        view = ImportView(
            folder=shown(folder),
            found=report.found,
            imported=report.imported,
            known=report.known,
            failed=len(report.failed),
            finished=is_finished,
        )
        self._views.pop(view.folder, None)
        self._views[view.folder] = view
        while len(self._views) > limits.IMPORTS_SHOWN_MAX:
            del self._views[next(iter(self._views))]
        self._announce(
            ImportProgress(
                view.folder, view.found, view.imported, view.known, view.failed, view.finished
            )
        )
        return view
