"""Photos: lists, one of them, and edits."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from photonic import limits
from photonic.api import examples
from photonic.api.access import Cursor, Limit, Node, PhotoId
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.requests import PhotoEdit
from photonic.errors import EditInvalid, NotAllowed, PhotoUnknown, QueryInvalid
from photonic.views import MediaKind, PhotoDetail, PhotoFilter, PhotoPage

routes = APIRouter(tags=["photos"])

# A year, a month, a day or a moment, in the camera's local time.
_PERIOD = r"^\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?)?)?$"

Word = Annotated[str | None, Query(max_length=limits.QUERY_CHARS_MAX)]
Period = Annotated[str | None, Query(pattern=_PERIOD, examples=["2024-05", "2024-05-17T09:30"])]


@routes.get(
    "/photos", responses=examples.answer(examples.PHOTO_PAGE) | problem_responses(QueryInvalid)
)
async def list_photos(
    node: Node,
    q: Annotated[
        str, Query(max_length=limits.QUERY_CHARS_MAX, description="Free text, over names too.")
    ] = "",
    rating: Annotated[int | None, Query(ge=-1, le=5, description="The least rating.")] = None,
    camera: Word = None,
    lens: Word = None,
    tag: Word = None,
    taken_from: Period = None,
    taken_to: Period = None,
    media: Annotated[MediaKind | None, Query()] = None,
    conflicts: Annotated[bool, Query(description="Only photos with a contested field.")] = False,
    held: Annotated[bool | None, Query(description="Whether this node has the original.")] = None,
    limit: Limit = limits.PAGE_ITEMS_DEFAULT,
    cursor: Cursor = None,
) -> PhotoPage:
    """List photos, newest taken first, a page at a time. All filters that are given must hold."""
    filters = PhotoFilter(
        q=q,
        rating_min=rating,
        camera=camera,
        lens=lens,
        taken_from=taken_from,
        taken_to=taken_to,
        media=media,
        conflicts_only=conflicts,
        held=held,
        tag=tag,
    )
    return await node.photos(filters, limit, cursor)


@routes.get(
    "/photos/{id}", responses=examples.answer(examples.PHOTO) | problem_responses(PhotoUnknown)
)
async def read_photo(photo: PhotoId, node: Node) -> PhotoDetail:
    """Return one photo with every version of every field."""
    return await node.photo(photo)


@routes.patch(
    "/photos/{id}",
    responses=examples.answer(examples.PHOTO)
    | write_responses(PhotoUnknown, EditInvalid, NotAllowed),
)
async def edit_photo(photo: PhotoId, edit: PhotoEdit, node: Node) -> PhotoDetail:
    """Write one change with everything that the body names, and return the photo as it is then."""
    tags = edit.tags
    return await node.edit(
        photo,
        edit.sets,
        add_tags=tags.add if tags else (),
        remove_tags=tags.remove if tags else (),
    )
