"""The limits of this node's transfers: how they are, and changing them."""

from __future__ import annotations

from fastapi import APIRouter

from photonic.api import examples
from photonic.api.access import Node
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.upkeep_requests import LimitsRequest
from photonic.errors import HomeUnusable, LimitsInvalid, PeerUnknown
from photonic.limiter import LimitsView

routes = APIRouter(tags=["limits"])


@routes.get("/limits", responses=examples.answer(examples.LIMITS) | problem_responses())
async def read_limits(node: Node) -> LimitsView:
    """Tell how much of the network this node may use."""
    return node.limiter.view()


@routes.put(
    "/limits",
    responses=examples.answer(examples.LIMITS)
    | write_responses(LimitsInvalid, PeerUnknown, HomeUnusable),
)
async def write_limits(body: LimitsRequest, node: Node) -> LimitsView:
    """Make these the only limits, at once and over restarts; what is absent is not limited.

    They are this node's alone.
    """
    return await node.limiter.set(body.bandwidth, body.peer_limits)


@routes.delete(
    "/limits", responses=examples.answer(examples.LIMITS) | problem_responses(HomeUnusable)
)
async def reset_limits(node: Node) -> LimitsView:
    """Go back to the limits of the settings."""
    return await node.limiter.reset()
