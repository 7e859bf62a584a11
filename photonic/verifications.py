"""Verifications that somebody asked for: one after another, each told of while it goes on.

What is asked about photos is asked about all of their files that are here; what is asked about
everything is asked about every file in the store, whether a photo names it or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import islice

import trio

from photonic import limits
from photonic.blobs.store import BlobStore, Soundness, Verdict
from photonic.crdt.projection import ORIGINAL_KIND
from photonic.crdt.query import PhotoQuery
from photonic.edits import Chosen
from photonic.errors import PhotonicError, VerificationsFull
from photonic.events import Event, VerificationProgress
from photonic.finder import Finder
from photonic.ids import BlobId
from photonic.photos import BlobRef
from photonic.scrubber import Scrubber
from photonic.verify_views import FindingView, VerificationView
from photonic.world import Entropy

_ID_BYTES = 8
_COUNTED = (
    Soundness.SOUND, Soundness.MENDED, Soundness.DAMAGED, Soundness.LOST, Soundness.UNREADABLE,
)  # fmt: skip


class Verifications:
    """All of one node's."""

    def __init__(
        self,
        scrubber: Scrubber,
        store: BlobStore,
        query: PhotoQuery,
        finder: Finder,
        entropy: Entropy,
        announce: Callable[[Event], object],
    ) -> None:
        self.scrubber = scrubber
        self._store, self._query, self._finder = store, query, finder
        self._entropy, self._announce = entropy, announce
        self._asked: list[Verification] = []

    async def start(self, chosen: Chosen | None) -> VerificationView:
        """Ask for a verification of photos, or of everything, and return at once.

        Raises QueryInvalid, PhotoUnknown, VerificationsFull.
        """
        total: int | None = None
        if chosen is not None and chosen.q is not None:
            total = (await self._finder.count(chosen.q)).count
        elif chosen is not None:
            total = len(await self._finder.known(chosen.ids))
        waiting = [one for one in self._asked if not one.view.finished]
        if len(waiting) >= limits.VERIFICATIONS_WAITING_MAX:
            raise VerificationsFull(f"{len(waiting)} verifications wait already")
        asked = Verification(
            VerificationView(
                id=self._entropy.token(_ID_BYTES).hex(),
                q=chosen.q if chosen else None,
                counts="photos" if chosen else "files",
                total=total,
            ),
            chosen, self._store, self._query, self._finder, self._announce,
        )  # fmt: skip
        self._asked.append(asked)
        ended = [one for one in self._asked if one.view.finished]
        for old in ended[: max(0, len(self._asked) - limits.VERIFICATIONS_SHOWN_MAX)]:
            self._asked.remove(old)
        self.scrubber.order(asked)
        return asked.view

    def views(self) -> list[VerificationView]:
        """Return those that wait and run, and the last that ended; the newest last."""
        return [self._as_now(one.view) for one in self._asked]

    def _as_now(self, view: VerificationView) -> VerificationView:
        """Return a view whose findings say what was repaired since."""
        waiting = {blob.hex() for blob in self.scrubber.damaged}
        gone = (Soundness.DAMAGED.value, Soundness.LOST.value)
        findings = [
            replace(one, state="repaired")
            if one.state in gone
            and one.blob not in waiting
            and self._store.has(BlobId(bytes.fromhex(one.blob)))
            else one
            for one in view.findings
        ]
        return replace(view, findings=findings)


class Verification:
    """One of them: implements `scrubber.Work`."""

    def __init__(
        self,
        view: VerificationView,
        chosen: Chosen | None,
        store: BlobStore,
        query: PhotoQuery,
        finder: Finder,
        announce: Callable[[Event], object],
    ) -> None:
        self.view = view
        self._chosen, self._store, self._query, self._finder = chosen, store, query, finder
        self._announce = announce
        self._sizes: dict[BlobId, int] = {}  # of the piece that is being verified
        self._photos: dict[BlobId, tuple[BlobId, str]] = {}
        self._done = 0

    async def pieces(self) -> AsyncGenerator[Sequence[BlobId], None]:
        """Yield what to verify, some files at a time. Raises PhotonicError."""
        if self._chosen is None:
            count = await trio.to_thread.run_sync(self._count)
            self.view = replace(self.view, total=count)
            async with aclosing(self._everything()) as pages:
                async for refs in pages:
                    self._sizes = {ref.blob: ref.size_bytes for ref in refs}
                    self._done += len(refs)
                    yield list(self._sizes)
            return
        async with aclosing(self._photos_chosen()) as pages_chosen:
            async for photos in pages_chosen:
                for photo in photos:
                    rows = await trio.to_thread.run_sync(self._files_of, photo)
                    self._done += 1
                    for blob, size_bytes, name in rows:
                        self._sizes[blob], self._photos[blob] = size_bytes, (photo, name)
                    if sum(self._sizes.values()) >= limits.SCRUB_BATCH_BYTES:
                        yield list(self._sizes)
        yield list(self._sizes)

    def note(self, verdicts: Sequence[Verdict]) -> None:
        """Count a piece, and tell how far it is."""
        counts = Counter(verdict.soundness for verdict in verdicts)
        view = self.view
        room = limits.VERIFICATION_FINDINGS_MAX - len(view.findings)
        bad = (v for v in verdicts if v.soundness in _COUNTED[1:])
        self.view = replace(
            view,
            done=self._done,
            total=None if view.total is None else max(view.total, self._done),
            blobs=view.blobs + sum(counts[kind] for kind in _COUNTED),
            bytes=view.bytes + sum(self._sizes.values()),
            findings=[*view.findings, *(self._finding(v) for v in islice(bad, room))],
            **{kind.value: getattr(view, kind.value) + counts[kind] for kind in _COUNTED},
        )
        self._sizes, self._photos = {}, {}
        self._tell()

    def ended(self, error: Exception | None) -> None:
        """Hear that there is no more, or why it ended early."""
        problem = error.message if isinstance(error, PhotonicError) else error and str(error)
        self.view = replace(self.view, finished=True, problem=problem or None)
        self._tell()

    def _tell(self) -> None:
        view = self.view
        self._announce(VerificationProgress(view.id, view.done, view.total, view.finished))

    def _finding(self, verdict: Verdict) -> FindingView:
        photo, name = self._photos.get(verdict.blob, (None, None))
        if photo is None:
            listed = self._query.photo(verdict.blob)  # an original has its photo's name
            photo, name = (verdict.blob, listed.row.name) if listed else (None, None)
        return FindingView(
            verdict.blob.hex(),
            photo.hex() if photo else None,
            name,
            verdict.soundness.value,
            verdict.what,
        )

    # --- what there is -----------------------------------------------------------------------

    async def _photos_chosen(self) -> AsyncGenerator[Sequence[BlobId], None]:
        assert self._chosen is not None
        if self._chosen.q is None:
            yield await self._finder.known(self._chosen.ids)
            return
        async with aclosing(self._finder.ids(self._chosen.q)) as pages:
            async for photos in pages:
                yield photos

    async def _everything(self) -> AsyncGenerator[Sequence[BlobRef], None]:
        last: BlobId | None = None
        while refs := await trio.to_thread.run_sync(self._refs_after, last):
            last = refs[-1].blob
            yield refs

    # --- on a thread of the pool -------------------------------------------------------------

    def _refs_after(self, last: BlobId | None) -> list[BlobRef]:
        return list(_some(self._store.refs(after=last)))

    def _count(self) -> int:
        return sum(1 for _ in self._store.refs())

    def _files_of(self, photo: BlobId) -> list[tuple[BlobId, int, str]]:
        """Return the files of a photo that are here; count the original if it is not."""
        listed = self._query.photo(photo)
        name = listed.row.name if listed else ""
        rows = self._query.blobs(photo)
        if any(row.kind == ORIGINAL_KIND and row.blob == photo and not row.held for row in rows):
            self.view = replace(self.view, absent=self.view.absent + 1)
        return [(BlobId(row.blob), row.size_bytes, name) for row in rows if row.held]


def _some(refs: Iterator[BlobRef]) -> Iterator[BlobRef]:
    """Yield as many as are verified in one go: at least one, however large."""
    size_bytes = 0
    for ref in islice(refs, limits.SCRUB_BATCH_BLOBS):
        yield ref
        size_bytes += ref.size_bytes
        if size_bytes >= limits.SCRUB_BATCH_BYTES:
            return
