"""What a search finds, in numbers: counts, the timeline, and what there is to choose from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from photonic import limits
from photonic.api import examples
from photonic.api.access import Node
from photonic.api.problem_documents import problem_responses
from photonic.errors import QueryInvalid
from photonic.views import FacetsView, PhotoCount, TimelineView

routes = APIRouter(tags=["search"])

Search = Annotated[
    str,
    Query(
        max_length=limits.QUERY_CHARS_MAX,
        description="A query: `rating>=3 taken:2024-05 -flag:reject`. docs/search.md tells all.",
    ),
]


@routes.get(
    "/photos/count", responses=examples.answer(examples.COUNT) | problem_responses(QueryInvalid)
)
async def count_photos(node: Node, q: Search = "") -> PhotoCount:
    """Count the photos that a query finds."""
    return await node.finder.count(q)


@routes.get(
    "/timeline", responses=examples.answer(examples.TIMELINE) | problem_responses(QueryInvalid)
)
async def read_timeline(node: Node, q: Search = "") -> TimelineView:
    """Count the photos of each month, for a scroll bar."""
    return await node.finder.timeline(q)


@routes.get("/facets", responses=examples.answer(examples.FACETS) | problem_responses())
async def read_facets(node: Node) -> FacetsView:
    """List the cameras, lenses, tags and other values that photos have, each with its count."""
    return await node.finder.facets()
