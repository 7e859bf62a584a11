"""Which blobs this node lacks, and who says to hold them: found from terms, without a scan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from photonic.crdt.lexicon import Lexicon, Read
from photonic.crdt.plans import Plan, Sql, piece
from photonic.crdt.projection import ORIGINAL_KIND
from photonic.crdt.rows import KEY_BYTES, Blobs, BlobTable, numbers_in
from photonic.crdt.sets import Postings
from photonic.crdt.terms import MISSING, WITHIN_REACH
from photonic.ids import BlobId, NodeId

_AT_ONCE = 500
_PLACES_MAX = 8_192  # photos that are looked at for one answer and turn out to need nothing


@dataclass(frozen=True, slots=True)
class Missing:
    """A blob that this node lacks, the name of its photo, and who says to hold it."""

    row: BlobTable
    name: str
    holders: frozenset[NodeId]


class Wants:
    """Reads what is missing, within one reading of the index."""

    def __init__(self, read: Read) -> None:
        self._read, self._lexicon = read, Lexicon(read)

    def missing(
        self, kinds: Collection[str], connected: Collection[bytes], limit: int
    ) -> list[Missing]:
        """See `PhotoQuery.missing`."""
        small = [kind for kind in kinds if kind != ORIGINAL_KIND]
        wants_originals = ORIGINAL_KIND in kinds
        reachable = [node.hex() for node in connected] if wants_originals else []
        within_reach = [term.id for term in self._lexicon.terms(WITHIN_REACH, reachable)]
        found = self._find(
            [term.id for term in self._lexicon.terms(MISSING, small)], small, within_reach, limit
        )
        if within_reach and len(found) < limit:
            rest = limit - len(found)
            found += self._find(within_reach, [ORIGINAL_KIND], within_reach, rest, set(connected))
        holders = self.holders([row.blob for row, _ in found])
        return [Missing(row, name, holders.get(row.blob, frozenset())) for row, name in found]

    def _find(
        self,
        terms: Sequence[int],
        kinds: Sequence[str],
        within_reach: Sequence[int],
        limit: int,
        connected: Collection[bytes] | None = None,
    ) -> list[tuple[BlobTable, str]]:
        """Return missing blobs of these kinds of photos with one of the terms, newest first.

        `connected`: only those that one of these nodes holds.
        """
        found: list[tuple[BlobTable, str]] = []
        end: int | None = None
        looked_at = 0
        while terms and len(found) < limit and looked_at < _PLACES_MAX:
            places = self._places(terms, end, limit)
            rows = [
                (row, name)
                for row, name in self._blobs(places)
                if row.kind in kinds and not row.held
            ]
            if connected is not None:
                holders = self.holders([row.blob for row, _ in rows])
                rows = [r for r in rows if not holders.get(r[0].blob, set()).isdisjoint(connected)]
            better = self._named_better([row for row, _ in rows], within_reach)
            found += (one for one in rows if one[0].blob not in better or _is_own(one[0]))
            if len(places) < limit:
                break
            end, looked_at = places[-1], looked_at + len(places)
        return found[:limit]

    def _places(self, terms: Sequence[int], end: int | None, limit: int) -> list[int]:
        """Return the newest photos with one of the terms, before `end`."""
        sources = (Postings(tuple(terms), 0),)
        chosen = Plan(sources, None, end, Sql("1"), is_row_free=True, estimate=0, walked=0)
        asked = piece(chosen, None, None, newest_first=True, limit=limit)
        return [n for (n,) in self._read(asked.text, asked.values)]

    def _blobs(self, places: Sequence[int]) -> list[tuple[BlobTable, str]]:
        found: list[tuple[BlobTable, str]] = []
        for some in _pieces(places):
            rows = self._read(
                "SELECT p.photo, p.name, f.blobs, f.held"  # noqa: S608
                " FROM photo p JOIN file f ON f.n = p.n"
                f" WHERE p.n IN ({_marks(some)}) AND p.trashed <> 1 ORDER BY p.n DESC",
                some,
            )
            for photo, name, blobs, held in rows:
                found += ((row, name) for row in Blobs.unpack(blobs, held).listed(BlobId(photo)))
        return found

    def _named_better(self, rows: Sequence[BlobTable], within_reach: Sequence[int]) -> set[bytes]:
        """Return the blobs that are the original of the photo of their name, which is in reach.

        A photo may call any blob its own, with any size. Who names an original best is the photo
        that has its name: where that one is wanted, the others are not.
        """
        blobs = {row.blob for row in rows if not _is_own(row)}
        found: set[bytes] = set()
        for some in _pieces(list(blobs) if within_reach else []):
            found.update(
                photo
                for (photo,) in self._read(
                    "SELECT photo FROM photo p"  # noqa: S608
                    f" WHERE substr(photo, 1, 8) IN ({_marks(some)}) AND photo IN ({_marks(some)})"
                    f" AND EXISTS (SELECT 1 FROM posting q WHERE q.n = p.n"
                    f" AND q.term IN ({_marks(within_reach)}))",
                    [*(blob[:KEY_BYTES] for blob in some), *some, *within_reach],
                )
            )
        return found

    def holders(self, blobs: Iterable[bytes]) -> dict[bytes, frozenset[NodeId]]:
        """Return the members that say they hold blobs, where there are any."""
        nodes: dict[int, NodeId] | None = None
        found: dict[bytes, frozenset[NodeId]] = {}
        wanted: dict[bytes, list[bytes]] = {}
        for blob in blobs:
            wanted.setdefault(blob[:KEY_BYTES], []).append(blob)
        for some in _pieces(list(wanted)):
            rows = self._read(
                f"SELECT key, nodes FROM holder WHERE key IN ({_marks(some)})",  # noqa: S608
                some,
            )
            for key, numbers in rows:
                if nodes is None:
                    nodes = dict(self._read("SELECT id, node FROM node", ()))
                held_by = frozenset(NodeId(nodes[number]) for number in numbers_in(numbers))
                found |= dict.fromkeys(wanted[key], held_by)
        return found


def _is_own(row: BlobTable) -> bool:
    """Whether a photo names its own original, by which it is called."""
    return row.kind == ORIGINAL_KIND and row.photo == row.blob


def _pieces(some: Sequence[Any]) -> list[Sequence[Any]]:
    return [some[start : start + _AT_ONCE] for start in range(0, len(some), _AT_ONCE)]


def _marks(some: Collection[Any]) -> str:
    return ",".join("?" * len(some))
