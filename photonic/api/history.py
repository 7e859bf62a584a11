"""History: what was said of a photo, what was done lately, and taking it back."""

from __future__ import annotations

from fastapi import APIRouter

from photonic import limits
from photonic.api import examples
from photonic.api.access import Cursor, Limit, Node, PhotoId
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.requests import UndoRequest
from photonic.errors import (
    EditStopped,
    NotAllowed,
    PhotoUnknown,
    QueryInvalid,
    SaidAmbiguous,
    SaidUnknown,
    UndoRefused,
)
from photonic.views import ActPage, PhotoLog, UndoView

routes = APIRouter(tags=["history"])


@routes.get(
    "/photos/{id}/log",
    responses=examples.answer(examples.PHOTO_LOG) | problem_responses(PhotoUnknown, QueryInvalid),
)
async def read_photo_log(
    photo: PhotoId, node: Node, limit: Limit = limits.PAGE_ITEMS_DEFAULT, cursor: Cursor = None
) -> PhotoLog:
    """Tell what was said of a photo, by whom and when, and what of it stands; the latest first."""
    return await node.history.photo(photo, limit, cursor)


@routes.get("/log", responses=examples.answer(examples.ACT_PAGE) | problem_responses(QueryInvalid))
async def list_acts(
    node: Node, limit: Limit = limits.PAGE_ITEMS_DEFAULT, cursor: Cursor = None
) -> ActPage:
    """List what people did to photos, the latest first, a page at a time."""
    return await node.history.acts(limit, cursor)


@routes.post(
    "/undo",
    responses=examples.answer(examples.UNDO)
    | write_responses(SaidUnknown, SaidAmbiguous, UndoRefused, NotAllowed, EditStopped),
)
async def undo(body: UndoRequest, node: Node) -> UndoView:
    """Take a change or a whole act back, by a new act that says what was shown before."""
    return await node.history.undo(change=body.change, act=body.act)
