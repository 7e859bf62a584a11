"""The buffer's evictions: what would go and what not, and letting it go."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from photonic.api import examples
from photonic.api import keeping_examples as kept
from photonic.api.access import Node
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.upkeep_requests import Evicting
from photonic.errors import IndexUnreadable
from photonic.eviction_views import EvictionsView

routes = APIRouter(tags=["evictions"])

Bytes = Annotated[
    int | None,
    Query(ge=0, lt=1 << 62, description="How much is to go; down to the low mark without it."),
]


@routes.get(
    "/evictions",
    responses=examples.answer(kept.EVICTIONS) | problem_responses(IndexUnreadable),
)
async def list_evictions(node: Node, bytes: Bytes = None) -> EvictionsView:  # noqa: A002
    """List which originals would go, the oldest first, and which stay although it is their turn.

    Nobody is asked for a promise: what seems safe may stay all the same. `buffer` in the status
    says how full it is, and `buffer` events say what changes.
    """
    return await node.buffer.plan(bytes)


@routes.post(
    "/evictions",
    responses=examples.answer(kept.EVICTED) | write_responses(IndexUnreadable),
)
async def evict(body: Evicting, node: Node) -> EvictionsView:
    """Let originals go that enough others promise to keep; return what went, and what did not.

    Previews stay. Each is written into the audit log, with its attestations.
    """
    return await node.buffer.free(body.bytes)
