"""Photos: lists, one of them, and edits."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from photonic import limits
from photonic.api import examples
from photonic.api.access import Cursor, Limit, Node, PhotoId
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.requests import BulkEdit, PhotoEdit
from photonic.api.search import Search
from photonic.crdt.fields import ALBUMS
from photonic.errors import (
    AlbumUnknown,
    EditInvalid,
    EditStopped,
    NotAllowed,
    PhotoUnknown,
    QueryInvalid,
)
from photonic.views import BulkEditView, MediaKind, PhotoDetail, PhotoFilter, PhotoPage

routes = APIRouter(tags=["photos"])

# A year, a month, a day or a moment, in the camera's local time.
_PERIOD = r"^\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?)?)?$"

Word = Annotated[str | None, Query(max_length=limits.QUERY_CHARS_MAX)]
Order = Literal["taken", "-taken", "added", "-added"]
Period = Annotated[str | None, Query(pattern=_PERIOD, examples=["2024-05", "2024-05-17T09:30"])]


@routes.get(
    "/photos", responses=examples.answer(examples.PHOTO_PAGE) | problem_responses(QueryInvalid)
)
async def list_photos(
    node: Node,
    q: Search = "",
    sort: Annotated[
        Order | None,
        Query(description="Newest first by when they were taken, or added; `-` is oldest first."),
    ] = None,
    rating: Annotated[
        int | None, Query(ge=-1, le=5, description="The least rating; none counts as 0.")
    ] = None,
    camera: Word = None,
    lens: Word = None,
    tag: Word = None,
    taken_from: Period = None,
    taken_to: Period = None,
    media: Annotated[MediaKind | None, Query()] = None,
    conflicts: Annotated[bool, Query(description="Only photos with a contested field.")] = False,
    held: Annotated[bool | None, Query(description="Whether this node has the original.")] = None,
    at: Annotated[
        str | None,
        Query(
            pattern=_PERIOD,
            examples=["2024-05"],
            description="Begin with this period of the timeline, where a photo without a date "
            "stands when it was added. With a cursor it is passed over.",
        ),
    ] = None,
    limit: Limit = limits.PAGE_ITEMS_DEFAULT,
    cursor: Cursor = None,
) -> PhotoPage:
    """List photos, newest taken first, a page at a time. All filters that are given must hold.

    What is in the trash is listed where the query speaks of it: `is:trashed`.
    """
    filters = PhotoFilter(
        q=q,
        sort=sort,
        rating_min=rating,
        camera=camera,
        lens=lens,
        taken_from=taken_from,
        taken_to=taken_to,
        media=media,
        conflicts_only=conflicts,
        held=held,
        tag=tag,
        at=at,
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
    | write_responses(PhotoUnknown, AlbumUnknown, EditInvalid, NotAllowed),
)
async def edit_photo(photo: PhotoId, edit: PhotoEdit, node: Node) -> PhotoDetail:
    """Write one change with everything that the body names, and return the photo as it is then."""
    said = edit.said
    await node.albums.check_manual(said.adds.get(ALBUMS, ()))
    return await node.edit(photo, said)


@routes.post(
    "/photos/edit",
    responses=examples.answer(examples.BULK_EDIT)
    | write_responses(
        PhotoUnknown, AlbumUnknown, QueryInvalid, EditInvalid, NotAllowed, EditStopped
    ),
)
async def edit_photos(edit: BulkEdit, node: Node) -> BulkEditView:
    """Say the same of many photos, as one act that `/undo` takes back. Photos that are so already
    are left alone and not counted; a dry run counts all that are chosen.
    """
    said = edit.said
    await node.albums.check_manual(said.adds.get(ALBUMS, ()))
    return await node.edits.edit(edit.chosen, said, dry_run=edit.dry_run)
