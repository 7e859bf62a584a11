"""The HTTP face as one ASGI application, composed here and nowhere else.

From the outside in: metrics, the guard, then FastAPI with the operations under /api/v1, the probes
at the root, and the page for every other path.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse

from photonic.api import (
    admin,
    albums,
    audit,
    catalog,
    conflicts,
    events,
    evictions,
    exports,
    history,
    keys,
    limits,
    media,
    members,
    peers,
    photos,
    placement,
    policies,
    problem_documents,
    search,
    tokens,
    transfers,
    trash,
    verifications,
)
from photonic.api.feed import Feed
from photonic.api.guard import Guard
from photonic.api.metrics import HttpMetrics, Measured
from photonic.api.page import Page
from photonic.api.parameters import EmptyParameters
from photonic.api.porter import Porter, authorise
from photonic.errors import PhotonicError
from photonic.scopes import OPERATIONS
from photonic.views import LocalNode
from photonic.world import Entropy, SystemEntropy

API_VERSION = "1.0.0"
PREFIX = "/api/v1"

# In this order, for /photos/count is no photo's id.
PARTS = (
    search, photos, media, conflicts, history, trash, albums, policies, placement, peers, members,
    events, catalog, verifications, limits, transfers, evictions, tokens, keys, audit,
    exports, admin,
)  # fmt: skip


class Face(FastAPI):
    """The application, with what its operations ask: the node, the feed of events, the metrics."""

    def __init__(
        self,
        node: LocalNode | None,
        *,
        hosts: Collection[str] = (),
        entropy: Entropy | None = None,
    ) -> None:
        self.metrics = HttpMetrics()
        if node is not None:
            run = (entropy or SystemEntropy()).token(4).hex()
            self.node, self.feed = node, Feed(node.events, run)
        porter = None if node is None else Porter(node.entrance)
        super().__init__(
            title="photonic",
            summary="The local node of a peer-to-peer replicated photo catalog.",
            description="Errors are problem documents (RFC 9457) with a code and the fix.",
            version=API_VERSION,
            license_info={"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
            openapi_url=None,  # it is an operation as others are: see below
            docs_url=None,  # they load scripts from other sites
            redoc_url=None,
            redirect_slashes=False,
            generate_unique_id_function=lambda route: route.name,
            separate_input_output_schemas=False,
            middleware=[
                Middleware(Measured, metrics=self.metrics),
                Middleware(Guard, porter=porter, hosts=frozenset(hosts)),
                Middleware(EmptyParameters),
            ],
            exception_handlers={
                PhotonicError: problem_documents.answer_known,
                RequestValidationError: problem_documents.answer_invalid,
                HTTPException: problem_documents.answer_framework,
            },
        )
        judged = [Depends(authorise)]
        api = APIRouter(prefix=PREFIX, dependencies=judged)
        # No bound method: FastAPI remembers each endpoint for good, and with it this whole face.
        api.add_api_route("/openapi.json", read_description, include_in_schema=False)
        for part in PARTS:
            api.include_router(part.routes)
        api.include_router(admin.probes, generate_unique_id_function=lambda route: route.name)
        self.include_router(api)
        self.include_router(
            admin.probes,
            dependencies=judged,
            generate_unique_id_function=lambda route: f"{route.name}_at_root",
        )
        self.router.default = Page()

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        if self.openapi_schema is None:
            _describe_rights(super().openapi())
            _name_problem_type(super().openapi())
        document: dict[str, Any] = super().openapi()
        return document

    def begin_shutdown(self) -> None:
        """End the streams that would never end by themselves."""
        self.feed.close()


async def read_description(request: Request) -> JSONResponse:
    """Return the OpenAPI document."""
    return JSONResponse(request.app.openapi())


def create_app(
    node: LocalNode, *, hosts: Collection[str] = (), entropy: Entropy | None = None
) -> FastAPI:
    """Return the HTTP face of `node`.

    `hosts` are names, besides the loopback ones, under which clients may address it. Call this
    once for each node, for events are told from then on; `serve` runs what is returned.
    """
    return Face(node, hosts=hosts, entropy=entropy)


def _describe_rights(document: dict[str, Any]) -> None:
    """Say of every operation which scopes it needs; on loopback, where that is allowed, none."""
    document["components"]["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "`photonic token create` makes one. Plain HTTP, which this machine alone"
            " reaches, needs none unless `http_local_token` is set.",
        }
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            need = OPERATIONS[operation["operationId"].removesuffix("_at_root")]
            operation["security"] = [] if need is None else [{"token": list(need)}]


def _name_problem_type(document: dict[str, Any]) -> None:
    """Give every refusal in the document the media type that it is sent with."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for answer in operation["responses"].values():
                content = answer.get("content", {})
                for media_type, described in list(content.items()):
                    if described.get("schema", {}).get("$ref", "").endswith("/Problem"):
                        content[problem_documents.MEDIA_TYPE] = content.pop(media_type)
