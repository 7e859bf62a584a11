"""The trash: putting photos there, taking them back, and what may go for good."""

from __future__ import annotations

from fastapi import APIRouter

from photonic import limits
from photonic.api import examples
from photonic.api.access import Cursor, Limit, Node
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.requests import Confirmation, Discarding, Restoring
from photonic.errors import (
    EditStopped,
    NotAllowed,
    PeerUnknown,
    PhotoUnknown,
    QueryInvalid,
    RemovalUnconfirmed,
)
from photonic.views import BulkEditView, HeldRemovals, PurgeView, TrashPage

routes = APIRouter(tags=["trash"])

_CHOOSING = (PhotoUnknown, QueryInvalid, NotAllowed, EditStopped)


@routes.get(
    "/trash", responses=examples.answer(examples.TRASH_PAGE) | problem_responses(QueryInvalid)
)
async def list_trash(
    node: Node, limit: Limit = limits.PAGE_ITEMS_DEFAULT, cursor: Cursor = None
) -> TrashPage:
    """List what is in the trash, and the removals that wait for somebody to confirm them."""
    return await node.trash.page(limit, cursor)


@routes.post(
    "/trash",
    responses=examples.answer(examples.BULK_EDIT) | write_responses(RemovalUnconfirmed, *_CHOOSING),
)
async def discard_photos(body: Discarding, node: Node) -> BulkEditView:
    """Put photos into the trash, as one act that `/undo` takes back."""
    return await node.trash.discard(body.chosen, confirm=body.confirm, dry_run=body.dry_run)


@routes.post(
    "/trash/restore",
    responses=examples.answer(examples.BULK_EDIT) | write_responses(*_CHOOSING),
)
async def restore_photos(body: Restoring, node: Node) -> BulkEditView:
    """Take photos out of the trash, as one act. A query is asked of the trash alone."""
    return await node.trash.restore(body.chosen)


@routes.post(
    "/trash/confirm",
    responses=examples.answer(examples.HELD_REMOVALS) | write_responses(PeerUnknown, NotAllowed),
)
async def confirm_removals(body: Confirmation, node: Node) -> HeldRemovals:
    """Say on all nodes that a node's removals until now are meant; return what is still held."""
    return HeldRemovals(await node.trash.confirm(body.node))


@routes.post("/trash/empty", responses=examples.answer(examples.PURGE) | write_responses())
async def empty_trash(node: Node) -> PurgeView:
    """Drop this node's copies of what is past its grace now, without waiting for the day's end."""
    return await node.trash.empty()
