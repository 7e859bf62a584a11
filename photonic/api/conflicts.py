"""Contested fields: what waits for a decision, and the decision."""

from __future__ import annotations

from fastapi import APIRouter

from photonic import limits
from photonic.api import examples
from photonic.api.access import Cursor, Limit, Node, PhotoId
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.requests import Resolution
from photonic.errors import EditInvalid, NotAllowed, PhotoUnknown, QueryInvalid
from photonic.views import ConflictPage, PhotoDetail

routes = APIRouter(tags=["conflicts"])


@routes.get(
    "/conflicts",
    responses=examples.answer(examples.CONFLICT_PAGE) | problem_responses(QueryInvalid),
)
async def list_conflicts(
    node: Node, limit: Limit = limits.PAGE_ITEMS_DEFAULT, cursor: Cursor = None
) -> ConflictPage:
    """List contested fields, a page at a time."""
    return await node.conflicts(limit, cursor)


@routes.post(
    "/photos/{id}/resolve",
    responses=examples.answer(examples.PHOTO)
    | write_responses(PhotoUnknown, EditInvalid, NotAllowed),
)
async def resolve_conflict(photo: PhotoId, resolution: Resolution, node: Node) -> PhotoDetail:
    """Settle a contested field on every node, by a change that has seen all of its versions."""
    return await node.resolve(
        photo, resolution.field, change=resolution.change, value=resolution.value
    )
