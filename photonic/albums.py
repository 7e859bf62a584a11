"""Albums: photos that somebody put together by hand, or that a saved query finds.

An album is a subject of its own with a random key, so that two may share a name. What is in a
manual album stands on the photos (the set field `albums`). A deleted album is marked as gone and
its photos keep the mark, so that undoing the deletion brings all of it back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import trio

from photonic import limits
from photonic.catalog_thread import CatalogThread
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import ACT_BYTES, Draft
from photonic.crdt.fields import ALBUM_GONE, ALBUM_NAME, ALBUM_QUERY
from photonic.crdt.fold import SubjectState
from photonic.crdt.query import PhotoQuery
from photonic.errors import AlbumUnknown, EditInvalid
from photonic.finder import Finder
from photonic.ids import album_subject
from photonic.photo_views import AlbumList, AlbumView, DeletedAlbum
from photonic.world import Entropy

ALBUM_BYTES = 16


class Albums:
    """What albums there are, and changes of them."""

    def __init__(
        self, thread: CatalogThread, query: PhotoQuery, finder: Finder, entropy: Entropy
    ) -> None:
        self._thread, self._query = thread, query
        self._finder, self._entropy = finder, entropy

    async def listed(self) -> AlbumList:
        """Return the albums by name, at most ALBUMS_MAX."""
        rows = await trio.to_thread.run_sync(self._query.albums)
        ordered = sorted(rows, key=lambda row: (row.name.casefold(), row.album))
        return AlbumList(
            [
                AlbumView(row.album.hex(), row.name, row.query, row.conflicts.split())
                for row in ordered[: limits.ALBUMS_MAX]
            ]
        )

    async def create(self, name: str, query: str | None) -> AlbumView:
        """Make an album; with a `query` it is a saved one. Raises QueryInvalid, NotAllowed."""
        sets: dict[str, object] = {ALBUM_NAME: name}
        if query is not None:
            await self._finder.check(query)
            sets[ALBUM_QUERY] = query
        subject = album_subject(self._entropy.token(ALBUM_BYTES))

        def write(catalog: Catalog) -> AlbumView:
            catalog.write([Draft(subject, sets)])
            return _view(catalog.state(subject))

        return await self._thread.call(write)

    async def change(self, album: str, sets: Mapping[str, object]) -> AlbumView:
        """Write a name, a query (None: photos are put in by hand) or both.

        Raises AlbumUnknown, QueryInvalid, EditInvalid, NotAllowed.
        """
        query = sets.get(ALBUM_QUERY)
        if isinstance(query, str):
            await self._finder.check(query)
        return await self._write(album, sets)

    async def delete(self, album: str) -> DeletedAlbum:
        """Delete an album, as an act of its own; its photos stay.

        Raises AlbumUnknown, NotAllowed.
        """
        act = self._entropy.token(ACT_BYTES)
        was = await self._write(album, {ALBUM_GONE: True}, act)
        return DeletedAlbum(was.id, was.name, was.query, was.conflicts, act.hex())

    async def check_manual(self, albums: Sequence[str]) -> None:
        """Raises AlbumUnknown, EditInvalid unless photos can be put into all of `albums`."""

        def look(catalog: Catalog) -> None:
            for album in albums:
                if _view(_known(catalog, album)).query is not None:
                    raise EditInvalid(f"album {album} is a saved query; nothing is put into it")

        if albums:
            await self._thread.call(look)

    async def _write(self, album: str, sets: Mapping[str, object], act: bytes = b"") -> AlbumView:
        def work(catalog: Catalog) -> AlbumView:
            state = _known(catalog, album)
            catalog.write([Draft(state.subject, dict(sets), act=act)])
            return _view(catalog.state(state.subject))

        return await self._thread.call(work)


def _known(catalog: Catalog, album: str) -> SubjectState:
    """Return the state of an album that is there and not deleted. Raises AlbumUnknown."""
    state = catalog.state(album_subject(_album_id(album)))
    if ALBUM_NAME not in state.fields or _shown(state, ALBUM_GONE) is True:
        raise AlbumUnknown(f"there is no album {album}")
    return state


def _album_id(text: str) -> bytes:
    try:
        album = bytes.fromhex(text)
    except ValueError:
        album = b""
    if len(album) != ALBUM_BYTES:
        raise AlbumUnknown(f"there is no album {text}")
    return album


def _view(state: SubjectState) -> AlbumView:
    query = _shown(state, ALBUM_QUERY)
    return AlbumView(
        state.subject.key.hex(),
        str(_shown(state, ALBUM_NAME) or ""),
        query if isinstance(query, str) else None,
        list(state.contested()),
    )


def _shown(state: SubjectState, name: str) -> object:
    """Return the later word: an album must have some name, whatever the display policy says."""
    field = state.fields.get(name)
    return field.versions[0].value if field else None
