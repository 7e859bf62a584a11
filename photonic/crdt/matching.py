"""Questions to the index about many trees at once: which of some photos each of them is true of.

For rules: each condition is asked once for a whole batch, not photo by photo.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from photonic.crdt.answers import AtRisk
from photonic.crdt.lexicon import Lexicon, Read
from photonic.crdt.plans import plan, predicate, walk
from photonic.crdt.reading import IndexReading
from photonic.crdt.rows import KEY_BYTES, Blobs
from photonic.crdt.sets import NOTHING, Meaning
from photonic.crdt.tables import IN_TRASH
from photonic.ids import BlobId
from photonic.search.criteria import Number, Tree, all_of

T = TypeVar("T")

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Matched:
    """A blob that is the original of a photo, and the numbers of the trees that are true of it."""

    blob: BlobId
    trees: tuple[int, ...]


class MatchQuery(IndexReading):
    """See the module."""

    def matched(self, blobs: Collection[BlobId], trees: Sequence[Tree]) -> list[Matched]:
        """Return each photo of which one of `blobs` is the original, with what is true of it.

        A blob may come several times, for several photos may call it theirs, and it does not come
        if none does.
        """
        found: list[Matched] = []
        with self._reading() as read:
            lexicon = Lexicon(read)
            conditions = [predicate(Meaning(lexicon).of(tree), "p.n") for tree in trees]
            for some in _pieces(list(blobs)):
                named = _originals(read, some)
                places = list(dict.fromkeys(n for _, n in named))
                true: dict[int, list[int]] = {n: [] for n in places}
                for few in _pieces(places):
                    for number, asked in enumerate(conditions):
                        rows = read(
                            f"SELECT p.n FROM photo p WHERE p.n IN ({_marks(few)})"  # noqa: S608
                            f" AND {asked.text}",
                            (*few, *asked.values),
                        )
                        for (n,) in rows:
                            true[n].append(number)
                found += (Matched(blob, tuple(true[n])) for blob, n in named)
        return found

    def true_of(self, photo: BlobId, trees: Sequence[Tree]) -> tuple[int, ...]:
        """Return the numbers of the trees that are true of a photo; none of one that is unknown."""
        found: list[int] = []
        with self._reading() as read:
            lexicon = Lexicon(read)
            for number, tree in enumerate(trees):
                asked = predicate(Meaning(lexicon).of(tree), "p.n")
                statement = (
                    "SELECT 1 FROM photo p WHERE substr(p.photo, 1, 8) = ?"  # noqa: S608
                    f" AND p.photo = ? AND {asked.text}"
                )
                if read(statement, (photo[:KEY_BYTES], photo, *asked.values)):
                    found.append(number)
        return tuple(found)

    def at_risk(self, levels: Iterable[tuple[int, Tree]], *, counts_here: bool = True) -> AtRisk:
        """Count the photos with fewer copies than their level wants, without the trash.

        `levels`: (copies, tree); no photo is in two. Of photos of which two copies are wanted it
        costs what there are of them with fewer; else what the tree finds. See `PhotoQuery.at_risk`.
        """
        found = AtRisk(0, 0)
        with self._reading() as read:
            lexicon = Lexicon(read)
            for copies, tree in levels:
                few = Meaning(lexicon).of(all_of(tree, Number("copies", "<", copies)))
                if few == NOTHING:
                    continue
                body = walk(plan(few, lexicon.total, to_the_end=True), None, None)
                rows = read(
                    "SELECT count(*), total(p.size_bytes * (? - p.copies)),"  # noqa: S608 - ours
                    " total(p.held AND p.copies < ?), total(p.copies = 0 AND NOT p.held)"
                    f" FROM {body.text} AND p.trashed <> ?",
                    (copies, 1 + counts_here, *body.values, IN_TRASH),
                )
                photos, lacking, only_here, nowhere = map(int, rows[0])
                more = AtRisk(photos, lacking, only_here, nowhere, copies)
                found = found.and_also(more) if more.photos else found
        return found


def _originals(read: Read, blobs: Sequence[BlobId]) -> list[tuple[BlobId, int]]:
    """Return the places of the photos that call one of `blobs` an original of theirs."""
    wanted = set(blobs)
    keys = list({blob[:KEY_BYTES] for blob in blobs})
    rows = read(
        "SELECT DISTINCT k.n, f.blobs FROM blob_key k JOIN file f ON f.n = k.n"  # noqa: S608
        f" WHERE k.key IN ({_marks(keys)})",
        keys,
    )
    return [
        (BlobId(blob), n)
        for n, packed in rows
        for blob in Blobs.unpack(packed, 0).originals
        if blob in wanted
    ]


def _pieces(some: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(some), _AT_ONCE):
        yield some[start : start + _AT_ONCE]


def _marks(some: Collection[object]) -> str:
    return ",".join("?" * len(some))
