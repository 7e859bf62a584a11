"""Verifying what is stored: on demand, and how the regular verification stands."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

from photonic.api import examples
from photonic.api.access import Node
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.upkeep_requests import ScrubRequest, VerificationRequest
from photonic.errors import PhotoUnknown, QueryInvalid, VerificationsFull
from photonic.verify_views import ScrubCalendarView, ScrubView, VerificationView

routes = APIRouter(tags=["verification"])


@dataclass(frozen=True, slots=True)
class VerificationList:
    items: list[VerificationView]


@routes.get(
    "/verifications",
    responses=examples.answer({"items": [examples.VERIFICATION]}) | problem_responses(),
)
async def list_verifications(node: Node) -> VerificationList:
    """List the verifications that wait and run, and the last ones that ended."""
    return VerificationList(node.verifications.views())


@routes.post(
    "/verifications",
    status_code=202,
    responses=examples.answer(examples.VERIFICATION, 202)
    | write_responses(QueryInvalid, PhotoUnknown, VerificationsFull),
)
async def start_verification(body: VerificationRequest, node: Node) -> VerificationView:
    """Begin to read stored files again and compare them with their names.

    `verification` events and GET tell how far it is.
    """
    return await node.verifications.start(body.chosen)


@routes.get("/scrub", responses=examples.answer(examples.SCRUB) | problem_responses())
async def read_scrub(node: Node) -> ScrubView:
    """Tell how the regular verification of stored files stands."""
    return await node.verifications.scrubber.view()


@routes.get(
    "/scrub/calendar", responses=examples.answer(examples.SCRUB_CALENDAR) | problem_responses()
)
async def read_scrub_calendar(node: Node) -> ScrubCalendarView:
    """Forecast when each part of what is stored is verified again, and by when all of it was."""
    return await node.verifications.scrubber.calendar()


@routes.put("/scrub", responses=examples.answer(examples.SCRUB) | write_responses())
async def write_scrub(body: ScrubRequest, node: Node) -> ScrubView:
    """Pause the regular verification, or let it go on; kept over restarts."""
    return await node.verifications.scrubber.pause(body.paused)
