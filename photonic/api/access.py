"""How an operation gets at the node that answers, and reads what every operation takes alike."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from photonic import limits
from photonic.api.feed import Feed
from photonic.errors import PhotoUnknown
from photonic.ids import parse_hash
from photonic.views import LocalNode


def node_of(request: Request) -> LocalNode:
    """Return the node that the application serves."""
    node: LocalNode = request.app.node
    return node


def feed_of(request: Request) -> Feed:
    """Return the application's feed of events."""
    feed: Feed = request.app.feed
    return feed


def photo_id(
    text: Annotated[
        str, Path(alias="id", description="The photo's id: 64 hex digits.", examples=["ab" * 32])
    ],
) -> str:
    """Return the photo's id in lower case. What cannot be an id is no photo's id."""
    try:
        return parse_hash(text).hex()
    except ValueError as error:
        raise PhotoUnknown(text[:80]) from error


Node = Annotated[LocalNode, Depends(node_of)]
EventFeed = Annotated[Feed, Depends(feed_of)]
PhotoId = Annotated[str, Depends(photo_id)]
Limit = Annotated[
    int, Query(ge=1, le=limits.PAGE_ITEMS_MAX, description="The most items to return.")
]
Cursor = Annotated[
    str | None,
    Query(max_length=limits.CURSOR_CHARS_MAX, description="`next` of the page before."),
]
