"""The photos of the index: where each stands, what it is found by, and where its blobs are.

A photo keeps its place until its time changes. All of it happens within a transaction of
`PhotoIndex`, which calls `write` at its end, or `forget` if it is rolled back. Memory is bounded
by the batch.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from photonic.crdt.holders import NOBODY, Holders, Numbers
from photonic.crdt.place_seal import PlaceSeal
from photonic.crdt.places import free_places
from photonic.crdt.positions import Degrees
from photonic.crdt.postings import Postings
from photonic.crdt.projection import PhotoRow
from photonic.crdt.removals import Touched, forget_removals, note_removals
from photonic.crdt.rows import (
    KEY_BYTES,
    PHOTO_COLUMNS,
    Blobs,
    Texts,
    packed,
    photo_values,
    row_digest,
    texts_of,
    unpacked,
)
from photonic.crdt.tables import IN_TRASH, LIVE, REMOVAL_HELD
from photonic.crdt.terms import IS, Cause, causes_of, local_causes
from photonic.crdt.timeline import MONTH
from photonic.crdt.twins import pixels_key
from photonic.ids import BlobId, NodeId

T = TypeVar("T")

_AT_ONCE = 500
_WORDS_REMEMBERED = 200_000
TRASHED: dict[int, Cause] = {IN_TRASH: (IS, "trashed"), REMOVAL_HELD: (IS, "removal-held")}
INSERT_PHOTO = f"INSERT INTO photo VALUES ({', '.join('?' * len(PHOTO_COLUMNS))})"  # noqa: S608
_DELETE_TEXT = (
    "INSERT INTO words (words, rowid, name, title, caption) VALUES ('delete', ?, ?, ?, ?)"
)
_OLD: Final = (
    "SELECT p.n, p.photo, p.taken, p.added_ms, p.name, p.title, p.caption, p.trashed, p.terms,"
    " f.blobs, f.held, f.digest FROM photo p JOIN file f ON f.n = p.n WHERE "
)


@dataclass(slots=True)
class _Old:
    """What the index had of a photo."""

    n: int
    photo: BlobId
    taken: str | None
    added_ms: int
    name: str
    title: str | None
    caption: str | None
    trashed: int
    packed_terms: bytes
    packed_blobs: bytes
    held: int
    digest: bytes
    terms: array[int] = field(init=False)
    blobs: Blobs = field(init=False)

    def __post_init__(self) -> None:
        self.terms = unpacked(self.packed_terms)
        self.blobs = Blobs.unpack(self.packed_blobs, self.held)


class Shelf:
    """See the module."""

    def __init__(self, db: sqlite3.Connection, seal: PlaceSeal) -> None:
        self._db, self._postings, self._seal = db, Postings(db), seal
        self._tallies: Counter[str] = Counter()
        self._months: Counter[int] = Counter()
        self.holders = Holders(db)
        self._words: set[str] = set()
        self.removals: list[Touched] = []  # that came or went; see `PhotoIndex.take_removals`
        self.positions: dict[int, Degrees | None] = {}  # that are others now, by places in time

    def forget(self) -> None:
        """Forget what was not written: the transaction is rolled back."""
        self._postings.forget()
        self.holders.forget()
        for some in (self._tallies, self._months, self._words, self.removals, self.positions):
            some.clear()

    def write(self) -> None:
        """Write what was collected: postings and sums."""
        self._postings.write()
        tallies = [(name, change) for name, change in self._tallies.items() if change]
        self._db.executemany(
            "INSERT INTO tally VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            tallies,
        )
        months = [(month, change) for month, change in self._months.items() if change]
        self._db.executemany(
            "INSERT INTO month VALUES (?, ?)"
            " ON CONFLICT (month) DO UPDATE SET count = count + excluded.count",
            months,
        )
        self._tallies.clear()
        self._months.clear()

    # --- holders -----------------------------------------------------------------------------

    def put_holders(
        self, holders: Mapping[BlobId, Collection[NodeId]], uncounted: Collection[NodeId]
    ) -> None:
        """Replace what is known of who holds these blobs, and whose copies do not count."""
        self.holders.put(holders, uncounted)
        self._refresh({}, self._naming(holders))
        self._postings.write()  # the photos of the same batch may have postings again

    def _naming(self, blobs: Iterable[bytes]) -> set[int]:
        """Return the photos that name a blob with the key of one of these."""
        found: set[int] = set()
        for some in _pieces(list({blob[:KEY_BYTES] for blob in blobs})):
            statement = f"SELECT n FROM blob_key WHERE key IN ({_marks(some)})"  # noqa: S608
            found.update(n for (n,) in self._db.execute(statement, some))
        return found

    # --- photos ------------------------------------------------------------------------------

    def put(self, rows: Sequence[PhotoRow], stored: Collection[bytes], now_ms: int) -> None:
        """Write photos, known or new. `stored`: those of their blobs that are here."""
        if not rows:
            return
        by_photo = {row.photo: row for row in rows}
        olds = self._olds_of(by_photo)
        places = self._places(by_photo, olds)
        states, touched = note_removals(self._db, by_photo, now_ms)
        self.removals += touched
        blobs = {photo: Blobs.of(row.blobs, stored) for photo, row in by_photo.items()}
        holders = self.holders.of(one for some in blobs.values() for one in some.originals)
        ids = self._postings.ids
        photos, files = [], []
        for photo, row in by_photo.items():
            n, old, state, mine = places[photo], olds.get(photo), states[photo], blobs[photo]
            place = self._sealed(row)
            digest = row_digest(row, place)
            if old and (old.digest, old.trashed, old.held) == (digest, state, mine.held):
                del olds[photo], blobs[photo]  # it stays as it is
                continue
            copies, is_held, found = self._whereabouts(mine, holders, state)
            terms = ids(causes_of(row)) | ids(found)
            if state != LIVE:
                terms |= ids((TRASHED[state],))
            if old:
                self._postings.change(old.n, old.terms, n, terms)
            else:
                self._postings.add(n, terms)
            self._write_texts(old, n, row)
            self._count(old, n, state, mine)
            self._note_position(old, n, row)
            photos.append(photo_values(n, row, place, copies, is_held, state, packed(terms)))
            files.append((n, mine.pack(), mine.held, digest, pixels_key(row.facts)))
        self._take_away([old.n for old in olds.values()])
        self._db.executemany(INSERT_PHOTO, sorted(photos))
        self._db.executemany("INSERT INTO file VALUES (?, ?, ?, ?, ?)", sorted(files))
        self._write_keys(olds, places, blobs)

    def remove(self, photos: Collection[BlobId]) -> None:
        """Take photos out, known or not."""
        olds = self._olds_of(photos)
        for old in olds.values():
            self._postings.change(old.n, old.terms, None, ())
            self._write_texts(old, None, None)
            self._note_position(old, None, None)
            self._count(old, None, LIVE, None)
        self._take_away([old.n for old in olds.values()])
        self._write_keys(olds, {}, {})
        self.removals += forget_removals(self._db, photos)

    def _sealed(self, row: PhotoRow) -> bytes | None:
        spot = row.position
        return self._seal.seal(row.photo, spot.latitude, spot.longitude) if spot else None

    def _note_position(self, old: _Old | None, n: int | None, row: PhotoRow | None) -> None:
        if old:
            self.positions.setdefault(old.n, None)  # another photo of the batch may stand there
        if n is not None and row:
            spot = row.position
            self.positions[n] = (spot.latitude, spot.longitude) if spot else None

    def _take_away(self, places: Iterable[int]) -> None:
        gone = [(n,) for n in sorted(places)]
        self._db.executemany("DELETE FROM photo WHERE n = ?", gone)
        self._db.executemany("DELETE FROM file WHERE n = ?", gone)

    def _olds_of(self, photos: Iterable[BlobId]) -> dict[BlobId, _Old]:
        names = {photo[:KEY_BYTES] for photo in photos}
        wanted = photos if isinstance(photos, dict) else set(photos)
        olds = self._olds("substr(p.photo, 1, 8)", list(names))
        return {old.photo: old for old in olds if old.photo in wanted}

    def _olds(self, column: str, values: Sequence[Any]) -> Iterator[_Old]:
        for some in _pieces(values):
            for row in self._db.execute(f"{_OLD}{column} IN ({_marks(some)})", some).fetchall():
                yield _Old(*row)

    def _places(
        self, rows: Mapping[BlobId, PhotoRow], olds: Mapping[BlobId, _Old]
    ) -> dict[BlobId, int]:
        places = {
            photo: old.n
            for photo, old in olds.items()
            if (old.taken, old.taken or old.added_ms)
            == (rows[photo].taken, rows[photo].taken or rows[photo].added_ms)
        }
        moving = {photo: row.sorted_by for photo, row in rows.items() if photo not in places}
        return places | free_places(self._db, moving)

    def _whereabouts(
        self, blobs: Blobs, holders: Mapping[bytes, Numbers], state: int
    ) -> tuple[int, bool, list[Cause]]:
        """Return how many copies count, whether this node has one, and what follows.

        Within reach is what anybody holds, whether or not that counts.
        """
        originals = blobs.originals
        copies = min(holders.get(blob[:KEY_BYTES], NOBODY).copies for blob in originals)
        missing = blobs.missing()
        is_held = not missing.get(blobs.rows[0][0], ())
        if state == IN_TRASH:  # nobody fetches what is to be dropped
            missing = {}
        elsewhere = missing.get(blobs.rows[0][0], ())
        nodes = {n for blob in elsewhere for n in holders.get(blob[:KEY_BYTES], NOBODY).nodes}
        reach = [self.holders.node(number).hex() for number in nodes]
        return copies, is_held, local_causes(copies, is_held, missing, reach)

    def _write_texts(self, old: _Old | None, n: int | None, row: PhotoRow | None) -> None:
        if (
            old
            and row
            and (old.n, old.name, old.title, old.caption) == (n, row.name, row.title, row.caption)
        ):
            return
        if old:
            self._db.execute(_DELETE_TEXT, (old.n, *texts_of(old.name, old.title, old.caption)))
        if row:
            texts = texts_of(row.name, row.title, row.caption)
            self._note_words(texts)
            self._db.execute(
                "INSERT INTO words (rowid, name, title, caption) VALUES (?, ?, ?, ?)", (n, *texts)
            )

    def _note_words(self, texts: Texts) -> None:
        known = self._words
        fresh = [word for text in texts for word in text.split() if word not in known]
        if fresh:
            if len(known) > _WORDS_REMEMBERED:
                known.clear()
            known.update(fresh)
            rows = [(word,) for word in fresh]
            self._db.executemany("INSERT OR IGNORE INTO word VALUES (?)", rows)

    def _write_keys(
        self,
        olds: Mapping[BlobId, _Old],
        places: Mapping[BlobId, int],
        blobs: Mapping[BlobId, Blobs],
    ) -> None:
        before = {(key, old.n) for old in olds.values() for key in old.blobs.keys}
        after = {(key, places[photo]) for photo, some in blobs.items() for key in some.keys}
        gone, come = sorted(before - after), sorted(after - before)
        self._db.executemany("DELETE FROM blob_key WHERE key = ? AND n = ?", gone)
        self._db.executemany("INSERT INTO blob_key VALUES (?, ?)", come)

    # --- sums --------------------------------------------------------------------------------

    def _count(self, old: _Old | None, n: int | None, state: int, blobs: Blobs | None) -> None:
        """Bring the sums from what was to what is."""
        if old:
            self._tallies["photos"] -= 1
            self._count_shown(old.n, old.blobs, -(old.trashed != IN_TRASH))
        if n is not None and blobs:
            self._tallies["photos"] += 1
            self._count_shown(n, blobs, int(state != IN_TRASH))

    def _count_shown(self, n: int, blobs: Blobs, sign: int) -> None:
        """Count what is not in the trash: neither a month nor a want knows of what is."""
        if sign:
            self._months[n // MONTH] += sign
            self._count_blobs(blobs, sign)

    def _count_blobs(self, blobs: Blobs, sign: int) -> None:
        tallies, held = self._tallies, blobs.held
        for kind, _, _, size_bytes, _ in blobs.rows:
            tallies["blobs " + kind] += sign
            if held & 1:
                tallies["held " + kind] += sign
                tallies["held-bytes " + kind] += sign * size_bytes
            held >>= 1

    # --- the trash ---------------------------------------------------------------------------

    def set_trashed(self, photos: Mapping[BlobId, int]) -> None:
        """Show photos as LIVE, IN_TRASH or REMOVAL_HELD."""
        trashed = self._postings.ids(TRASHED.values())
        olds = list(self._olds_of(photos).values())
        holders = self.holders.of(blob for old in olds for blob in old.blobs.originals)
        for old in olds:
            state = photos[old.photo]
            if state == old.trashed:
                continue
            terms = set(old.terms) - trashed - self._postings.local
            terms |= self._postings.ids(self._whereabouts(old.blobs, holders, state)[2])
            if state != LIVE:
                terms |= self._postings.ids((TRASHED[state],))
            self._postings.change(old.n, old.terms, old.n, terms)
            sign = (state != IN_TRASH) - (old.trashed != IN_TRASH)
            self._count_shown(old.n, old.blobs, sign)
            self._db.execute(
                "UPDATE photo SET trashed = ?, terms = ? WHERE n = ?",
                (state, packed(terms), old.n),
            )

    # --- where blobs are ---------------------------------------------------------------------

    def mark(self, marks: dict[bytes, bool]) -> list[BlobId]:
        """Note blobs as held or not; return the originals among them."""
        return self._refresh(marks, self._naming(marks))

    def _refresh(self, marks: dict[bytes, bool], places: Collection[int]) -> list[BlobId]:
        """Say anew where the blobs of photos are. Returns the originals among the marked."""
        originals: dict[bytes, None] = {}
        for some in _pieces(sorted(places)):
            olds = list(self._olds("p.n", some))
            blobs = [old.blobs.marked(marks) for old in olds]
            holders = self.holders.of(one for mine in blobs for one in mine.originals)
            photos, files = [], []
            for old, mine in zip(olds, blobs, strict=True):
                originals |= {blob: None for blob in mine.originals if blob in marks}
                copies, is_held, found = self._whereabouts(mine, holders, old.trashed)
                terms = set(old.terms) - self._postings.local
                terms |= self._postings.ids(found)
                if mine.held != old.blobs.held:
                    if old.trashed != IN_TRASH:
                        self._count_blobs(old.blobs, -1)
                        self._count_blobs(mine, 1)
                    files.append((mine.held, old.n))
                self._postings.change(old.n, old.terms, old.n, terms)
                photos.append((copies, is_held, packed(terms), old.n))
            self._db.executemany(
                "UPDATE photo SET copies = ?, held = ?, terms = ? WHERE n = ?", photos
            )
            self._db.executemany("UPDATE file SET held = ? WHERE n = ?", files)
        return [BlobId(blob) for blob in originals]

    def held_after(self, key: bytes, limit: int) -> list[tuple[bytes, str, bool]]:
        """Return (blob, kind, whether held) of blobs behind a key, in the order of their ids."""
        rows = self._db.execute(
            "SELECT k.key, f.blobs, f.held FROM (SELECT key, n FROM blob_key WHERE key > ?"
            " ORDER BY key LIMIT ?) k JOIN file f ON f.n = k.n",
            (key, limit),
        ).fetchall()
        found: dict[bytes, tuple[str, bool]] = {}
        for wanted, data, held in rows:
            blobs = Blobs.unpack(data, held)
            for position, (kind, _, blob, _, _) in enumerate(blobs.rows):
                if blob[:KEY_BYTES] == wanted:
                    found[blob] = (kind, blobs.is_held(position))
        return [(blob, *found[blob]) for blob in sorted(found)]


def _pieces(some: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(some), _AT_ONCE):
        yield some[start : start + _AT_ONCE]


def _marks(some: Collection[Any]) -> str:
    return ",".join("?" * len(some))
