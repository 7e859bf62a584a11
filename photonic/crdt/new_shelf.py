"""The photos of an index that is made anew: each comes once, in the order of time.

Nothing is known of a photo before, so nothing is asked; and what follows from its changes alone is
made ready before the order is known, so that little is left to do for each when all of them are
merged (`loader.py`), which somebody waits for. What has no order by time goes into tables of the
schema "stage", to be sorted last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from photonic.crdt.holders import Packed
from photonic.crdt.places import free_among
from photonic.crdt.projection import PhotoRow
from photonic.crdt.rows import (
    KEY_BYTES,
    PHOTO_COLUMNS,
    Blobs,
    packed,
    photo_values,
    row_digest,
    texts_of,
    unpacked,
)
from photonic.crdt.shelf import INSERT_PHOTO, TRASHED, Shelf
from photonic.crdt.tables import IN_TRASH, LIVE
from photonic.crdt.terms import causes_of
from photonic.crdt.twins import pixels_key
from photonic.ids import BlobId, NodeId

_OWN: Final = slice(1, PHOTO_COLUMNS.index("copies"))  # columns that follow from the changes alone
_REMEMBERED = 10_000  # whereabouts that photos share

_Whereabouts: TypeAlias = tuple[int, bool, frozenset[int]]  # copies, is held, terms


class ReadyPhoto(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A photo without its place."""

    own: tuple[Any, ...]  # of the columns
    texts: tuple[str, str, str]
    terms: bytes
    blobs: bytes
    held: int  # which of them are here
    digest: bytes
    pixels: bytes | None  # the begin of its pixel identity
    removal: tuple[bytes, int] | None  # author, and when
    stamp: int

    @property
    def photo(self) -> BlobId:
        return BlobId(self.own[0])


class NewShelf(Shelf):
    """See the module. Nothing of it is rolled back: what fails makes the file worthless."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._shared: dict[tuple[Any, ...], _Whereabouts] = {}

    def put_holders(
        self, holders: Mapping[BlobId, Collection[NodeId]], uncounted: Collection[NodeId]
    ) -> None:
        """Stage who holds these blobs: of what is staged twice the last counts."""
        rows = self.holders.rows(holders, uncounted)
        self._db.executemany("INSERT INTO stage.holder VALUES (?, ?, ?)", rows)

    def ready(self, row: PhotoRow, stored: Collection[bytes], stamp: int) -> ReadyPhoto:
        """Return what can be said of a photo by now; its terms and words get into the index."""
        texts = texts_of(row.name, row.title, row.caption)
        self._note_words(texts)
        blobs, removal, place = Blobs.of(row.blobs, stored), row.removal, self._sealed(row)
        return ReadyPhoto(
            photo_values(0, row, place, 0, False, LIVE, b"")[_OWN],
            texts,
            packed(self._postings.ids(causes_of(row))),
            blobs.pack(),
            blobs.held,
            row_digest(row, place),
            pixels_key(row.facts),
            (removal.author, removal.at_ms) if removal else None,
            stamp,
        )

    def put_ready(self, photos: Sequence[tuple[int, ReadyPhoto]], now_ms: int) -> None:
        """Write photos, each with the place that it takes if it is free."""
        places = free_among(self._db, {one.photo: place for place, one in photos})
        all_blobs = [Blobs.unpack(one.blobs, one.held) for _, one in photos]
        holders = self.holders.packed_of(b for blobs in all_blobs for b in blobs.originals)
        rows, files, texts, keys, removals = [], [], [], [], []
        for (_, one), blobs in zip(photos, all_blobs, strict=True):
            n, state = places[one.photo], IN_TRASH if one.removal else LIVE
            copies, is_held, local = self._shared_whereabouts(blobs, holders, state)
            terms = [*unpacked(one.terms), *local]
            self._postings.add(n, terms)
            self._count(None, n, state, blobs)
            rows.append((n, *one.own, copies, is_held, state, packed(terms)))
            files.append((n, one.blobs, one.held, one.digest, one.pixels))
            texts.append((n, *one.texts))
            keys += [(key, n) for key in blobs.keys]
            if one.removal:
                removals.append((one.photo, *one.removal, now_ms))
        write = self._db.executemany
        write(INSERT_PHOTO, sorted(rows))
        write("INSERT INTO file VALUES (?, ?, ?, ?, ?)", sorted(files))
        write("INSERT INTO words (rowid, name, title, caption) VALUES (?, ?, ?, ?)", sorted(texts))
        write("INSERT INTO stage.blob_key VALUES (?, ?)", keys)
        write("INSERT INTO removal VALUES (?, ?, ?, ?, 0)", removals)

    def _shared_whereabouts(
        self, blobs: Blobs, holders: Mapping[bytes, Packed], state: int
    ) -> _Whereabouts:
        """Return what `_whereabouts` says: most photos share it with those beside them."""
        kinds = tuple(row[0] for row in blobs.rows)
        said = tuple(holders.get(blob[:KEY_BYTES]) for blob in blobs.originals)
        shared = (kinds, blobs.held, said, state)
        known = self._shared.get(shared)
        if known is None:
            numbers = self.holders.of(blobs.originals)
            copies, is_held, causes = self._whereabouts(blobs, numbers, state)
            terms = self._postings.ids([*causes, TRASHED[state]] if state != LIVE else causes)
            known = (copies, is_held, frozenset(terms))
            if len(self._shared) >= _REMEMBERED:
                self._shared.clear()
            self._shared[shared] = known
        return known
