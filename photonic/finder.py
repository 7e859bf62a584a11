"""Finds photos: what people type becomes a question to the index.

A word about an album means the photos that were put into it and, where the album is a saved query,
those that its query finds; so the tree of a question may hold the trees of albums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, tzinfo
from functools import partial
from typing import TypeVar

import trio

from photonic import limits
from photonic.crdt.cursors import written_cursor
from photonic.crdt.query import Page, PhotoQuery
from photonic.crdt.timeline import begin_of
from photonic.errors import PhotoUnknown, QueryInvalid
from photonic.ids import BlobId, parse_hash
from photonic.photo_views import (
    FacetsView,
    FacetView,
    MonthView,
    PhotoCount,
    PhotoFilter,
    TimelineView,
)
from photonic.search.criteria import (
    ALL,
    Equals,
    Flagged,
    Has,
    Is,
    Named,
    Number,
    Query,
    Sort,
    Tree,
    Under,
    all_of,
    negated,
    with_defaults,
)
from photonic.search.grammar import parse
from photonic.search.notation import written
from photonic.search.periods import iso, period
from photonic.search.saved import Album, with_saved
from photonic.search.words import fold, path_key, tag_key
from photonic.world import Clock

T = TypeVar("T")

# Of each list of the view: what the index calls it, and which photos a value of it means.
_FACETS: dict[str, tuple[str, Callable[[str], Tree]]] = {
    "cameras": ("camera", lambda value: Named("camera", fold(value))),
    "lenses": ("lens", lambda value: Named("lens", fold(value))),
    "tags": ("tag", lambda value: Under("tag", tag_key(value))),
    "labels": ("label", lambda value: Named("label", fold(value))),
    "ratings": ("rating", lambda value: Number("rating", "=", int(value))),
    "kinds": ("kind", lambda value: Equals("kind", value)),
    "folders": ("folder", lambda value: Under("folder", path_key(value), exact=True)),
}
_UNRATED = Number("rating", "=", 0)
_FLAGS = (Flagged("pick"), Flagged("reject"))


class Finder:
    """Reads queries and asks the index, on other threads."""

    def __init__(self, query: PhotoQuery, clock: Clock) -> None:
        self._query, self._clock = query, clock

    async def page(self, wanted: PhotoFilter, limit: int, cursor: str | None) -> Page:
        """Return a page of what is wanted. Raises QueryInvalid."""

        def ask() -> Page:
            query = self._read(wanted.q)
            sort = query.sort if wanted.sort is None else _sort(wanted.sort)
            tree = with_defaults(all_of(query.tree, *self._conditions(wanted)))
            begin = cursor
            if cursor is None and wanted.at is not None:
                begin = self._cursor_at(wanted.at, sort)
            return self._query.page(tree, limit, begin, sort)

        return await _in_thread(ask)

    async def ids(self, q: str, among: Tree = ALL) -> AsyncGenerator[list[BlobId], None]:
        """Yield the photos that a query finds `among` some, page by page. Raises QueryInvalid."""
        query = await _in_thread(lambda: self._read(q))
        tree, cursor = with_defaults(all_of(query.tree, among)), None
        while True:
            ask = partial(self._query.ids, tree, limits.PAGE_ITEMS_MAX, cursor)
            photos, cursor = await _in_thread(ask)
            if photos:
                yield photos
            if cursor is None:
                return

    async def known(self, ids: Sequence[str]) -> list[BlobId]:
        """Return the photos with these ids, each once. Raises PhotoUnknown."""

        def look() -> list[BlobId]:
            named = list(dict.fromkeys(map(_photo_id, ids)))
            there = self._query.known(named)
            for photo in named:
                if photo not in there:
                    raise PhotoUnknown(photo.hex())
            return named

        return await _in_thread(look)

    async def count(self, q: str, among: Tree = ALL) -> PhotoCount:
        """Count what a query finds `among` some photos. Raises QueryInvalid."""

        def ask() -> PhotoCount:
            counted = self._query.count(with_defaults(all_of(self._read(q).tree, among)))
            return PhotoCount(counted.count, counted.is_exact)

        return await _in_thread(ask)

    async def timeline(self, q: str) -> TimelineView:
        """Count what a query finds by months. Raises QueryInvalid."""

        def ask() -> TimelineView:
            months = self._query.histogram(with_defaults(self._read(q).tree))
            views = [MonthView(month, count) for month, count in months]
            return TimelineView(views, sum(view.count for view in views))

        return await _in_thread(ask)

    async def facets(self) -> FacetsView:
        """Count the values that photos have, but for those in the trash."""

        def ask() -> FacetsView:
            counted = self._query.facets()
            views = {
                name: _facets(counted.get(facet, {}), meant)
                for name, (facet, meant) in _FACETS.items()
            }
            flags = [
                FacetView(tree.flag, count, written(tree))
                for tree in _FLAGS
                if (count := self._query.count(with_defaults(tree)).count)
            ]
            return FacetsView(flags=flags, **views)

        return await _in_thread(ask)

    async def album_names(self) -> dict[str, str]:
        """Return the names of the albums that were not deleted, by their ids."""
        rows = await _in_thread(self._query.albums)
        return {row.album.hex(): row.name for row in rows}

    def with_albums(self, tree: Tree) -> Tree:
        """Return a tree with what is in albums in the place of their names. Blocks.

        An album whose query cannot be read has what was put into it by hand.
        """
        albums = [Album(one.album.hex(), one.name, one.query) for one in self._query.albums()]
        try:
            return with_saved(tree, albums, *self._today())
        except QueryInvalid:
            return tree

    async def check(self, q: str) -> None:
        """Raises QueryInvalid if `q` cannot be the query of a saved album."""
        await _in_thread(lambda: self._read(q))

    # --- on a thread of the pool -------------------------------------------------------------

    def _read(self, q: str) -> Query:
        """Parse, and put what is in albums where they are named."""
        today, zone = self._today()
        query = parse(q, today, zone)
        albums = [Album(one.album.hex(), one.name, one.query) for one in self._query.albums()]
        return replace(query, tree=with_saved(query.tree, albums, today, zone))

    def _today(self) -> tuple[date, tzinfo]:
        """Return what day it is where this node runs, and its zone."""
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000).astimezone()
        assert now.tzinfo is not None
        return now.date(), now.tzinfo

    def _cursor_at(self, text: str, sort: Sort) -> str:
        """Return the cursor of a list that begins with a period. Raises QueryInvalid.

        It is a place in the timeline, and not a condition on when a photo was taken: photos
        without a date stand there where they came into the library, and are listed, too.
        """
        if sort.by != "taken":
            raise QueryInvalid("`at` is for lists in the order of when photos were taken")
        try:
            start, end = period(text, self._today()[0])
        except ValueError as error:
            raise QueryInvalid(f"{text}: {error}") from error
        place = begin_of(iso(start if sort.oldest_first else end))
        assert place is not None, "a period begins and ends with a moment"
        return written_cursor(sort, place - 1 if sort.oldest_first else place, 0)

    def _conditions(self, wanted: PhotoFilter) -> list[Tree]:
        """Return what is asked for beside the query."""
        found: list[Tree] = []
        if wanted.rating_min is not None:
            found.append(Number("rating", ">=", wanted.rating_min))
        if wanted.camera is not None:
            found.append(Named("camera", fold(wanted.camera)))
        if wanted.lens is not None:
            found.append(Named("lens", fold(wanted.lens)))
        if wanted.tag is not None:
            found.append(Under("tag", tag_key(wanted.tag)))
        if wanted.taken_from is not None or wanted.taken_to is not None:
            period = f"taken:{wanted.taken_from or ''}..{wanted.taken_to or ''}"
            found.append(self._read(period).tree)
        if wanted.media is not None:
            found.append(Equals("kind", wanted.media))
        if wanted.conflicts_only:
            found.append(Has("conflict"))
        if wanted.held is not None:
            found.append(Is("held") if wanted.held else negated(Is("held")))
        return found


def _facets(counted: Mapping[str, int], meant: Callable[[str], Tree]) -> list[FacetView]:
    """Return the most frequent values, each with its query. Spellings of one value are one."""
    values: dict[Tree, str] = {}
    counts = Counter[Tree]()
    for value, count in sorted(counted.items(), key=lambda one: (-one[1], one[0])):
        tree = meant(value)
        if tree != _UNRATED:  # nobody rated these
            values.setdefault(tree, value)
            counts[tree] += count
    return [
        FacetView(values[tree], count, written(tree))
        for tree, count in counts.most_common(limits.FACET_VALUES_MAX)
    ]


def _sort(text: str) -> Sort:
    return Sort("added" if text.endswith("added") else "taken", text.startswith("-"))


def _photo_id(text: str) -> BlobId:
    try:
        return BlobId(parse_hash(text))
    except ValueError:
        raise PhotoUnknown(text[:80]) from None


async def _in_thread(work: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(work)
