"""Albums: by hand or by a saved query. The query `album:NAME` lists what is in one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from photonic.api import examples
from photonic.api.access import Node
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.requests import AlbumChange, NewAlbum
from photonic.errors import AlbumUnknown, NotAllowed, QueryInvalid
from photonic.views import AlbumList, AlbumView, DeletedAlbum

routes = APIRouter(tags=["albums"])


def album_id(
    text: Annotated[
        str, Path(alias="album", description="The album's id: 32 hex digits.", examples=["a1" * 16])
    ],
) -> str:
    """Return the album's id in lower case; what cannot be an id is no album's."""
    return text[:80].lower()


AlbumId = Annotated[str, Depends(album_id)]


@routes.get("/albums", responses=examples.answer(examples.ALBUM_LIST) | problem_responses())
async def list_albums(node: Node) -> AlbumList:
    """List all albums by name; two may share one."""
    return await node.albums.listed()


@routes.post(
    "/albums",
    status_code=201,
    responses=examples.answer(examples.ALBUM, 201) | write_responses(QueryInvalid, NotAllowed),
)
async def create_album(body: NewAlbum, node: Node) -> AlbumView:
    """Make an album: an empty one, or one that a query fills."""
    return await node.albums.create(body.name, body.query)


@routes.patch(
    "/albums/{album}",
    responses=examples.answer(examples.ALBUM)
    | write_responses(AlbumUnknown, QueryInvalid, NotAllowed),
)
async def change_album(album: AlbumId, body: AlbumChange, node: Node) -> AlbumView:
    """Change the name or the query of an album."""
    return await node.albums.change(album, body.model_dump(exclude_unset=True))


@routes.delete(
    "/albums/{album}",
    responses=examples.answer(examples.DELETED_ALBUM) | write_responses(AlbumUnknown, NotAllowed),
)
async def delete_album(album: AlbumId, node: Node) -> DeletedAlbum:
    """Delete an album and return what it was; its photos stay. `/undo` takes the act back."""
    return await node.albums.delete(album)
