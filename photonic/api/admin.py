"""The node itself: status, health, checks, imports, metrics, and its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from photonic.api import examples, metrics
from photonic.api.access import Node
from photonic.api.problem_documents import Answers, problem_responses, write_responses
from photonic.api.requests import ImportRequest
from photonic.errors import FolderUnknown, FolderUnreadable
from photonic.views import DoctorView, ImportView, StatusView

routes = APIRouter(tags=["node"])
probes = APIRouter(tags=["node"])  # served at the root, too, where monitoring looks for them


@dataclass(frozen=True, slots=True)
class HealthView:
    status: Literal["ok", "error"]


@dataclass(frozen=True, slots=True)
class ImportList:
    items: list[ImportView]


@dataclass(frozen=True, slots=True)
class DoctorReport:
    items: list[DoctorView]


@dataclass(frozen=True, slots=True)
class StopView:
    stopping: bool


_UNHEALTHY: Answers = {503: {"model": HealthView, "description": "The node is in state `error`."}}
_METRICS: Answers = {
    200: {
        "description": "Prometheus text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


@routes.get("/status", responses=examples.answer(examples.STATUS) | problem_responses())
async def read_status(node: Node) -> StatusView:
    """Return the state of this node, its library, and what needs a person's attention."""
    return await node.status()


@routes.get(
    "/imports", responses=examples.answer({"items": [examples.IMPORT]}) | problem_responses()
)
async def list_imports(node: Node) -> ImportList:
    """List the imports that run, and the last ones that ended."""
    return ImportList(await node.imports())


@routes.post(
    "/imports",
    status_code=202,
    responses=examples.answer(examples.IMPORT, 202)
    | write_responses(FolderUnknown, FolderUnreadable),
)
async def start_import(body: ImportRequest, node: Node) -> ImportView:
    """Begin to import a folder; `import` events and GET tell how far it is."""
    return await node.start_import(body.folder)


@routes.get("/doctor", responses=examples.answer({"items": [examples.CHECK]}) | problem_responses())
async def run_doctor(node: Node) -> DoctorReport:
    """Check this node's health now: each check with its result and the fix."""
    return DoctorReport(await node.doctor())


@routes.post(
    "/stop",
    status_code=202,
    responses=examples.answer({"stopping": True}, 202) | write_responses(),
)
async def stop(node: Node) -> StopView:
    """Begin a clean stop of the node."""
    await node.stop()
    return StopView(stopping=True)


@probes.get(
    "/health",
    response_model=HealthView,
    responses=examples.answer({"status": "ok"}) | problem_responses() | _UNHEALTHY,
)
async def read_health(node: Node) -> Response:
    """Tell whether the node works: 200, or 503 when it is in state `error`."""
    state = (await node.status()).node.state
    if state == "error":
        return JSONResponse({"status": "error"}, status_code=503)
    return JSONResponse({"status": "ok"})


@probes.get(
    "/metrics",
    response_class=Response,
    responses=_METRICS | problem_responses(),
)
async def read_metrics(request: Request, node: Node) -> Response:
    """Return the node's metrics, and those of this face, as Prometheus reads them."""
    body = metrics.render(node.metrics, request.app.metrics.registry)
    return Response(body, media_type=metrics.CONTENT_TYPE)
