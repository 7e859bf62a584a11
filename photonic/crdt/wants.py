"""Which blobs this node lacks, and who says to hold them: found from terms, without a scan.

The list of them is read part by part. Each photo has a position in it, by which the next part
begins: so going on costs what the part holds, and nothing that was passed is looked at again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from photonic.crdt.lexicon import Lexicon, Read
from photonic.crdt.plans import Plan, Sql, piece, plan, predicate
from photonic.crdt.projection import ORIGINAL_KIND
from photonic.crdt.rows import KEY_BYTES, Blobs, BlobTable, numbers_in
from photonic.crdt.sets import EVERYTHING, NOTHING, Meaning, Postings, Set, both
from photonic.crdt.terms import MISSING, WITHIN_REACH
from photonic.ids import BlobId, NodeId
from photonic.search.criteria import ALL, Tree

_AT_ONCE = 500
_FIRST = -1  # no place is before it
_TRUE = Sql("1")
_PLACES_MAX = 8_192  # photos that are looked at for one answer and turn out to need nothing


@dataclass(frozen=True, slots=True)
class Missing:
    """A blob that this node lacks, and who says to hold it; of its photo the name and more."""

    row: BlobTable
    name: str
    holders: frozenset[NodeId]
    place: int = 0  # of the photo in time
    rating: int | None = None
    shoot: str | None = None  # that a person said, against the grouping by time


@dataclass(frozen=True, slots=True)
class MissingPart:
    """What is missing of photos from a place on backwards in time, newest first.

    `end`: the next part is of photos before this place; None: there are none.
    """

    items: list[Missing]
    end: int | None


@dataclass(frozen=True, slots=True)
class _Places:
    """Photos of which something may be missing, newest first: all of them from `end` on.

    `end` None: all that there are. `looked_at`: how many it took.
    """

    places: list[int]
    end: int | None
    looked_at: int


class Wants:
    """Reads what is missing, within one reading of the index."""

    def __init__(self, read: Read, left_alone: Tree | None = None, originals: Tree = ALL) -> None:
        """`left_alone`: photos of which nothing is wanted, for somebody paused them.

        `originals`: photos whose originals are wanted; of others only the rest is.
        """
        self._read, self._lexicon = read, Lexicon(read)
        meaning = Meaning(self._lexicon)
        skipped: Set = NOTHING if left_alone is None else meaning.of(left_alone)
        self._skipped = None if skipped == NOTHING else predicate(skipped, "p.n")
        self._originals = meaning.of(originals)

    def missing(
        self, kinds: Collection[str], connected: Collection[bytes], limit: int
    ) -> list[Missing]:
        """See `PhotoQuery.missing`."""
        small = [kind for kind in kinds if kind != ORIGINAL_KIND]
        found = self.part(small, kinds, connected, limit, None).items
        if ORIGINAL_KIND in kinds and len(found) < limit:
            rest = limit - len(found)
            found += self.part([ORIGINAL_KIND], kinds, connected, rest, None).items
        return found[:limit]

    def part(
        self,
        kinds: Collection[str],
        wanted: Collection[str],
        connected: Collection[bytes],
        limit: int,
        end: int | None,
    ) -> MissingPart:
        """Return missing blobs of these kinds of the photos before `end`, newest photo first.

        About `limit` of them: all of a photo, or nothing. Of originals only those that one of
        `connected` holds, and who does; others may be anywhere, so nobody is named. `wanted`: all
        kinds that this node wants, in this part or another.
        """
        small = [kind for kind in kinds if kind != ORIGINAL_KIND]
        reachable = [node.hex() for node in connected] if ORIGINAL_KIND in wanted else []
        within_reach = [term.id for term in self._lexicon.terms(WITHIN_REACH, reachable)]
        terms = [term.id for term in self._lexicon.terms(MISSING, small)]
        sources = self._sources(terms, within_reach if ORIGINAL_KIND in kinds else [])
        found: list[Missing] = []
        looked_at = 0
        while sources and len(found) < limit and looked_at < _PLACES_MAX:
            some = self._places(sources, end, limit)
            rows = self._within_reach(self._blobs(some.places, kinds), set(connected))
            better = self._named_better([one.row for one in rows], within_reach)
            taken = [one for one in rows if one.row.blob not in better or _is_own(one.row)]
            over = next((n for n, one in enumerate(taken) if len(found) + n >= limit), None)
            if over is not None:  # what is left of its photo still belongs to this part
                last = taken[over - 1].place if over else taken[0].place
                found += (one for one in taken if one.place >= last)
                return MissingPart(found, last)
            found += taken
            if some.end is None:
                return MissingPart(found, None)
            end, looked_at = some.end, looked_at + some.looked_at
        return MissingPart(found, end if sources else None)

    def _within_reach(self, rows: list[Missing], connected: set[bytes]) -> list[Missing]:
        """Leave out the originals that nobody connected holds, and name the holders of others."""
        originals = [one.row.blob for one in rows if one.row.kind == ORIGINAL_KIND]
        holders = self.holders(originals)
        found: list[Missing] = []
        for one in rows:
            if one.row.kind != ORIGINAL_KIND:
                found.append(one)
                continue
            held_by = holders.get(one.row.blob, frozenset())
            if not held_by.isdisjoint(connected):
                found.append(Missing(one.row, one.name, held_by, one.place, one.rating, one.shoot))
        return found

    def _sources(self, small: Sequence[int], within_reach: Sequence[int]) -> list[Plan]:
        """Return how to walk what lacks something: small blobs, and originals that are wanted.

        Where all originals are, that is one list; where few are, the rules lead and not the list of
        all originals that are not here.
        """
        if self._originals == EVERYTHING:
            small, within_reach = [*small, *within_reach], []
        found: list[Plan] = []
        if small:
            lists = (Postings(tuple(small), 0),)
            found.append(Plan(lists, None, None, _TRUE, is_row_free=True, estimate=0, walked=0))
        if within_reach and self._originals != NOTHING:
            count = sum(term.photos for term in self._lexicon.terms(WITHIN_REACH))
            wanted = both(Postings(tuple(within_reach), count), self._originals)
            found.append(plan(wanted, self._lexicon.total, to_the_end=True))
        return found

    def _places(self, sources: Sequence[Plan], end: int | None, limit: int) -> _Places:
        """Return the newest photos of some plans before `end`.

        Of a plan with conditions some of its photos are looked at, and maybe none is found.
        """
        found: set[int] = set()
        reached, looked_at = _FIRST, 0
        for chosen in sources:
            size = limit if chosen.where == _TRUE else max(limit, _PLACES_MAX // 4)
            asked = piece(chosen, None, end, newest_first=True, limit=size)
            places = [n for (n,) in self._read(asked.text, asked.values)]
            looked_at += len(places)
            if len(places) == size:
                reached = max(reached, places[-1])
            found.update(places if chosen.where == _TRUE else self._meeting(chosen.where, places))
        # What is behind the place to which all of them were looked at comes next.
        ordered = sorted((n for n in found if n >= reached), reverse=True)
        return _Places(ordered, None if reached == _FIRST else reached, looked_at)

    def _meeting(self, where: Sql, places: Sequence[int]) -> list[int]:
        """Return those of some places whose photos meet a plan's conditions."""
        rows = self._read(
            "SELECT p.n FROM (SELECT value AS n FROM json_each(?)) d"  # noqa: S608 - ours
            f" CROSS JOIN photo p ON p.n = d.n WHERE {where.text}",
            (json.dumps(places), *where.values),
        )
        return [n for (n,) in rows]

    def _blobs(self, places: Sequence[int], kinds: Collection[str]) -> list[Missing]:
        skipped = self._skipped or Sql("0")
        wanted = predicate(self._originals, "p.n")
        found: list[Missing] = []
        for some in _pieces(places):
            rows = self._read(
                "SELECT p.n, p.photo, p.name, p.rating, p.shoot, f.blobs, f.held,"  # noqa: S608
                f" {wanted.text} FROM photo p JOIN file f ON f.n = p.n"
                f" WHERE p.n IN ({_marks(some)}) AND p.trashed <> 1 AND NOT {skipped.text}"
                " ORDER BY p.n DESC",
                (*wanted.values, *some, *skipped.values),
            )
            for n, photo, name, rating, shoot, blobs, held, is_wanted in rows:
                found += (
                    Missing(row, name, frozenset(), n, rating, shoot)
                    for row in Blobs.unpack(blobs, held).listed(BlobId(photo))
                    if row.kind in kinds
                    and not row.held
                    and (is_wanted or row.kind != ORIGINAL_KIND)
                )
        return found

    def _named_better(self, rows: Sequence[BlobTable], within_reach: Sequence[int]) -> set[bytes]:
        """Return the blobs that are the original of the photo of their name, which is in reach.

        A photo may call any blob its own, with any size. Who names an original best is the photo
        that has its name: where that one is wanted, the others are not.
        """
        wanted = predicate(self._originals, "p.n")
        blobs = {row.blob for row in rows if not _is_own(row)}
        found: set[bytes] = set()
        for some in _pieces(list(blobs) if within_reach else []):
            found.update(
                photo
                for (photo,) in self._read(
                    "SELECT photo FROM photo p"  # noqa: S608
                    f" WHERE substr(photo, 1, 8) IN ({_marks(some)}) AND photo IN ({_marks(some)})"
                    f" AND EXISTS (SELECT 1 FROM posting q WHERE q.n = p.n"
                    f" AND q.term IN ({_marks(within_reach)})) AND {wanted.text}",
                    [*(b[:KEY_BYTES] for b in some), *some, *within_reach, *wanted.values],
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
