"""The audit log: what was done on this node that matters for security and for the photos."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from photonic import limits
from photonic.api import examples
from photonic.api.access import Cursor, Limit, Node
from photonic.api.problem_documents import problem_responses
from photonic.audit_views import AuditPage, AuditVerdict
from photonic.errors import QueryInvalid

routes = APIRouter(tags=["audit"])

Act = Annotated[
    str,
    Query(
        max_length=64,
        pattern=r"^[a-z0-9_.-]*$",
        description="Only this act, or those below it: `photos` is all of `photos.trashed`, ...",
        examples=["photos"],
    ),
]


@routes.get(
    "/audit", responses=examples.answer(examples.AUDIT_PAGE) | problem_responses(QueryInvalid)
)
async def list_audit_entries(
    node: Node, limit: Limit = limits.PAGE_ITEMS_DEFAULT, cursor: Cursor = None, act: Act = ""
) -> AuditPage:
    """List the entries of this node's audit log, the latest first, a page at a time."""
    return await node.audit.page(limit, cursor, act)


@routes.get(
    "/audit/verdict", responses=examples.answer(examples.AUDIT_VERDICT) | problem_responses()
)
async def verify_audit_log(node: Node) -> AuditVerdict:
    """Read the whole log and say whether it is sound, or where it breaks."""
    return await node.audit.verify()
