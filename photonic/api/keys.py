"""Library keys: who has them, a new one, and what is sealed with them. Never a key itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from photonic import limits
from photonic.api import examples
from photonic.api.access import Node
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.requests import Body
from photonic.errors import EditInvalid, NotAllowed
from photonic.key_views import KeysView, ResealedView

routes = APIRouter(tags=["keys"])

_HOLDER = {"id": examples.PEER.id, "name": "studio"}
_KEYS = {
    "keys": [
        {
            "name": "4f0c9a1be2d3475c8d6e9f10a2b3c4d5",
            "number": 1,
            "current": True,
            "here": True,
            "counts": True,
            "holders": [_HOLDER],
        }
    ],
    "sealed_fields": ["gps"],
    "lacking": [],
    "unread": 0,
    "files": [{"secret": "node", "path": "/home/ann/photonic/keys/node", "kept": "file"}],
}


class SealedFieldsRequest(Body):
    """The fields to seal from now on; an empty list for none."""

    fields: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        max_length=limits.FIELDS_PER_CHANGE_MAX, examples=[["gps"]]
    )


@routes.get("/keys", responses=examples.answer(_KEYS) | problem_responses())
async def read_keys(node: Node) -> KeysView:
    """Tell which library keys there are, who has them, and how this node keeps its own."""
    return await node.custody.view()


@routes.post("/keys/rotate", responses=examples.answer(_KEYS) | write_responses(NotAllowed))
async def rotate_keys(node: Node) -> KeysView:
    """Make a new library key for all members that may read; what is said from now on uses it."""
    return await node.custody.rotate()


@routes.post(
    "/keys/reseal", responses=examples.answer({"photos": 12}) | write_responses(NotAllowed)
)
async def reseal_fields(node: Node) -> ResealedView:
    """Seal with the current key what is shown and stands in the clear, or under an older key.

    What was written before stays in the history as it is.
    """
    return ResealedView(await node.custody.reseal())


@routes.put(
    "/keys/fields", responses=examples.answer(_KEYS) | write_responses(EditInvalid, NotAllowed)
)
async def write_sealed_fields(body: SealedFieldsRequest, node: Node) -> KeysView:
    """Say which fields are sealed from now on, on every node. What was said stays as it is."""
    return await node.custody.seal_fields(body.fields)
