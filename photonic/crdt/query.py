"""Questions to the index: pages, counts, one photo, what is wanted, what was said lately.

Pages go by keyset (the place of the last item), never by offset, so that page one thousand costs
what page one costs and nothing is skipped while photos arrive.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from photonic import limits
from photonic.crdt.answers import (
    ActRow,
    AlbumItem,
    AtRisk,
    Counted,
    HeldBy,
    Listed,
    Page,
    RemovalRow,
    Totals,
)
from photonic.crdt.candidates import CandidateQuery
from photonic.crdt.copies import CopySet, copy_sets
from photonic.crdt.cursors import read_cursor, written_cursor
from photonic.crdt.facets import facets_of
from photonic.crdt.lexicon import Lexicon, Read
from photonic.crdt.listing import Listing
from photonic.crdt.projection import ORIGINAL_KIND, PREVIEW_KIND
from photonic.crdt.removals import (
    Place,
    PlacedRemoval,
    removals_before,
    removals_behind,
)
from photonic.crdt.rows import (
    KEY_BYTES,
    LISTED,
    Blobs,
    BlobTable,
    ListedPhoto,
    numbers_in,
)
from photonic.crdt.terms import COPIES, FEW_COPIES
from photonic.crdt.timeline import month_text
from photonic.crdt.twins import same_pixels
from photonic.crdt.wants import Missing, MissingPart, Wants
from photonic.ids import BlobId, NodeId
from photonic.search.criteria import ALL, Is, Not, Sort, Tree

_COLUMNS = ", ".join(LISTED)
_NEWEST = Sort()


class PhotoQuery(CandidateQuery):
    """Reads the index."""

    # --- many photos -------------------------------------------------------------------------

    def page(self, wanted: Tree, limit: int, cursor: str | None, sort: Sort = _NEWEST) -> Page:
        """Return at most `limit` photos behind the cursor. Raises QueryInvalid for a wrong one."""
        limit = min(max(limit, 1), limits.PAGE_ITEMS_MAX)
        after = read_cursor(cursor, sort)
        with self._reading() as read:
            found = Listing(read, wanted).rows(_COLUMNS, limit + 1, after, sort)
        rows = [ListedPhoto._make(row) for row in found[:limit]]
        following = None
        if len(found) > limit:
            following = written_cursor(sort, rows[-1].n, rows[-1].added_ms)
        return Page(tuple(Listed(row, bool(row.held)) for row in rows), following)

    def ids(self, wanted: Tree, limit: int, cursor: str | None) -> tuple[list[BlobId], str | None]:
        """Return photos, newest first, and the cursor of those behind them."""
        after = read_cursor(cursor, Sort())
        with self._reading() as read:
            found = Listing(read, wanted).rows("n, photo, added_ms", limit + 1, after, Sort())
        photos = [BlobId(photo) for _, photo, _ in found[:limit]]
        last = found[limit - 1] if len(found) > limit else None
        return photos, written_cursor(Sort(), last[0], last[2]) if last else None

    def count(self, wanted: Tree) -> Counted:
        """Count photos; exact up to QUERY_COUNT_MAX, and above it where the index knows."""
        with self._reading() as read:
            return Counted(*Listing(read, wanted).count(limits.QUERY_COUNT_MAX))

    def histogram(self, wanted: Tree) -> list[tuple[str, int]]:
        """Return ("2024-05", photos) for each month of the timeline that has some, newest first."""
        with self._reading() as read:
            if wanted == Not(Is("trashed")):
                months = read("SELECT month, count FROM month WHERE count > 0", ())
            else:
                months = Listing(read, wanted).months()
        return [(month_text(month), count) for month, count in sorted(months, reverse=True)]

    def facets(self, limit: int = limits.FACETS_MAX) -> dict[str, dict[str, int]]:
        """Return for each facet its values and how many photos have them, the commonest first.

        The facets are camera, lens, label, tag, folder (as shown), rating, kind and month. What is
        in the trash is not counted.
        """
        with self._reading() as read:
            return facets_of(read, limit)

    def known(self, photos: Collection[BlobId]) -> set[BlobId]:
        """Return those of `photos` that there are."""
        with self._reading() as read:
            return {row.photo for row in _by_ids(read, photos)}

    def first_added(self, most: int) -> list[int]:
        """Return when the first photos came into the library, at most so many, in order (ms)."""
        with self._reading() as read:
            rows = read("SELECT added_ms FROM photo ORDER BY added_ms LIMIT ?", (most,))
        return [added_ms for (added_ms,) in rows]

    # --- one photo ---------------------------------------------------------------------------

    def photo(self, photo: BlobId) -> Listed | None:
        with self._reading() as read:
            for row in _by_ids(read, [photo]):
                return Listed(row, bool(row.held))
        return None

    def tags(self, photo: BlobId) -> list[str]:
        listed = self.photo(photo)
        return sorted(listed.row.tags) if listed else []

    def blobs(self, photo: BlobId) -> list[BlobTable]:
        """Return the blobs of a photo: the original that is shown, other kinds, small to large."""
        with self._reading() as read:
            rows = _by_ids(read, [photo])
            if not rows:
                return []
            files = read("SELECT blobs, held FROM file WHERE n = ?", (rows[0].n,))
        blobs = Blobs.unpack(*files[0]).listed(photo)
        return [blobs[0], *sorted(blobs[1:], key=lambda blob: blob.edge_px)]

    def same_pixels(self, photo: BlobId) -> list[BlobId]:
        """Return other photos that are the same picture, newest first, some of them."""
        with self._reading() as read:
            return same_pixels(read, photo)

    def holders(self, blob: BlobId) -> frozenset[NodeId]:
        """Return the members that say they hold an original: to fetch from."""
        with self._reading() as read:
            return Wants(read).holders([blob]).get(blob, frozenset())

    # --- blobs -------------------------------------------------------------------------------

    def missing(
        self, kinds: Sequence[str], connected: Collection[bytes], limit: int
    ) -> list[Missing]:
        """Return blobs of these kinds that are not here and that someone connected may have.

        Previews and sidecars come first, for they are small and what a person sees; newest photos
        before older ones. Any member may have a preview, so nobody is named as its holder. An
        original is there once, as its own photo names it, whatever other photos say of its blob.
        """
        with self._reading() as read:
            return Wants(read).missing(kinds, connected, limit)

    def missing_part(
        self,
        kinds: Sequence[str],
        wanted: Sequence[str],
        connected: Collection[bytes],
        limit: int,
        end: int | None,
        left_alone: Tree | None = None,
        originals: Tree = ALL,
    ) -> MissingPart:
        """Return what is missing of photos before a place, all of each photo; see `Wants.part`."""
        with self._reading() as read:
            return Wants(read, left_alone, originals).part(kinds, wanted, connected, limit, end)

    def totals(self, kinds: Sequence[str]) -> Totals:
        """Count photos, contested ones, and the blobs of `kinds`."""
        with self._reading() as read:
            sums: dict[str, int] = dict(read("SELECT name, value FROM tally", ()))
            contested = read("SELECT count FROM term WHERE kind = 'has' AND key = 'conflict'", ())
        return Totals(
            photos=sums.get("photos", 0),
            contested=contested[0][0] if contested else 0,
            wanted=sum(sums.get(f"blobs {kind}", 0) for kind in kinds),
            held=sum(sums.get(f"held {kind}", 0) for kind in kinds),
            held_bytes=sum(sums.get(f"held-bytes {kind}", 0) for kind in kinds),
        )

    def at_risk(self, copies: int, *, counts_here: bool = True) -> AtRisk:
        """Count the photos with fewer copies than so many, without the trash.

        A copy is what a member says to hold that may keep some. `counts_here`: whether this node
        is one. Costs what there are of them as long as at most two copies are wanted, else all
        photos.
        """
        known = [str(few) for few in FEW_COPIES if few < copies]
        source, values = "photo p", list[object]()
        with self._reading() as read:
            if copies <= max(FEW_COPIES) + 1:
                terms = [term.id for term in Lexicon(read).terms(COPIES, known)]
                if not terms:
                    return AtRisk(0, 0)
                marks = ",".join("?" * len(terms))
                source = f"posting q JOIN photo p ON p.n = q.n AND q.term IN ({marks})"
                values += terms
            rows = read(
                "SELECT count(*), total(p.size_bytes * (? - p.copies)),"  # noqa: S608 - ours
                " total(p.held AND p.copies < ?), total(p.copies = 0 AND NOT p.held)"
                f" FROM {source} WHERE p.copies < ? AND p.trashed <> 1",
                (copies, 1 + counts_here, *values, copies),
            )
        return AtRisk(*map(int, rows[0]))

    def copy_sets(self) -> list[CopySet]:
        """Return where all photos are, the trash left out. Reads each of them, once."""
        with self._reading() as read:
            return copy_sets(read)

    # --- albums and the trash ----------------------------------------------------------------

    def albums(self) -> list[AlbumItem]:
        """Return the albums that were not deleted, in no order."""
        with self._reading() as read:
            rows = read("SELECT album, name, query, conflicts FROM album", ())
        return [AlbumItem(*row) for row in rows]

    def removals(self, limit: int, after: BlobId | None = None) -> list[RemovalRow]:
        """Return photos that somebody put into the trash, by their ids, behind `after`."""
        with self._reading() as read:
            rows = read(
                "SELECT photo, author, at_ms, since_ms, held FROM removal"
                " WHERE photo > ? ORDER BY photo LIMIT ?",
                (after or b"", limit),
            )
        return [
            RemovalRow(photo, author, at_ms, since_ms, bool(held))
            for photo, author, at_ms, since_ms, held in rows
        ]

    def removals_behind(self, author: NodeId, place: Place, most: int) -> list[PlacedRemoval]:
        """Return an author's removals behind a place, in order."""
        with self._reading() as read:
            return removals_behind(read, author, place, most)

    def removals_before(self, author: NodeId, place: Place, most: int) -> list[PlacedRemoval]:
        """Return an author's removals before a place, in order: those nearest to it."""
        with self._reading() as read:
            return removals_before(read, author, place, most)

    def removals_since(self, author: NodeId, after_ms: int) -> tuple[int, int | None]:
        """Return how many of an author's removals are later than a moment, and when the first."""
        with self._reading() as read:
            rows = read(
                "SELECT count(*), min(at_ms) FROM removal WHERE author = ? AND at_ms > ?",
                (author, after_ms),
            )
        count, first_ms = rows[0]
        return count, first_ms

    def held_removals(self) -> list[tuple[NodeId, int, int]]:
        """Return who removed photos that the brake holds: how many, and when the last (ms)."""
        with self._reading() as read:
            rows = read(
                "SELECT author, count(*), max(at_ms) FROM removal WHERE held GROUP BY author", ()
            )
        return [(NodeId(author), count, at_ms) for author, count, at_ms in rows]

    def last_held_removal(self, author: NodeId) -> BlobId | None:
        """Return the photo of the latest of an author's removals that the brake holds."""
        with self._reading() as read:
            rows = read(
                "SELECT photo FROM removal WHERE author = ? AND held"
                " ORDER BY at_ms DESC, photo LIMIT 1",
                (author,),
            )
        return BlobId(rows[0][0]) if rows else None

    def last_removal(self, author: NodeId) -> int:
        """Return the stamp (ms) of an author's latest removal; 0 if there is none."""
        with self._reading() as read:
            rows = read("SELECT max(at_ms) FROM removal WHERE author = ?", (author,))
        return int(rows[0][0] or 0)

    def removing_authors(self, *, held_only: bool) -> list[NodeId]:
        """Return who put photos into the trash that are there; those that the brake holds."""
        where = " WHERE held" if held_only else ""
        with self._reading() as read:
            rows = read(f"SELECT DISTINCT author FROM removal{where}", ())  # noqa: S608 - ours
        return [NodeId(author) for (author,) in rows]

    def is_shared(self, blob: BlobId) -> bool:
        """Whether more than one photo names a blob (or one that begins with the same bytes)."""
        with self._reading() as read:
            rows = read("SELECT 1 FROM blob_key WHERE key = ? LIMIT 2", (blob[:KEY_BYTES],))
        return len(rows) > 1

    # --- completeness ------------------------------------------------------------------------

    def held_by(self, node: NodeId) -> HeldBy:
        """Count the originals that a node says to hold. Reads what everybody holds, once.

        `only_there`: those of which no other copy counts.
        """
        with self._reading() as read:
            numbers = read("SELECT id FROM node WHERE node = ?", (bytes(node),))
            if not numbers:
                return HeldBy(0, 0, 0)
            number = int(numbers[0][0])
            rows = read(
                "SELECT h.nodes, h.hints, p.size_bytes FROM holder h"
                " JOIN blob_key k ON k.key = h.key"
                " JOIN photo p ON p.n = k.n",
                (),
            )
        said = ((set(numbers_in(nodes)), numbers_in(hints), size) for nodes, hints, size in rows)
        mine = [(nodes, hints, size) for nodes, hints, size in said if number in nodes]
        only_there = sum(nodes.difference(hints, [number]) == set() for nodes, hints, _ in mine)
        return HeldBy(len(mine), sum(size for _, _, size in mine), only_there)

    def authors(self) -> dict[NodeId, tuple[int, int]]:
        """Return for each author how many numbers of changes are here, and the largest of them.

        All up to the largest are here where the two are equal. Reads every number: not for a
        status that is asked for each second.
        """
        with self._reading() as read:
            rows = read(
                "SELECT node.node, count(DISTINCT seq), max(seq) FROM seq"
                " JOIN node ON node.id = seq.author GROUP BY seq.author",
                (),
            )
        return {NodeId(node): (count, last) for node, count, last in rows}

    def repeated_numbers(self, limit: int) -> list[tuple[NodeId, int]]:
        """Return numbers that an author gave to two changes: its folder was an older copy once."""
        with self._reading() as read:
            rows = read(
                "SELECT node.node, seq FROM seq JOIN node ON node.id = seq.author"
                " GROUP BY seq.author, seq HAVING count(*) > 1 LIMIT ?",
                (limit,),
            )
        return [(NodeId(node), seq) for node, seq in rows]


def _by_ids(read: Read, photos: Collection[BlobId]) -> list[ListedPhoto]:
    found: list[ListedPhoto] = []
    wanted = list(photos)
    for start in range(0, len(wanted), limits.PAGE_ITEMS_MAX):
        some = wanted[start : start + limits.PAGE_ITEMS_MAX]
        marks = ",".join("?" * len(some))
        rows = read(
            f"SELECT {_COLUMNS} FROM photo WHERE substr(photo, 1, 8) IN ({marks})"  # noqa: S608
            f" AND photo IN ({marks})",
            [*(photo[:KEY_BYTES] for photo in some), *some],
        )
        found += (ListedPhoto._make(row) for row in rows)
    return found


__all__ = [
    "ORIGINAL_KIND",
    "PREVIEW_KIND",
    "ActRow",
    "Counted",
    "Listed",
    "Missing",
    "Page",
    "PhotoQuery",
    "RemovalRow",
    "Totals",
]
