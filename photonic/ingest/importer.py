"""From files in a folder to photos in the catalog.

The order is that of safety: the bytes are copied, hashed and durable in the store; then a worker
process looks at the stored copy; then the previews are stored; then the catalog says that there is
a photo. A crash in between leaves blobs that the next import finds again, and never a photo without
its original. The folder is only read.
"""

from __future__ import annotations

import errno
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
    FileEmpty,
    FileVanished,
    FolderUnreadable,
    PhotoDamaged,
    PhotonicError,
    PhotoUnreadable,
    SidecarInvalid,
    WorkerDied,
)
from photonic.ids import BlobId
from photonic.ingest.examination import Examined
from photonic.ingest.sidecar import beside, read_marks, sidecars_in
from photonic.ingest.workers import Workers
from photonic.photos import (
    BlobRef,
    Marks,
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


class PhotoStore(BlobStore, Protocol):
    """A store whose blobs are files, for workers to read."""

    def path(self, blob: BlobId) -> Path: ...


@dataclass(slots=True)
class ImportReport:
    """What became of the files of one import."""

    found: int = 0
    imported: int = 0
    known: int = 0
    failed: list[tuple[Path, PhotonicError]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Candidate:
    path: Path
    folder: str  # below the imported folder, as text


class Importer:
    """Takes files in. Several imports may run at one time."""

    def __init__(
        self, store: PhotoStore, workers: Workers, sink: PhotoSink, problems: Problems
    ) -> None:
        self._store, self._workers, self._sink, self._problems = store, workers, sink, problems
        self._threads = trio.CapacityLimiter(limits.IMPORT_FILES_AT_ONCE)

    async def take(
        self,
        files: Iterable[Path],
        root: Path,
        on_progress: Callable[[ImportReport], None] = lambda report: None,
    ) -> ImportReport:
        """Import those of `files` that are photos by their names; `root` is what folders are below.

        What fails is in the report and among the problems, and stops nothing else.
        """
        report = ImportReport()
        photos = [path for path in files if media_type(path.name) is not None]
        report.found = len(photos)
        on_progress(report)
        limiter = trio.CapacityLimiter(2)  # one batch is copied while the other is looked at

        async def one(batch: Sequence[Path]) -> None:
            async with limiter:
                await self._take_batch([_Candidate(p, below(p, root)) for p in batch], report)
            on_progress(report)

        async with trio.open_nursery() as nursery:
            for start in range(0, len(photos), limits.IMPORT_BATCH_MAX):
                nursery.start_soon(one, photos[start : start + limits.IMPORT_BATCH_MAX])
        return report

    # --- one batch ---------------------------------------------------------------------------

    async def _take_batch(self, batch: Sequence[_Candidate], report: ImportReport) -> None:
        staged = await self._each([(candidate, None) for candidate in batch], self._stage, report)
        fresh = [(candidate, copy) for candidate, copy in staged if copy is not None]
        report.known += len(staged) - len(fresh)
        held = await self._finish(fresh, report)
        # Once for a batch: listing a folder of many thousand files for each of them takes longer
        # than reading them.
        folders = {candidate.path.parent for candidate, _ in held}
        sidecars = {folder: await self._thread(partial(_listed, folder)) for folder in folders}

        async def describe(candidate: _Candidate, ref: BlobRef) -> NewPhoto:
            return await self._describe(candidate, ref, sidecars[candidate.path.parent])

        described = await self._each(held, describe, report)
        photos = {photo.original.blob: photo for _, photo in described}
        if photos:
            try:
                await self._sink.add(list(photos.values()))
            except PhotonicError as error:
                for candidate, _ in described:
                    self._fail(candidate, error, report)
                return
        report.imported += len(photos)
        report.known += len(described) - len(photos)

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
                self._fail(candidate, _explained(error, candidate.path), report)

        async with trio.open_nursery() as nursery:
            for position, (candidate, item) in enumerate(items):
                nursery.start_soon(one, position, candidate, item)
        return [done[position] for position in sorted(done)]

    async def _stage(self, candidate: _Candidate, _: None) -> Partial | None:
        """Copy a file into the store; None if its photo is known and nothing was copied."""
        path = candidate.path
        if (await self._thread(path.stat)).st_size == 0:
            raise FileEmpty(f"{shown(path)} has zero bytes")
        blob = await self._thread(lambda: hash_file(path))
        if await self._sink.known(blob):
            self._problems.clear(shown(path))
            return None
        return await self._thread(lambda: self._store.stage(path))

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
    ) -> NewPhoto:
        """Look at a stored original. One that cannot be shown is kept all the same, and told."""
        name = shown_name(candidate.path)
        path = await self._thread(lambda: self._store.path(ref.blob))
        examined, damage = await self._examine(path, name)
        previews = []
        for made in examined.renditions:
            stored = await self._thread(partial(self._store.put, made.data))
            previews.append(PreviewRef(made.edge_px, made.width, made.height, stored.ref))
        others = beside(candidate.path, beside_it)
        sidecars = await self._thread(lambda: self._sidecars(others))
        self._problems.clear(shown(candidate.path))
        if damage is not None:
            self._problems.add(damage, shown(candidate.path))
        return NewPhoto(
            original=ref,
            name=name,
            folder=candidate.folder,
            facts=examined.facts,
            previews=tuple(previews),
            sidecar=sidecars[0] if sidecars else None,
            other_sidecars=tuple(sidecars[1:]),
        )

    async def _examine(self, path: Path, name: str) -> tuple[Examined, PhotonicError | None]:
        try:
            examined = await self._workers.examine(path, name)
        except (PhotoUnreadable, WorkerDied) as error:
            facts = PhotoFacts(media_type=media_type(name) or "application/octet-stream")
            return Examined(facts, ()), error
        if examined.damage is not None:
            return examined, PhotoDamaged(f"{name}: {examined.damage}")
        return examined, None

    def _sidecars(self, paths: Iterable[Path]) -> list[Sidecar]:
        """Store sidecars, those too that cannot be read as such. Blocking."""
        found = []
        for path in paths:
            name = shown_name(path)
            try:
                held = self._store.adopt(path)
            except OSError as error:
                self._problems_later(_explained(error, path), path)
                continue
            try:
                with self._store.reader(held.ref.blob) as file:
                    marks = read_marks(file.read(limits.SIDECAR_BYTES_MAX + 1), name)
            except SidecarInvalid as error:
                self._problems_later(error, path)
                marks = Marks()
            else:
                trio.from_thread.run_sync(self._problems.clear, shown(path))
            found.append(Sidecar(name, held.ref, marks))
        return found

    def _problems_later(self, error: PhotonicError, path: Path) -> None:
        """Note a problem from a worker thread: the list belongs to the event loop."""
        trio.from_thread.run_sync(self._problems.add, error, shown(path))

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
        problems(_explained(error, Path(error.filename)), shown(Path(error.filename)))

    for parent, folders, names in os.walk(root, onerror=tell):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path


def _listed(folder: Path) -> list[Path]:
    try:
        return sidecars_in(folder)
    except OSError:
        return []  # the folder went away; its photos are in the store already


def _explained(error: OSError, path: Path) -> PhotonicError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return FolderUnreadable(f"{shown(path)} may not be read")
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
        return FileVanished(f"{shown(path)} is gone")
    return PhotoUnreadable(f"{shown(path)}: {error.strerror or error}")


def shown(path: Path) -> str:
    """Return a path as text: what is no UTF-8 in it is replaced visibly."""
    return os.fsencode(path).decode("utf-8", "replace")


def shown_name(path: Path) -> str:
    return shown(Path(path.name))


def below(path: Path, root: Path) -> str:
    parent = path.parent
    return shown(parent.relative_to(root)).removeprefix(".") if parent != root else ""
