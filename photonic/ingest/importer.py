"""From files in a folder to photos in the catalog.

The order is that of safety: the bytes are copied, hashed and durable in the store; then a worker
process looks at the stored copy; then the previews are stored; then the catalog says that there is
a photo. A crash in between leaves blobs that the next import finds again, and never a photo without
its original. The folder is only read.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import trio

from photonic import limits
from photonic.blobs.store import BlobStore, Held, Partial
from photonic.blobs.verify import hash_file
from photonic.errors import (
    ChangeInvalid,
    FileEmpty,
    FileSetAside,
    PhotoDamaged,
    PhotonicError,
    PhotoUnreadable,
    WorkerDied,
)
from photonic.ids import BlobId
from photonic.ingest.companions import Companions, FolderSidecars, Taken, photos_of
from photonic.ingest.examination import Examined, Examiner
from photonic.ingest.places import below, explained, shown, shown_name
from photonic.ingest.room import Room
from photonic.ingest.seen import Seen, Sight, sight
from photonic.ingest.sidecar import is_sidecar
from photonic.photos import (
    BlobRef,
    NewPhoto,
    PhotoFacts,
    PreviewRef,
    Sidecar,
    media_type,
)
from photonic.problems import Problems

A = TypeVar("A")
B = TypeVar("B")


class PhotoSink(Protocol):
    """Where photos go."""

    async def known(self, photo: BlobId) -> bool:
        """Whether the catalog has this photo and the store its original."""
        ...

    async def add(self, photos: Sequence[NewPhoto]) -> None:
        """Take photos in; durable when it returns. One that is known already is fine."""
        ...

    async def amend(self, photos: Sequence[tuple[BlobId, Sequence[Sidecar]]]) -> int:
        """Take in the sidecars of known photos, each photo's best first; durable when it returns.

        What the catalog has already changes nothing. Returns how many photos changed.
        """
        ...


class PhotoStore(BlobStore, Protocol):
    """A store whose blobs are files, for workers to read."""

    def path(self, blob: BlobId) -> Path: ...


@dataclass(slots=True)
class ImportReport:
    """What became of the photos of one import: in the end each found one is one of the others.

    A known photo that got a new sidecar is a known one, and counted in `amended` as well.
    """

    found: int = 0
    imported: int = 0
    known: int = 0
    failed: list[tuple[Path, PhotonicError]] = field(default_factory=list)
    amended: int = 0
    unread: list[Path] = field(default_factory=list)  # sidecars of photos that were taken in


@dataclass(frozen=True, slots=True)
class _Candidate:
    path: Path
    folder: str  # below the imported folder, as text
    is_beside: bool = False  # looked at for its sidecar only: it is a known photo, or none yet


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that was looked at: a known photo, or a copy of a new one; neither: not wanted."""

    sight: Sight
    known: BlobId | None = None
    copy: Partial | None = None


@dataclass(frozen=True, slots=True)
class _Described:
    photo: NewPhoto
    taken: Taken


class Importer:
    """Takes files in. Several imports may run at one time."""

    def __init__(
        self,
        store: PhotoStore,
        workers: Examiner,
        sink: PhotoSink,
        problems: Problems,
        seen: Seen | None = None,
    ) -> None:
        """Without `seen` every file is read each time."""
        self.room = Room(store)
        self._store, self._workers, self._sink, self._problems = store, workers, sink, problems
        self._seen, self._companions = seen, Companions(store, problems, seen)
        self._threads = trio.CapacityLimiter(limits.IMPORT_FILES_AT_ONCE)

    async def take(
        self,
        files: Iterable[Path],
        root: Path,
        on_progress: Callable[[ImportReport], None] = lambda report: None,
        report: ImportReport | None = None,
    ) -> ImportReport:
        """Import those of `files` that are photos by their names; `root` is what folders are below.

        Sidecars among them are taken in for the photos that they lie beside, if those are known,
        whether they are in `files` or not. What fails is in the report and among the problems, and
        stops nothing else. A `report` that is given is filled in as it goes, and says what became
        of the files even if this raises.
        """
        report = report if report is not None else ImportReport()
        paths = list(files)
        photos = [path for path in paths if media_type(path.name) is not None]
        sidecars = [path for path in paths if is_sidecar(path)]
        others = await self._thread(partial(photos_of, sidecars, frozenset(photos)))
        candidates = [_Candidate(path, below(path, root)) for path in photos]
        candidates += [_Candidate(path, below(path, root), is_beside=True) for path in others]
        report.found = len(candidates)
        on_progress(report)
        limiter = trio.CapacityLimiter(2)  # one batch is copied while the other is looked at

        async def one(batch: Sequence[_Candidate]) -> None:
            async with limiter:
                await self._take_batch(batch, report)
            on_progress(report)

        async with trio.open_nursery() as nursery:
            for start in range(0, len(candidates), limits.IMPORT_BATCH_MAX):
                nursery.start_soon(one, candidates[start : start + limits.IMPORT_BATCH_MAX])
        return report

    # --- one batch ---------------------------------------------------------------------------

    async def _take_batch(self, batch: Sequence[_Candidate], report: ImportReport) -> None:
        found = await self._each([(candidate, None) for candidate in batch], self._stage, report)
        # Once for a batch: listing a folder of many thousand files for each of them takes longer
        # than reading them.
        folders = {candidate.path.parent for candidate, _ in found}
        sidecars = await self._thread(partial(FolderSidecars, folders))
        fresh = [(c, one.copy, one.sight) for c, one in found if one.copy is not None]
        known = [(c, (one.known, one.sight)) for c, one in found if one.known is not None]
        report.found -= len(found) - len(fresh) - len(known)
        try:
            await self._introduce(fresh, sidecars, report)
        finally:
            self.room.give_back(len(fresh))
        await self._amend(known, sidecars, report)

    async def _introduce(
        self,
        fresh: Sequence[tuple[_Candidate, Partial, Sight]],
        sidecars: FolderSidecars,
        report: ImportReport,
    ) -> None:
        """Take in new photos that were copied."""
        sights = {candidate.path: one for candidate, _, one in fresh}
        held = await self._finish([(candidate, copy) for candidate, copy, _ in fresh], report)

        async def describe(candidate: _Candidate, ref: BlobRef) -> _Described:
            return await self._describe(candidate, ref, sidecars.beside(candidate.path))

        described = await self._each(held, describe, report)

        async def add(some: Sequence[_Described]) -> None:
            await self._sink.add([one.photo for one in some])

        added = await self._told(described, add, report)
        count = len({one.photo.original.blob for _, one in added})
        report.imported += count
        report.known += len(added) - count
        for _, one in added:
            report.unread += one.taken.unread
        await self._remember(
            [(sights[c.path], one.photo.original.blob) for c, one in added],
            [one.taken for _, one in added],
        )

    async def _amend(
        self,
        known: Sequence[tuple[_Candidate, tuple[BlobId, Sight]]],
        sidecars: FolderSidecars,
        report: ImportReport,
    ) -> None:
        """Take in what lies beside known photos: it may have come, or changed, after them."""

        async def take(
            candidate: _Candidate, one: tuple[BlobId, Sight]
        ) -> tuple[BlobId, Sight, Taken]:
            paths = sidecars.beside(candidate.path)
            if not paths:
                return (*one, Taken())
            return (*one, await self._thread(partial(self._companions.take_news, paths, one[0])))

        async def amend(some: Sequence[tuple[BlobId, Sight, Taken]]) -> None:
            news = [(blob, taken.sidecars) for blob, _, taken in some if taken.sidecars]
            if news:
                report.amended += await self._sink.amend(news)

        done = await self._told(await self._each(known, take, report), amend, report)
        report.known += len(done)
        for _, (_, _, taken) in done:
            report.unread += taken.unread
        await self._remember(
            [(one, blob) for _, (blob, one, _) in done], [taken for _, (_, _, taken) in done]
        )

    async def _told(
        self,
        items: Sequence[tuple[_Candidate, A]],
        tell: Callable[[Sequence[A]], Awaitable[None]],
        report: ImportReport,
    ) -> list[tuple[_Candidate, A]]:
        """Tell the sink of a batch; return what it took, the rest failed.

        A change that cannot be made costs its own photo and not the others of the batch.
        """
        if not items:
            return []
        try:
            await tell([item for _, item in items])
        except ChangeInvalid as error:
            if len(items) == 1:
                self._fail(items[0][0], error, report)
                return []
            return [done for item in items for done in await self._told([item], tell, report)]
        except PhotonicError as error:
            for candidate, _ in items:
                self._fail(candidate, error, report)
            return []
        return list(items)

    async def _remember(
        self, photos: Sequence[tuple[Sight, BlobId]], taken: Sequence[Taken]
    ) -> None:
        """Remember what need not be read again, now that the catalog has it."""
        if self._seen is not None:
            noted = [*photos, *(one for some in taken for one in some.sights)]
            if noted:
                await self._thread(partial(self._seen.note, noted))

    async def _each(
        self,
        items: Sequence[tuple[_Candidate, A]],
        work: Callable[[_Candidate, A], Awaitable[B]],
        report: ImportReport,
    ) -> list[tuple[_Candidate, B]]:
        """Do `work` on all items at one time; what fails is told and left out."""
        done: dict[int, tuple[_Candidate, B]] = {}

        async def one(position: int, candidate: _Candidate, item: A) -> None:
            try:
                done[position] = (candidate, await work(candidate, item))
            except PhotonicError as error:
                self._fail(candidate, error, report)
            except OSError as error:
                self._fail(candidate, explained(error, candidate.path), report)

        async with trio.open_nursery() as nursery:
            for position, (candidate, item) in enumerate(items):
                nursery.start_soon(one, position, candidate, item)
        return [done[position] for position in sorted(done)]

    async def _stage(self, candidate: _Candidate, _: None) -> _Found:
        """Find out whether a file is a known photo; copy it into the store if it is a new one."""
        path = candidate.path
        before = await self._thread(partial(sight, path))
        if before.size_bytes == 0:
            raise FileEmpty(f"{shown(path)} has zero bytes")
        blob = await self._thread(partial(self._read, before))
        if await self._sink.known(blob):
            self._problems.clear(shown(path))
            return _Found(before, known=blob)
        if candidate.is_beside:
            return _Found(before)  # its own turn comes, or came; nothing says that it is complete
        await self.room.take()
        try:
            return _Found(before, copy=await self._thread(partial(self.room.copy, path, blob)))
        except BaseException:
            self.room.give_back()
            raise

    def _read(self, seen: Sight) -> BlobId:
        """Return what a file holds; reads it if it is not known by its state. Blocking."""
        known = self._seen.blob(seen) if self._seen is not None else None
        return known or hash_file(seen.path)

    async def _finish(
        self, staged: Sequence[tuple[_Candidate, Partial]], report: ImportReport
    ) -> list[tuple[_Candidate, BlobRef]]:
        """Make a batch of copies durable, sharing the waits for the disk."""
        partials = [copy for _, copy in staged]
        results = await self._thread(lambda: self._store.finish_many(partials))
        held = []
        for (candidate, _), result in zip(staged, results, strict=True):
            if isinstance(result, Held):
                held.append((candidate, result.ref))
            else:
                self._fail(candidate, result, report)
        return held

    async def _describe(
        self, candidate: _Candidate, ref: BlobRef, beside_it: Sequence[Path]
    ) -> _Described:
        """Look at a stored original. One that cannot be shown is kept all the same, and told."""
        name = shown_name(candidate.path)
        path = await self._thread(lambda: self._store.path(ref.blob))
        examined, damage = await self._examine(path, name, ref.blob)
        previews = []
        for made in examined.renditions:
            stored = await self._thread(partial(self._store.put, made.data))
            previews.append(PreviewRef(made.edge_px, made.width, made.height, stored.ref))
        taken = await self._thread(partial(self._companions.take, beside_it, ref.blob))
        self._problems.clear(shown(candidate.path))
        if damage is not None:
            self._problems.add(damage, shown(candidate.path))
        photo = NewPhoto(
            original=ref,
            name=name,
            folder=candidate.folder,
            facts=examined.facts,
            previews=tuple(previews),
            sidecar=taken.sidecars[0] if taken.sidecars else None,
            other_sidecars=tuple(taken.sidecars[1:]),
        )
        return _Described(photo, taken)

    async def _examine(
        self, path: Path, name: str, blob: BlobId
    ) -> tuple[Examined, PhotonicError | None]:
        try:
            examined = await self._workers.examine(path, name, blob)
        except (PhotoUnreadable, WorkerDied, FileSetAside) as error:
            facts = PhotoFacts(media_type=media_type(name) or "application/octet-stream")
            return Examined(facts, ()), error
        if examined.damage is not None:
            return examined, PhotoDamaged(f"{name}: {examined.damage}")
        return examined, None

    def _fail(self, candidate: _Candidate, error: PhotonicError, report: ImportReport) -> None:
        place = shown(candidate.path)
        report.failed.append((candidate.path, error))
        self._problems.clear(place)
        self._problems.add(error, place)

    async def _thread(self, work: Callable[[], B]) -> B:
        return await trio.to_thread.run_sync(work, limiter=self._threads)


def find_files(root: Path, problems: Callable[[PhotonicError, str], None]) -> Iterator[Path]:
    """Yield the regular files below `root`, hidden ones left out, sorted. Blocking.

    A folder that may not be read is told and passed over; links are not followed.
    """

    def tell(error: OSError) -> None:
        problems(explained(error, Path(error.filename)), shown(Path(error.filename)))

    for parent, folders, names in os.walk(root, onerror=tell):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path
