"""What moves: transfers with their rates, time to safe, and what is left alone."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

from photonic import limits
from photonic.api import examples
from photonic.api import keeping_examples as kept
from photonic.api.access import Limit, Node
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.upkeep_requests import PauseRequest, ResumeRequest
from photonic.errors import AlbumUnknown, HomeUnusable, PauseInvalid, PeerUnknown
from photonic.moving import TransfersView
from photonic.pauses import PauseView
from photonic.redundancy import RedundancyView

routes = APIRouter(tags=["transfers"])

_NAMING = (PauseInvalid, PeerUnknown, AlbumUnknown, HomeUnusable)


@dataclass(frozen=True, slots=True)
class PauseList:
    items: list[PauseView]


@routes.get("/transfers", responses=examples.answer(examples.TRANSFERS) | problem_responses())
async def list_transfers(node: Node, limit: Limit = limits.PAGE_ITEMS_DEFAULT) -> TransfersView:
    """List what is being fetched, the most urgent first, and tell when every photo is safe.

    `transfer` and `safety` events say what changes.
    """
    return await node.moving.view(limit)


@routes.get("/redundancy", responses=examples.answer(kept.REDUNDANCY) | problem_responses())
async def read_redundancy(node: Node) -> RedundancyView:
    """Tell how many copies of the photos there are, on which nodes, and what waits for whom.

    Reads a line for each photo: not for what is asked each second.
    """
    return await node.redundancy()


@routes.get("/pauses", responses=examples.answer(examples.PAUSES) | problem_responses())
async def list_pauses(node: Node) -> PauseList:
    """List what this node leaves alone."""
    return PauseList(await node.moving.pauses.views())


@routes.post("/pauses", responses=examples.answer(examples.PAUSES) | write_responses(*_NAMING))
async def pause(body: PauseRequest, node: Node) -> PauseList:
    """Fetch nothing of this until it is resumed, also after a restart; return what is paused.

    What was asked for already still comes, and what others take from this node goes on.
    """
    return PauseList(await node.moving.pauses.pause(body.kind, body.id))


@routes.post("/pauses/end", responses=examples.answer(examples.PAUSES) | write_responses(*_NAMING))
async def resume(body: ResumeRequest, node: Node) -> PauseList:
    """Let go on what was paused, or all of it; return what is paused still."""
    return PauseList(await node.moving.pauses.resume(body.kind, body.id))
